//! The library that ties the parts together.
