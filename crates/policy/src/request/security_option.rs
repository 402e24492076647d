//! `--security-opt`.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::InvalidOption;

/// Which system call filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SeccompChoice {
    /// `unconfined`
    Unconfined,
    /// `builtin`: the zone's.
    Builtin,
    /// `strict`: our built-in strict profile.
    Strict,
    /// A file with a profile in Docker's format.
    File {
        /// Its path, for messages.
        path: PathBuf,
        /// Its text, once the client has read it.
        json: Option<String>,
    },
}

/// One part of an SELinux label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelOption {
    /// `label=disable`
    Disable,
    /// `label=user:U`
    User(String),
    /// `label=role:R`
    Role(String),
    /// `label=type:T`
    Type(String),
    /// `label=level:L`
    Level(String),
}

/// One `--security-opt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecurityOption {
    /// `no-new-privileges[=true|false]`
    NoNewPrivileges(bool),
    /// `seccomp=...`
    Seccomp(SeccompChoice),
    /// `apparmor=PROFILE`, also `unconfined`.
    AppArmor(String),
    /// `label=...`
    Label(LabelOption),
    /// `systempaths=unconfined`: nothing is masked or read-only.
    SystemPathsUnconfined,
}

impl FromStr for SecurityOption {
    type Err = InvalidOption;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |rule: &str| InvalidOption::new("security option", text, rule);
        // Docker reads `key:value` as well, from before it settled on `=`.
        let (key, value) = match text.split_once('=').or_else(|| text.split_once(':')) {
            Some((key, value)) => (key, value),
            None if text == "no-new-privileges" => (text, "true"),
            None => return Err(refuse("its form is KEY=VALUE")),
        };
        if value.is_empty() {
            return Err(refuse("its value is not empty"));
        }
        match key {
            "no-new-privileges" => value
                .parse()
                .map(Self::NoNewPrivileges)
                .map_err(|_| refuse("no-new-privileges is true or false")),
            "seccomp" => Ok(Self::Seccomp(match value {
                "unconfined" => SeccompChoice::Unconfined,
                "builtin" => SeccompChoice::Builtin,
                "strict" => SeccompChoice::Strict,
                path => SeccompChoice::File { path: path.into(), json: None },
            })),
            "apparmor" => Ok(Self::AppArmor(value.to_owned())),
            "label" => parse_label(value)
                .map(Self::Label)
                .ok_or_else(|| refuse("label is disable, user:U, role:R, type:T or level:L")),
            "systempaths" if value == "unconfined" => Ok(Self::SystemPathsUnconfined),
            "systempaths" => Err(refuse("systempaths is unconfined or not given")),
            _ => Err(refuse("it is no-new-privileges, seccomp, apparmor, label or systempaths")),
        }
    }
}

fn parse_label(value: &str) -> Option<LabelOption> {
    if value == "disable" {
        return Some(LabelOption::Disable);
    }
    let (part, word) = value.split_once(':')?;
    let word = (!word.is_empty()).then(|| word.to_owned())?;
    match part {
        "user" => Some(LabelOption::User(word)),
        "role" => Some(LabelOption::Role(word)),
        "type" => Some(LabelOption::Type(word)),
        "level" => Some(LabelOption::Level(word)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_docker() {
        let parse = |text: &str| text.parse::<SecurityOption>().unwrap();
        assert_eq!(parse("no-new-privileges"), SecurityOption::NoNewPrivileges(true));
        assert_eq!(parse("no-new-privileges:false"), SecurityOption::NoNewPrivileges(false));
        assert_eq!(parse("seccomp=unconfined"), SecurityOption::Seccomp(SeccompChoice::Unconfined));
        let level = SecurityOption::Label(LabelOption::Level("s0:c1,c2".into()));
        assert_eq!(parse("label=level:s0:c1,c2"), level);
        assert_eq!(parse("systempaths=unconfined"), SecurityOption::SystemPathsUnconfined);
        for bad in ["seccomp", "seccomp=", "x=y", "label=x:y", "systempaths=host", "no-new-privileges=1"] {
            assert!(bad.parse::<SecurityOption>().is_err(), "{bad}");
        }
    }
}
