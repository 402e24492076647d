//! Conditions on the kernel in one line: what the tables of checks are made of.
//!
//! `MODULE_SIG_FORCE | !MODULES` means: the kernel option is on, or the other one is off. Terms are joined by `|` (any) or, more
//! tightly, by `&` (all). A term is
//!
//! | term | holds when |
//! |---|---|
//! | `NAME` | the kernel option is `y` |
//! | `!NAME` | the kernel option is off or does not exist |
//! | `NAME?` | the kernel's configuration speaks of the option |
//! | `NAME=value`, `NAME~part` | the option is this, or a list with this part in it |
//! | `cmd:name=value`, `cmd:name~part`, `cmd:name!=value` | the last such word of the command line; `!=` needs the word |
//! | `cmd:name`, `cmd:!name` | the command line has such a word, or has none |
//! | `sys:name=value`, `sys:name>=3`, `sys:name<=3` | the parameter below `/proc/sys` |
//! | `sys:!name` | this kernel has no such parameter |
//! | `>=6.6.0`, `<6.6.0` | the kernel is this one or a newer one; is older |
//! | `arch:x86_64` | the machine |

use std::fmt::Write;

use thiserror::Error;

use crate::host::Kernel;

/// A condition on the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// All hold.
    All(Vec<Self>),
    /// At least one holds.
    Any(Vec<Self>),
    /// One term.
    Test(Test),
}

/// One term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// What is looked at.
    pub subject: Subject,
    /// How it is compared.
    pub comparison: Comparison,
}

/// What a term looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An option of the kernel's configuration, without `CONFIG_`.
    Option(String),
    /// A word of the kernel's command line.
    CommandLine(String),
    /// A parameter below `/proc/sys`, with dots.
    Parameter(String),
    /// The kernel's version.
    Release,
    /// The machine.
    Machine,
}

/// How a value is compared. A value that is not there fulfils `Absent` only.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Comparison {
    Equal(String),
    Different(String),
    Contains(String),
    AtLeast(u64),
    AtMost(u64),
    Since([u32; 3]),
    Before([u32; 3]),
    Present,
    Absent,
}

/// A line that is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot read the condition {0:?}")]
pub struct ConditionError(pub String);

/// Whether a condition holds, with the values that decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Holding {
    Holds(String),
    Fails(String),
    Unknown(String),
}

impl std::str::FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split('|').map(all_of).collect::<Result<Vec<_>, _>>()?;
        Ok(one_or(parts, Self::Any))
    }
}

fn all_of(text: &str) -> Result<Condition, ConditionError> {
    let term = |text: &str| term(text.trim()).ok_or_else(|| ConditionError(text.to_owned()));
    let parts = text.split('&').map(term).collect::<Result<Vec<_>, _>>()?;
    Ok(one_or(parts, Condition::All))
}

/// The only part itself, or all parts under one roof.
fn one_or(mut parts: Vec<Condition>, make: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            make(parts)
        }
        None => make(parts),
    }
}

