//! `-e` and `--env-file`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::InvalidOption;

/// One environment variable as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum EnvEntry {
    /// `NAME=value`
    Set {
        /// Its name.
        name: String,
        /// Its value, may be empty.
        value: String,
    },
    /// `NAME`: the client's value. [`super::ContainerRequest::resolve_client`] replaces it.
    FromClient {
        /// Its name.
        name: String,
    },
    /// The image's variable of this name is not passed on.
    Unset {
        /// Its name.
        name: String,
    },
}

/// A line of an environment file that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {number}")]
pub struct InvalidLine {
    /// The line's number, from 1.
    number: usize,
    /// What is wrong with it.
    #[source]
    source: InvalidOption,
}

impl EnvEntry {
    /// Reads the lines of an `--env-file`: `#` starts a comment line, blank lines are skipped.
    ///
    /// # Errors
    /// [`InvalidOption`] for the first line that is no entry.
    pub fn parse_file(text: &str) -> Result<Vec<Self>, InvalidLine> {
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim_start);
        (1..)
            .zip(lines)
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(number, line)| line.parse().map_err(|source| InvalidLine { number, source }))
            .collect()
    }

    pub(super) fn resolve(&mut self, variable: impl Fn(&str) -> Option<String>) {
        if let Self::FromClient { name } = self {
            let name = std::mem::take(name);
            *self = match variable(&name) {
                Some(value) => Self::Set { name, value },
                None => Self::Unset { name },
            };
        }
    }
}

impl FromStr for EnvEntry {
    type Err = InvalidOption;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let refuse = |rule: &str| Err(InvalidOption::new("environment variable", text, rule));
        if name.is_empty() || name.chars().any(char::is_whitespace) {
            return refuse("it starts with a name without white space");
        }
        if text.contains('\0') {
            return refuse("it holds no NUL byte");
        }
        let name = name.to_owned();
        Ok(match value {
            Some(value) => Self::Set { name, value: value.to_owned() },
            None => Self::FromClient { name },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_files() {
        let mut entries = EnvEntry::parse_file("# c\n\nA=1=2\n  B\nC=\nD\n").unwrap();
        for entry in &mut entries {
            entry.resolve(|name| (name == "B").then(|| "b".to_owned()));
        }
        let set = |name: &str, value: &str| EnvEntry::Set { name: name.into(), value: value.into() };
        assert_eq!(
            entries,
            [set("A", "1=2"), set("B", "b"), set("C", ""), EnvEntry::Unset { name: "D".into() }]
        );
        for bad in ["", "=x", "a b=c", "a=\0"] {
            assert!(bad.parse::<EnvEntry>().is_err(), "{bad:?}");
        }
    }
}
