//! Zone files become zones; a zone and a request become a plan. Pure, but for reading the files.

pub mod syscalls;
