//! Later, while the container runs.
