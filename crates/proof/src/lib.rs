//! Reads the kernel back and compares it with the plan.
//!
//! [`observe`] reads, [`compare`] judges (pure), [`gate()`] and [`verify_all`] do both; [`Receipt::seal`] signs what they found. What could not be
//! read is [`Verdict::Unknown`], which is never a pass. This crate changes nothing in a container.

mod controls;
mod digest;
mod entrants;
mod envelope;
mod finding;
#[cfg(test)]
mod fixture;
mod gate;
mod host_key;
mod judge;
mod mount_roles;
mod observation;
mod planned_filter;
mod receipt;
mod table;
mod verify;

pub use controls::{CONTROLS, Control, compare, compare_group};
pub use entrants::{Entrant, Entrants};
pub use envelope::{Envelope, OpenError, PAYLOAD_TYPE, Signature};
pub use finding::{Finding, Verdict, overall};
pub use gate::{GateError, MAY_BE_UNKNOWN, Passed, Receipt, Rule, Terms, examine, gate};
pub use host_key::{HostKey, InvalidPublicKey, KeyError, PublicKey};
pub use observation::*;
pub use receipt::{
    Host, RECEIPT_SCHEMA, ReceiptError, Statement, Subjected, Unobservable, plan_digest, witness_of_start,
};
pub use table::{narrow_table, table};
pub use verify::{Running, verify_all};
