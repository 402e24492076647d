//! Applies a plan to traffic: a container's link, its addresses and the packet rules, through netlink; and reads them back.
//!
//! There is one table of ours, `inet cofferdam`. Nothing else of the host's packet rules is touched, and what the host's owner
//! denies stays denied: a packet passes only if every table lets it. This crate decides nothing: who may talk to whom is in the
//! plan.

mod changes;
mod connections;
mod ending;
mod host;
mod judge;
mod link;
mod listener;
mod lock;
mod name_server;
mod named;
mod nft;
mod observe;
mod outlet;
mod renewal;
mod rules;
mod table;
mod trial;
mod watch;
mod watcher;

pub use ending::{Remains, disconnect};
pub use host::{HostNetwork, addresses, networks_of_host, pool_of, ways_out};
pub use judge::{Flow, Judgement, Side, judge};
pub use listener::is_listened_at;
pub use named::{NamedAddress, is_named, set_named};
pub use observe::{Part, observe, observe_rules};
pub use outlet::{
    MAC as OUTLET_MAC, MTU as OUTLET_MTU, OTHER_MAC as OUTLET_OTHER_MAC, OutletLink, keep_from_host,
    kept_from_host,
};
pub use renewal::{Ground, renew};
pub use rules::{LOG_GROUP, TABLE, Tag};
pub use table::{
    ConnectError, Connected, Current, change_segments, connect, is_in_place, mend, repair, restore,
};
pub use trial::{Trial, Tried, begin};
pub use watch::{Seen, Watch};
pub use watcher::RulesWatcher;
