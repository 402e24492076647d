//! Control groups: v2, and v1 where it is still mounted.
