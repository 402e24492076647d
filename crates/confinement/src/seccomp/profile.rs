//! What a filter decides, as pure data: OCI's profile with nothing invalid left in it.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Arch;

/// What happens to a system call (seccomp(2), "Return values" of the filter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The process dies with a core dump, as by SIGSYS.
    KillProcess,
    /// The calling thread dies.
    KillThread,
    /// The thread gets SIGSYS; the call is not run.
    Trap,
    /// The call is not run and fails with this errno.
    Errno(u16),
    /// A tracer is asked, with this message; without a tracer the call fails with ENOSYS.
    Trace(u16),
    /// The listener is asked.
    Notify,
    /// The call runs and is logged.
    Log,
    /// The call runs.
    Allow,
}

/// An action name that is none, or a return value that the action cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum InvalidAction {
    #[error("unknown seccomp action {0:?}")]
    Unknown(String),
    #[error("seccomp action {0} returns no errno")]
    TakesNoErrno(String),
    #[error("seccomp errno {0} is above 4095, the last that the kernel hands to a program")]
    ErrnoTooLarge(u32),
}

/// `EPERM`: what OCI runtimes return where a profile names no errno.
const EPERM: u16 = 1;
/// `MAX_ERRNO` of `<linux/err.h>`: the kernel caps larger values to this one.
const MAX_ERRNO: u32 = 4095;

impl Action {
    /// Reads OCI's action name with the `errnoRet` beside it (EPERM where there is none).
    ///
    /// # Errors
    /// The name is unknown, the action carries no errno, or the errno is too large.
    pub fn from_oci(name: &str, errno: Option<u32>) -> Result<Self, InvalidAction> {
        let value = match errno {
            None => EPERM,
            Some(value) => u16::try_from(value)
                .ok()
                .filter(|_| value <= MAX_ERRNO)
                .ok_or(InvalidAction::ErrnoTooLarge(value))?,
        };
        let action = match name {
            "SCMP_ACT_ERRNO" => return Ok(Self::Errno(value)),
            "SCMP_ACT_TRACE" => return Ok(Self::Trace(value)),
            "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Self::KillThread,
            "SCMP_ACT_KILL_PROCESS" => Self::KillProcess,
            "SCMP_ACT_TRAP" => Self::Trap,
            "SCMP_ACT_NOTIFY" => Self::Notify,
            "SCMP_ACT_LOG" => Self::Log,
            "SCMP_ACT_ALLOW" => Self::Allow,
            unknown => return Err(InvalidAction::Unknown(unknown.to_owned())),
        };
        if errno.is_some() { Err(InvalidAction::TakesNoErrno(name.to_owned())) } else { Ok(action) }
    }

    /// OCI's name of it (`SCMP_ACT_ERRNO`).
    #[must_use]
    pub fn oci_name(self) -> &'static str {
        match self {
            Self::KillProcess => "SCMP_ACT_KILL_PROCESS",
            Self::KillThread => "SCMP_ACT_KILL_THREAD",
            Self::Trap => "SCMP_ACT_TRAP",
            Self::Errno(_) => "SCMP_ACT_ERRNO",
            Self::Trace(_) => "SCMP_ACT_TRACE",
            Self::Notify => "SCMP_ACT_NOTIFY",
            Self::Log => "SCMP_ACT_LOG",
            Self::Allow => "SCMP_ACT_ALLOW",
        }
    }
}

/// Which of the six arguments, 0 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct ArgIndex(u8);

/// An argument that no system call has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a system call has the arguments 0 to 5, not {0}")]
pub struct NoSuchArgument(pub u32);

impl ArgIndex {
    /// The number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u32> for ArgIndex {
    type Error = NoSuchArgument;
    fn try_from(index: u32) -> Result<Self, Self::Error> {
        u8::try_from(index).ok().filter(|small| *small < 6).map(Self).ok_or(NoSuchArgument(index))
    }
}

impl From<ArgIndex> for u32 {
    fn from(index: ArgIndex) -> u32 {
        u32::from(index.0)
    }
}

