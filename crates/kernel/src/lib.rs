//! Safe, typed doors to the Linux kernel.
//!
//! This is the only crate with `unsafe`: each module that needs it reopens it for itself and states the invariant
//! that makes each block sound. It holds mechanism only: it knows system calls, `/proc` formats and the kernel's
//! constants, and nothing of containers, zones or plans. Linux 5.19 or newer.

pub mod binfmt;
pub mod bpf;
pub mod capability;
pub mod children;
pub mod clone;
pub mod code_pages;
pub mod credentials;
pub mod exec;
pub mod file_lock;
pub mod fork;
pub mod inherited;
pub mod link;
pub mod mount;
pub mod namespace;
pub mod netlink;
mod objects;
pub mod own_image;
pub mod proc;
pub mod ptrace;
pub mod readiness;
pub mod rlimit;
pub mod rtnetlink;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod task;
pub mod tty;
pub mod version;
