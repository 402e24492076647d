//! The built-in system call profiles, each call with its reason.
