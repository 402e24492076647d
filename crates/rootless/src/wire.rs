//! What is said to the process that holds the namespaces, and what it answers.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use cofferdam_confinement::IdMaps;
use cofferdam_confinement::network::{AddressRange, Outlet, PublishedPort};
use serde::{Deserialize, Serialize};

/// What that process is started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orders {
    /// The ids of the user namespace: each is the host's same number.
    pub maps: IdMaps,
    /// The file of pasta(1).
    pub pasta: PathBuf,
    /// The link of all containers that publish nothing.
    pub outlet: Outlet,
    /// Where containers' addresses are from.
    pub pool4: AddressRange,
    /// The same for IPv6.
    pub pool6: Option<AddressRange>,
    /// A process in the namespaces of one that was killed, while containers run in them.
    pub adopt: Option<i32>,
    /// The file that events are added to.
    pub events: PathBuf,
}

/// A container's own way in and out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Way {
    /// Its link.
    pub outlet: Outlet,
    /// The container's addresses.
    pub containers: Vec<IpAddr>,
    /// The host's ports that lead there.
    pub ports: Vec<PublishedPort>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// The namespaces are wanted; they stay at least as long as the connection.
    Join,
    /// A way is wanted as long as the connection lasts.
    Publish(Way),
    /// It is not any more.
    Withdraw,
    /// A socket of the host's network, connected to a name server.
    Exchange {
        /// Where it is.
        server: SocketAddr,
        /// By TCP.
        stream: bool,
    },
    /// What there is.
    Show,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Answer {
    /// With the user namespace.
    User,
    /// With the network namespace.
    Network,
    /// With the socket.
    Socket,
    Done,
    Refused(String),
    Shown(Shown),
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Where containers' addresses are from.
    pub pool4: AddressRange,
    /// The same for IPv6.
    pub pool6: Option<AddressRange>,
    /// The host's addresses, with how many leading bits their networks have.
    pub host: Vec<(IpAddr, u8)>,
    /// Links whose pasta does not run just now.
    pub missing: Vec<String>,
}