/// How an argument, taken as an unsigned 64-bit number, is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Comparison {
    /// argument ≠ value
    NotEqual(u64),
    /// argument < value
    Less(u64),
    /// argument ≤ value
    LessOrEqual(u64),
    /// argument = value
    Equal(u64),
    /// argument ≥ value
    GreaterOrEqual(u64),
    /// argument > value
    Greater(u64),
    /// (argument & mask) = value
    MaskedEqual {
        /// Which bits count.
        mask: u64,
        /// What they are.
        value: u64,
    },
}

/// An operator name that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown seccomp operator {0:?}")]
pub struct InvalidComparison(pub String);

impl Comparison {
    /// Reads OCI's operator; `SCMP_CMP_MASKED_EQ` masks with `value` and compares with `value_two`.
    ///
    /// # Errors
    /// The operator is unknown.
    pub fn from_oci(operator: &str, value: u64, value_two: u64) -> Result<Self, InvalidComparison> {
        Ok(match operator {
            "SCMP_CMP_NE" => Self::NotEqual(value),
            "SCMP_CMP_LT" => Self::Less(value),
            "SCMP_CMP_LE" => Self::LessOrEqual(value),
            "SCMP_CMP_EQ" => Self::Equal(value),
            "SCMP_CMP_GE" => Self::GreaterOrEqual(value),
            "SCMP_CMP_GT" => Self::Greater(value),
            "SCMP_CMP_MASKED_EQ" => Self::MaskedEqual { mask: value, value: value_two },
            unknown => return Err(InvalidComparison(unknown.to_owned())),
        })
    }

    /// Whether it holds for this argument.
    #[must_use]
    pub fn holds(self, argument: u64) -> bool {
        match self {
            Self::NotEqual(value) => argument != value,
            Self::Less(value) => argument < value,
            Self::LessOrEqual(value) => argument <= value,
            Self::Equal(value) => argument == value,
            Self::GreaterOrEqual(value) => argument >= value,
            Self::Greater(value) => argument > value,
            Self::MaskedEqual { mask, value } => argument & mask == value,
        }
    }
}

/// A test of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Which argument.
    pub index: ArgIndex,
    /// How it is compared.
    pub comparison: Comparison,
}

/// What happens to some calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The calls, by the kernel's names.
    pub names: Vec<String>,
    /// What happens to them.
    pub action: Action,
    /// The rule is for calls whose arguments pass all of these; empty for every call.
    pub args: Vec<Condition>,
}

impl Rule {
    /// The rules that one of OCI's `syscalls` stands for. Where an argument is tested more than once, OCI runtimes take each test as
    /// a rule of its own ("or", not "and"), and profiles are written for that; otherwise it is one rule.
    #[must_use]
    pub fn from_oci(names: Vec<String>, action: Action, args: Vec<Condition>) -> Vec<Self> {
        let mut indices: Vec<ArgIndex> = args.iter().map(|condition| condition.index).collect();
        indices.sort_unstable();
        if indices.is_sorted_by(|a, b| a < b) {
            return vec![Self { names, action, args }];
        }
        let one = |condition| Self { names: names.clone(), action, args: vec![condition] };
        args.into_iter().map(one).collect()
    }
}

/// How the filter is installed (seccomp(2), `SECCOMP_FILTER_FLAG_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flags {
    /// Log every action but `Allow`.
    pub log: bool,
    /// Leave speculative store bypass on.
    pub spec_allow: bool,
    /// Put all threads of the process under it. Our init has one, so it changes nothing but is passed on.
    pub tsync: bool,
    /// A listener's wait ends only by a fatal signal.
    pub wait_killable_recv: bool,
}

/// A flag name that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown seccomp flag {0:?}")]
pub struct InvalidFlag(pub String);

