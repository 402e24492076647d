//! `--network` and what belongs to it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `--network`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum NetworkMode {
    /// `none`: only the container's own loopback.
    None,
    /// `host`
    Host,
    /// `bridge` or `default`
    Bridge,
    /// `container:NAME`
    Container(String),
    /// A network by its name.
    Named(String),
}

impl From<String> for NetworkMode {
    fn from(text: String) -> Self {
        match text.as_str() {
            "none" => Self::None,
            "host" => Self::Host,
            "bridge" | "default" => Self::Bridge,
            other => match other.strip_prefix("container:") {
                Some(name) => Self::Container(name.to_owned()),
                None => Self::Named(text),
            },
        }
    }
}

impl FromStr for NetworkMode {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::from(text.to_owned()))
    }
}

impl From<NetworkMode> for String {
    fn from(mode: NetworkMode) -> String {
        mode.to_string()
    }
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Host => f.write_str("host"),
            Self::Bridge => f.write_str("bridge"),
            Self::Container(name) => write!(f, "container:{name}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// What a request says of the network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkRequest {
    /// `--network`; absent for the zone's.
    pub mode: Option<NetworkMode>,
    /// `-p`, as typed.
    pub publish: Vec<String>,
    /// `-P`
    pub publish_all: bool,
    /// `--expose`: documentation only, as with Docker.
    pub expose: Vec<String>,
    /// `--dns`
    pub dns: Vec<String>,
    /// `--dns-search`
    pub dns_search: Vec<String>,
    /// `--dns-option`
    pub dns_options: Vec<String>,
    /// `--add-host`: `name:address`.
    pub add_hosts: Vec<String>,
    /// `--ip`
    pub ip: Option<String>,
    /// `--ip6`
    pub ip6: Option<String>,
    /// `--mac-address`
    pub mac_address: Option<String>,
    /// `--network-alias`
    pub aliases: Vec<String>,
    /// Networks beside that of `mode` (`network connect`, further `--network`), each with the aliases there.
    pub connected: BTreeMap<String, Vec<String>>,
}

impl NetworkRequest {
    /// The networks that it names, as words.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        let first = match &self.mode {
            Some(NetworkMode::Named(name)) if name != OWN => Some(name.as_str()),
            _ => None,
        };
        first.into_iter().chain(self.connected.keys().map(String::as_str))
    }
}

/// The word for the zone's own network.
const OWN: &str = "zone";
