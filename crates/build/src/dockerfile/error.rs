//! What is wrong with a Dockerfile, and where.

use thiserror::Error;

use super::expand::ExpandError;

/// Something on a line that cannot be, or that is not built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}{}: {problem}", column.map_or_else(String::new, |column| format!(", column {column}")))]
pub struct DockerfileError {
    /// From 1; where the instruction begins, or what is wrong with it where that is known.
    pub line: usize,
    /// From 1, counted in characters; absent until it is looked for ([`DockerfileError::located`]).
    pub column: Option<usize>,
    /// What.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Problem {
    #[error("unknown instruction {word}{}", did_you_mean(nearest.as_deref()))]
    UnknownInstruction { word: String, nearest: Option<&'static str> },
    #[error("{instruction} has no option --{flag}{}", did_you_mean(nearest.as_deref()))]
    UnknownFlag { instruction: &'static str, flag: String, nearest: Option<String> },
    #[error("{instruction} --{flag}: {rule}")]
    BadFlag { instruction: &'static str, flag: String, rule: String },
    #[error("{instruction}: {rule}")]
    BadArguments { instruction: &'static str, rule: String },
    #[error("the here-document <<{name} has no end: there is no line that is only {name}")]
    OpenHeredoc { name: String },
    #[error("the directive {name} stands twice")]
    DirectiveTwice { name: String },
    #[error("the directive escape is a backslash or a backtick, and not {value:?}")]
    BadEscape { value: String },
    #[error("a Dockerfile begins with FROM (only ARG may stand before it)")]
    NoFrom,
    #[error("there is no stage {word:?}{}", did_you_mean(nearest.as_deref()))]
    UnknownStage { word: String, nearest: Option<String> },
    #[error("two stages have the name {name:?}")]
    StageTwice { name: String },
    #[error("cannot put in variables: {0}")]
    Expand(#[from] ExpandError),
    #[error("it is larger than {0} MiB")]
    TooLarge(usize),
    #[error("{what} is not built: {why}")]
    NotBuilt { what: String, why: &'static str },
}

fn did_you_mean(word: Option<&str>) -> String {
    word.map_or_else(String::new, |word| format!("; did you mean {word}?"))
}

impl Problem {
    pub(super) fn arguments(instruction: &'static str, rule: impl Into<String>) -> Self {
        Self::BadArguments { instruction, rule: rule.into() }
    }

    pub(super) fn flag(instruction: &'static str, flag: &str, rule: impl Into<String>) -> Self {
        Self::BadFlag { instruction, flag: flag.to_owned(), rule: rule.into() }
    }

    /// On a line.
    #[must_use]
    pub fn at(self, line: usize) -> DockerfileError {
        DockerfileError { line, column: None, problem: self }
    }
}