fn term(text: &str) -> Option<Condition> {
    let test = |subject, comparison| Some(Condition::Test(Test { subject, comparison }));
    if let Some(version) = text.strip_prefix(">=") {
        return test(Subject::Release, Comparison::Since(version_of(version)?));
    }
    if let Some(version) = text.strip_prefix('<') {
        return test(Subject::Release, Comparison::Before(version_of(version)?));
    }
    if let Some(machine) = text.strip_prefix("arch:") {
        return test(Subject::Machine, Comparison::Equal(machine.to_owned()));
    }
    let (make, rest): (fn(String) -> Subject, _) = if let Some(rest) = text.strip_prefix("cmd:") {
        (Subject::CommandLine, rest)
    } else if let Some(rest) = text.strip_prefix("sys:") {
        (Subject::Parameter, rest)
    } else {
        (Subject::Option, text)
    };
    let is_option = rest.len() == text.len();
    let (name, comparison) = if let Some(name) = rest.strip_prefix('!') {
        (name, Comparison::Absent)
    } else if let Some(name) = rest.strip_suffix('?') {
        (name, Comparison::Present)
    } else if let Some((name, value)) = rest.split_once("!=") {
        (name, Comparison::Different(value.to_owned()))
    } else if let Some((name, value)) = rest.split_once(">=") {
        (name, Comparison::AtLeast(value.parse().ok()?))
    } else if let Some((name, value)) = rest.split_once("<=") {
        (name, Comparison::AtMost(value.parse().ok()?))
    } else if let Some((name, value)) = rest.split_once('=') {
        (name, Comparison::Equal(value.to_owned()))
    } else if let Some((name, value)) = rest.split_once('~') {
        (name, Comparison::Contains(value.to_owned()))
    } else if is_option {
        (rest, Comparison::Equal("y".to_owned()))
    } else {
        (rest, Comparison::Present)
    };
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-/*".contains(letter);
    (!name.is_empty() && name.chars().all(allowed)).then(|| test(make(name.to_owned()), comparison)).flatten()
}

/// The first three numbers of a version; those that are missing are 0.
pub(crate) fn version_of(text: &str) -> Option<[u32; 3]> {
    let mut version = [0; 3];
    for (place, part) in version.iter_mut().zip(text.splitn(3, '.')) {
        let digits = part.find(|letter: char| !letter.is_ascii_digit()).map_or(part, |end| &part[..end]);
        *place = digits.parse().ok()?;
    }
    Some(version)
}

impl Condition {
    /// The terms in it.
    pub fn tests(&self) -> Vec<&Test> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::tests).collect(),
            Self::Test(test) => vec![test],
        }
    }

    /// Whether it holds for this kernel.
    #[must_use]
    pub fn judge(&self, kernel: &Kernel) -> Holding {
        let (parts, all) = match self {
            Self::Test(test) => return test.judge(kernel),
            Self::All(parts) => (parts, true),
            Self::Any(parts) => (parts, false),
        };
        let (mut holds, mut fails, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            match part.judge(kernel) {
                Holding::Holds(why) => holds.push(why),
                Holding::Fails(why) => fails.push(why),
                Holding::Unknown(why) => unknown.push(why),
            }
        }
        // Of "any", one that holds decides; of "all", one that fails. Otherwise what is unknown leaves the whole unknown.
        match (all, holds.as_slice(), fails.as_slice(), unknown.as_slice()) {
            (false, [first, ..], _, _) => Holding::Holds(first.clone()),
            (true, _, [_, ..], _) => Holding::Fails(fails.join(", ")),
            (_, _, _, [first, ..]) => Holding::Unknown(first.clone()),
            (true, ..) => Holding::Holds(holds.join(", ")),
            (false, ..) => Holding::Fails(fails.join(", ")),
        }
    }
}

impl Test {
    fn judge(&self, kernel: &Kernel) -> Holding {
        let (value, name) = match &self.subject {
            Subject::Option(name) => (kernel.option(name), format!("CONFIG_{name}")),
            Subject::CommandLine(name) => (kernel.word(name), name.clone()),
            Subject::Parameter(name) => (kernel.parameter(name), name.clone()),
            Subject::Release => (kernel.release.get().cloned().map(Some), "kernel".to_owned()),
            Subject::Machine => (kernel.machine.get().cloned().map(Some), "machine".to_owned()),
        };
        let value = match value {
            Ok(value) => value,
            Err(reason) => return Holding::Unknown(reason.0),
        };
        let holds = self.comparison.holds(value.as_deref(), matches!(self.subject, Subject::Option(_)));
        let mut seen = name;
        let _ = match value.as_deref() {
            Some("") => write!(seen, " is given"),
            Some(value) => write!(seen, " is {value}"),
            None => write!(seen, " is not set"),
        };
        if holds { Holding::Holds(seen) } else { Holding::Fails(seen) }
    }
}

impl Comparison {
    fn holds(&self, value: Option<&str>, is_option: bool) -> bool {
        let Some(value) = value else { return *self == Self::Absent };
        let number = || value.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        match self {
            Self::Equal(wanted) => value == wanted || (!is_option && same_switch(value, wanted)),
            Self::Different(unwanted) => value != unwanted,
            Self::Contains(part) => value.split([',', ' ', '"']).any(|have| have == part),
            Self::AtLeast(least) => number().is_some_and(|number| number >= *least),
            Self::AtMost(most) => number().is_some_and(|number| number <= *most),
            Self::Since(least) => version_of(value).is_some_and(|version| version >= *least),
            Self::Before(end) => version_of(value).is_some_and(|version| version < *end),
            Self::Present => true,
            // The configuration file writes an option that is off as a comment, which is read as `n`.
            Self::Absent => is_option && value == "n",
        }
    }
}

/// Whether two words mean the same switch, as the kernel's `kstrtobool` reads it.
fn same_switch(value: &str, wanted: &str) -> bool {
    let switch = |word: &str| match word.to_ascii_lowercase().as_str() {
        "1" | "y" | "yes" | "t" | "true" | "on" => Some(true),
        "0" | "n" | "no" | "f" | "false" | "off" => Some(false),
        _ => None,
    };
    switch(value).is_some() && switch(value) == switch(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Fact;

    fn kernel() -> Kernel {
        let mut kernel = Kernel::unknown("not planted");
        kernel.release = Fact::Known("6.1.0-28-cloud".to_owned());
        kernel.options = Fact::Known(crate::host::parse_options(
            "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_LSM=\"landlock,yama\"\n",
        ));
        kernel.command_line =
            Fact::Known(crate::host::parse_command_line("quiet a.b=on mitigations=auto,nosmt x=1 x=2"));
        kernel.parameters.insert("kernel.kptr_restrict".to_owned(), Fact::Known(Some("2".to_owned())));
        kernel.parameters.insert("kernel.none".to_owned(), Fact::Known(None));
        kernel
    }

    fn judge(text: &str) -> &'static str {
        match text.parse::<Condition>().unwrap().judge(&kernel()) {
            Holding::Holds(_) => "holds",
            Holding::Fails(_) => "fails",
            Holding::Unknown(_) => "unknown",
        }
    }

    #[test]
    fn every_kind_of_term() {
        for (text, expected) in [
            ("A", "holds"),
            ("B", "fails"),
            ("!B", "holds"),
            ("!C", "holds"),
            ("!A", "fails"),
            ("B?", "holds"),
            ("C?", "fails"),
            ("LSM~yama", "holds"),
            ("LSM~yam", "fails"),
            ("A & !B", "holds"),
            ("A & B", "fails"),
            ("B | A", "holds"),
            ("B | C & A", "fails"),
            ("cmd:quiet", "holds"),
            ("cmd:!quiet", "fails"),
            ("cmd:a.b=1", "holds"),
            ("cmd:x=2", "holds"),
            ("cmd:x=1", "fails"),
            ("cmd:mitigations~nosmt", "holds"),
            ("cmd:mitigations!=off", "holds"),
            ("cmd:none!=off", "fails"),
            ("sys:kernel.kptr_restrict>=1", "holds"),
            ("sys:kernel.kptr_restrict<=1", "fails"),
            ("sys:!kernel.none", "holds"),
            ("sys:kernel.none=0", "fails"),
            ("sys:kernel.unread=0", "unknown"),
            ("sys:kernel.unread=0 | A", "holds"),
            ("sys:kernel.unread=0 & B", "fails"),
            (">=6.1.0", "holds"),
            (">=6.6.0", "fails"),
            ("<6.6.0", "holds"),
            ("<6.1.0", "fails"),
            ("arch:x86_64", "unknown"),
        ] {
            assert_eq!(judge(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_condition() {
        for text in ["", "A |", "sys:", "cmd:=1", "sys:a>=x", ">=x", "A B"] {
            assert!(text.parse::<Condition>().is_err(), "{text}");
        }
    }
}
