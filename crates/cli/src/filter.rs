//! `--filter KEY=VALUE`.

use std::str::FromStr;

use crate::report::Report;
use crate::suggest::nearest;

/// One filter as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl FromStr for Filter {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok(Self { key: key.trim().to_ascii_lowercase(), value: value.trim().to_owned() })
            }
            _ => Err("its form is KEY=VALUE"),
        }
    }
}

impl Filter {
    /// The value as another type.
    pub(crate) fn parsed<T: FromStr>(&self, what: &str) -> Result<T, Report> {
        self.value
            .parse()
            .map_err(|_| Report::new(format!("filter {}={:?} is no {what}", self.key, self.value)))
    }

    /// An error unless the value is one of these.
    pub(crate) fn one_of(&self, known: &[&str]) -> Result<(), Report> {
        if known.contains(&self.value.as_str()) {
            return Ok(());
        }
        let report = Report::new(format!("filter {}={:?} matches nothing", self.key, self.value));
        Err(match nearest(&self.value, known.iter().copied()) {
            Some(near) => report.hint(format!("did you mean {near}?")),
            None => report.hint(format!("values are {}", known.join(", "))),
        })
    }

    /// `KEY` or `KEY=VALUE` inside the value: a label.
    pub(crate) fn label(&self) -> (String, Option<String>) {
        match self.value.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (self.value.clone(), None),
        }
    }

    /// The report for a key that a command does not know.
    pub(crate) fn unknown(&self, known: &[&str]) -> Report {
        let report = Report::new(format!("unknown filter {:?}", self.key));
        match nearest(&self.key, known.iter().copied()) {
            Some(near) => report.hint(format!("did you mean {near}?")),
            None => report.hint(format!("filters are {}", known.join(", "))),
        }
    }
}
