//! What a resolver is told: whose it is, what is allowed, who asks whom.

use std::net::IpAddr;

use cofferdam_names::ZoneName;
use serde::{Deserialize, Serialize};

use crate::address::Range;
use crate::allow::NameRule;
use crate::limits::Limits;
use crate::local::Container;

/// Everything that a resolver decides by. It comes whole each time that something of it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The zone.
    pub zone: ZoneName,
    /// The zones that it may reach.
    pub reaches: Vec<ZoneName>,
    /// Containers of all these zones.
    pub containers: Vec<Container>,
    /// What of other names is answered.
    pub forwarding: Forwarding,
    /// Ranges that are not of the open internet and that the zone allows by their addresses.
    pub allowed_ranges: Vec<Range>,
    /// Addresses of this host: never in a forwarded answer.
    pub host_addresses: Vec<IpAddr>,
    /// Ranges of the open internet that are this host's neighbours: answered where a range of the zone's allows them.
    pub neighbours: Vec<Range>,
    /// How many servers there are to ask.
    pub servers: usize,
    /// Another number with each other list of them: what the old ones said is forgotten.
    pub servers_version: u32,
    /// How much one client may ask.
    pub limits: Limits,
}

/// What happens to names that are no container's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Forwarding {
    /// They are asked for: the zone's egress is by address.
    All,
    /// Only these, and their addresses are opened before they are answered.
    Names(Vec<NameRule>),
    /// None: the zone has no egress.
    Nothing,
}
