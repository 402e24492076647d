//! `--restart`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::InvalidOption;

/// When the engine starts the container again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RestartPolicy {
    /// `no`
    #[default]
    No,
    /// `always`
    Always,
    /// `unless-stopped`
    UnlessStopped,
    /// `on-failure[:N]`
    OnFailure {
        /// How often at most; absent for ever.
        max_retries: Option<u32>,
    },
}

impl FromStr for RestartPolicy {
    type Err = InvalidOption;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || {
            let rule = "it is no, always, unless-stopped or on-failure[:N]";
            InvalidOption::new("restart policy", text, rule)
        };
        match text.split_once(':') {
            None => match text {
                "" | "no" => Ok(Self::No),
                "always" => Ok(Self::Always),
                "unless-stopped" => Ok(Self::UnlessStopped),
                "on-failure" => Ok(Self::OnFailure { max_retries: None }),
                _ => Err(refuse()),
            },
            Some(("on-failure", retries)) => {
                let count: u32 = retries.parse().map_err(|_| refuse())?;
                Ok(Self::OnFailure { max_retries: (count > 0).then_some(count) })
            }
            Some(_) => Err(refuse()),
        }
    }
}

impl TryFrom<String> for RestartPolicy {
    type Error = InvalidOption;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RestartPolicy> for String {
    fn from(policy: RestartPolicy) -> String {
        policy.to_string()
    }
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::Always => f.write_str("always"),
            Self::UnlessStopped => f.write_str("unless-stopped"),
            Self::OnFailure { max_retries: None } => f.write_str("on-failure"),
            Self::OnFailure { max_retries: Some(count) } => write!(f, "on-failure:{count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_docker() {
        for word in ["no", "always", "unless-stopped", "on-failure", "on-failure:3"] {
            assert_eq!(word.parse::<RestartPolicy>().unwrap().to_string(), word);
        }
        for bad in ["never", "always:3", "on-failure:-1", "on-failure:x"] {
            assert!(bad.parse::<RestartPolicy>().is_err(), "{bad}");
        }
    }
}
