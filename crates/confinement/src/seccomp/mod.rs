//! The system call filter: a profile as pure data, compiled to a classic BPF program.
//!
//! - [`Profile`] is OCI's profile with nothing invalid left in it; [`Profile::decide`] says what it means.
//! - [`compile()`] makes the [`Program`] that the kernel gets; [`Program::run`] follows it without a kernel, and
//!   [`Program::listing`] prints it.
//!
//! # Where rules meet
//! The rules that name a call are tried in their order, and the first whose conditions all hold decides. (libseccomp
//! lets a rule without conditions win over those with conditions, and OCI runtimes drop rules whose action is the default one;
//! here what stands first counts, so that "refuse this address family, allow the others" means that.) Several
//! conditions of one rule must all hold.
//!
//! # What no rule is for
//! The default action; but ENOSYS instead of a refusal for calls above the last number that any rule names, so that
//! programs fall back from calls that are newer than the profile (as runc does). Calls through an entry that
//! the profile does not list kill the process.
//!
//! # Arguments
//! They are compared as unsigned 64-bit numbers. The kernel takes an `int` argument from the lower half only, and a program may
//! leave anything in the upper one: a rule that refuses a value of an `int` must mask with 0xFFFFFFFF.

mod arch;
mod compile;
mod emit;
mod listing;
mod numbers;
mod profile;
mod program;
mod resolve;
mod syscall_table;

pub use arch::{Arch, UnknownArch};
pub use compile::{CompileError, Compiled, Decision, compile};
pub use profile::{
    Action, ArgIndex, Comparison, Condition, Flags, InvalidAction, InvalidComparison, InvalidFlag, Listener,
    NoSuchArgument, Profile, Rule,
};
pub use program::{Malformed, Program, SeccompData};
pub use syscall_table::{is_syscall, syscall_name, syscall_number, syscalls};
