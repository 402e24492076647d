//! The system call filter: a profile as pure data, compiled to a classic BPF program.

mod arch;
mod profile;

pub use arch::{Arch, UnknownArch};
pub use profile::{
    Action, ArgIndex, Comparison, Condition, Flags, InvalidAction, InvalidComparison, InvalidFlag, Listener,
    NoSuchArgument, Profile, Rule,
};
