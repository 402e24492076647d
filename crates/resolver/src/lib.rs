//! A zone's DNS.
//!
//! One resolver per zone answers its containers: names of containers from its own table, other names from the host's servers, or,
//! in a zone whose egress is by name, only the names that are allowed there, after their addresses were opened.
//! [`Resolver`] is a machine without I/O: packets, messages and time go in, effects come out. [`worker`] is the confined process around
//! it, [`keeper`] the one that has the host's rights and parses nothing of strangers'. What comes from a container or a
//! server is parsed once, in [`wire`], and trusted for nothing but what was asked.

pub mod address;
pub mod allow;
mod answer;
mod cache;
pub mod control;
mod dice;
pub mod keeper;
mod limits;
pub mod local;
mod opened;
pub mod plan;
mod question;
mod resolver;
pub mod settings;
pub mod wire;
pub mod worker;

pub use dice::Dice;
pub use limits::Limits;
pub use opened::{Change, Opened};
pub use resolver::{Client, Denied, Effect, Resolver, Ticket};
pub use settings::Settings;
