//! Reads the kernel back and compares it with the plan.
//!
//! [`observe`] reads, [`compare`] judges (pure), [`gate()`] and [`verify`] do both and sign a receipt. What could not be
//! read is [`Verdict::Unknown`], which is never a pass. This crate changes nothing in a container.

mod controls;
mod digest;
mod envelope;
mod finding;
#[cfg(test)]
mod fixture;
mod gate;
mod host_key;
mod judge;
mod limits;
mod mount_roles;
mod observation;
mod planned_filter;
mod receipt;
mod table;

pub use controls::{CONTROLS, Control, compare};
pub use envelope::{Envelope, OpenError, PAYLOAD_TYPE, Signature};
pub use finding::{Finding, Verdict, overall};
pub use gate::{GateError, Receipt, examine, gate, verify};
pub use host_key::{HostKey, InvalidPublicKey, KeyError, PublicKey};
pub use limits::compare_group;
pub use observation::*;
pub use receipt::{Host, RECEIPT_SCHEMA, ReceiptError, Statement, Subjected, plan_digest, witness_of_start};
pub use table::{narrow_table, table};