impl Flags {
    /// OCI's names of the flags that are set.
    #[must_use]
    pub fn oci_names(self) -> Vec<&'static str> {
        [
            (self.log, "SECCOMP_FILTER_FLAG_LOG"),
            (self.spec_allow, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"),
            (self.tsync, "SECCOMP_FILTER_FLAG_TSYNC"),
            (self.wait_killable_recv, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
        .collect()
    }

    /// Sets the flag with OCI's name (`SECCOMP_FILTER_FLAG_LOG`).
    ///
    /// # Errors
    /// The name is unknown.
    pub fn set(&mut self, name: &str) -> Result<(), InvalidFlag> {
        let flag = match name {
            "SECCOMP_FILTER_FLAG_LOG" => &mut self.log,
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => &mut self.spec_allow,
            "SECCOMP_FILTER_FLAG_TSYNC" => &mut self.tsync,
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => &mut self.wait_killable_recv,
            unknown => return Err(InvalidFlag(unknown.to_owned())),
        };
        *flag = true;
        Ok(())
    }
}

impl FromStr for Flags {
    type Err = InvalidFlag;

    /// Reads one of OCI's names as the set that holds this flag alone.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut flags = Self::default();
        flags.set(name)?;
        Ok(flags)
    }
}

/// Who is asked about calls whose action is [`Action::Notify`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// A Unix socket that gets the notify descriptor (OCI `listenerPath`).
    pub path: PathBuf,
    /// Passed on to it as it is (OCI `listenerMetadata`).
    pub metadata: String,
}

/// The system call filter of one process.
///
/// A call is decided by the rules that name it, in their order: the first whose conditions all hold. Where none does, the
/// default action decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What happens to a call that no rule is for.
    pub default_action: Action,
    /// The architectures whose calls are decided by the rules, beside the native one. Calls by any other kill the process.
    pub architectures: Vec<Arch>,
    /// How it is installed.
    pub flags: Flags,
    /// Who is asked, where an action says so.
    pub listener: Option<Listener>,
    /// The rules in their order.
    pub rules: Vec<Rule>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_belongs_to_an_action_that_returns_it() {
        assert_eq!(Action::from_oci("SCMP_ACT_ERRNO", None), Ok(Action::Errno(1)));
        assert_eq!(Action::from_oci("SCMP_ACT_ERRNO", Some(38)), Ok(Action::Errno(38)));
        assert_eq!(Action::from_oci("SCMP_ACT_KILL", None), Ok(Action::KillThread));
        assert!(Action::from_oci("SCMP_ACT_ALLOW", Some(1)).is_err());
        assert!(Action::from_oci("SCMP_ACT_ERRNO", Some(4096)).is_err());
        assert!(Action::from_oci("SCMP_ACT_DANCE", None).is_err());
    }

    #[test]
    fn only_six_arguments() {
        assert_eq!(ArgIndex::try_from(5).map(ArgIndex::get), Ok(5));
        assert!(ArgIndex::try_from(6).is_err());
        assert!(ArgIndex::try_from(u32::MAX).is_err());
    }

    #[test]
    fn tests_of_one_argument_are_alternatives_as_for_other_runtimes() {
        let condition = |index: u32, value| Condition {
            index: ArgIndex::try_from(index).unwrap(),
            comparison: Comparison::Equal(value),
        };
        let rules = |args| Rule::from_oci(vec!["socket".to_owned()], Action::Allow, args);
        assert_eq!(rules(vec![condition(0, 1), condition(1, 1)]).len(), 1);
        assert_eq!(rules(vec![]).len(), 1);
        let alternatives = rules(vec![condition(2, 1), condition(0, 9), condition(2, 2)]);
        assert_eq!(alternatives.len(), 3);
        assert!(alternatives.iter().all(|rule| rule.args.len() == 1 && rule.names == ["socket"]));
    }

    #[test]
    fn flags_are_named_as_oci_names_them() {
        let mut flags = Flags::default();
        flags.set("SECCOMP_FILTER_FLAG_LOG").unwrap();
        flags.set("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV").unwrap();
        assert_eq!(flags.oci_names(), ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]);
        assert!("SECCOMP_FILTER_FLAG_NEW_LISTENER".parse::<Flags>().is_err());
    }
}
