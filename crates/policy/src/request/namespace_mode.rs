//! `--pid`, `--ipc`, `--uts`, `--userns` and `--cgroupns`.

use std::fmt;
use std::str::FromStr;

use cofferdam_kernel::namespace::Namespace;
use serde::{Deserialize, Serialize};

use super::InvalidOption;

/// Whose namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NamespaceMode {
    /// `private`: the container's own.
    Private,
    /// `none` (ipc only): the container's own, without `/dev/shm`.
    None,
    /// `shareable` (ipc only): the container's own, and others of its zone may join it.
    Shareable,
    /// `host`
    Host,
    /// `container:NAME`: another container's.
    Container(String),
}

impl NamespaceMode {
    /// The other container, as typed.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        match self {
            Self::Container(name) => Some(name),
            _ => None,
        }
    }
}

impl FromStr for NamespaceMode {
    type Err = InvalidOption;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" | "private" => Ok(Self::Private),
            "none" => Ok(Self::None),
            "shareable" => Ok(Self::Shareable),
            "host" => Ok(Self::Host),
            _ => match text.strip_prefix("container:") {
                Some(name) if !name.is_empty() => Ok(Self::Container(name.to_owned())),
                _ => {
                    let rule = "it is private, host, container:NAME or, for --ipc, shareable or none";
                    Err(InvalidOption::new("namespace mode", text, rule))
                }
            },
        }
    }
}

impl TryFrom<String> for NamespaceMode {
    type Error = InvalidOption;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<NamespaceMode> for String {
    fn from(mode: NamespaceMode) -> String {
        mode.to_string()
    }
}

impl fmt::Display for NamespaceMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private => f.write_str("private"),
            Self::None => f.write_str("none"),
            Self::Shareable => f.write_str("shareable"),
            Self::Host => f.write_str("host"),
            Self::Container(name) => write!(f, "container:{name}"),
        }
    }
}

/// The namespaces that a request names; absent ones are private.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the flags' names")]
pub struct NamespaceRequest {
    pub pid: Option<NamespaceMode>,
    pub ipc: Option<NamespaceMode>,
    pub uts: Option<NamespaceMode>,
    pub userns: Option<NamespaceMode>,
    pub cgroupns: Option<NamespaceMode>,
}

impl NamespaceRequest {
    /// Those that are given, with the kind that each means.
    pub fn modes(&self) -> impl Iterator<Item = (Namespace, &NamespaceMode)> {
        [
            (Namespace::Pid, &self.pid),
            (Namespace::Ipc, &self.ipc),
            (Namespace::Uts, &self.uts),
            (Namespace::User, &self.userns),
            (Namespace::Cgroup, &self.cgroupns),
        ]
        .into_iter()
        .filter_map(|(kind, mode)| Some((kind, mode.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_as_written() {
        for word in ["private", "none", "shareable", "host", "container:web"] {
            assert_eq!(word.parse::<NamespaceMode>().unwrap().to_string(), word);
        }
        for bad in ["container:", "Host", "web"] {
            assert!(bad.parse::<NamespaceMode>().is_err(), "{bad}");
        }
    }
}
