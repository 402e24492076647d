//! The addresses that names of a zone's rules stand for, each for its time: filled by the zone's resolver, emptied by the kernel.

use std::io;
use std::net::IpAddr;

use cofferdam_confinement::network::NamePattern;
use cofferdam_names::ZoneName;

use crate::nft::{Element, Operation, Tables};
use crate::rules::{self, TABLE};

/// One address of a name, opened or closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAddress {
    /// The names of the zone's rule.
    pub pattern: NamePattern,
    /// The address.
    pub address: IpAddr,
    /// Seconds for which it is open from now on, also if it is open already; none to close it.
    pub seconds: Option<u32>,
}

/// How often a change is tried: an element whose time ends between two steps of one transaction makes it fail.
const TRIES: usize = 3;

/// Carries out all of the changes, or none.
///
/// # Errors
/// The table is not there, or the kernel refuses.
pub fn set_named(realm: &str, zone: &ZoneName, changes: &[NamedAddress]) -> io::Result<()> {
    let tables = Tables::open(TABLE)?;
    let operations: Vec<Operation> = changes.iter().flat_map(|change| steps(realm, zone, change)).collect();
    let mut result = tables.transact(&operations);
    for _ in 1..TRIES {
        if result.is_ok() {
            break;
        }
        result = tables.transact(&operations);
    }
    result.map_err(|(operation, error)| match operation {
        Some(operation) => io::Error::new(error.kind(), format!("{operation}: {error}")),
        None => error,
    })
}

/// An element that is there keeps its old end when it is added again. So it is taken away first, and before that added where it is
/// not there: what is not there cannot be taken away.
fn steps(realm: &str, zone: &ZoneName, change: &NamedAddress) -> Vec<Operation> {
    let seconds = change.seconds.unwrap_or(1).max(1);
    let element = Element {
        timeout: Some(u64::from(seconds) * 1000),
        ..rules::named(realm, zone, &change.pattern, change.address)
    };
    let removal = Operation::DeleteElement(Element { timeout: None, ..element.clone() });
    let mut steps = vec![Operation::ShareElement(element.clone()), removal];
    if change.seconds.is_some() {
        steps.push(Operation::AddElement(element));
    }
    steps
}

/// Whether an address is open for the names of a rule.
///
/// # Errors
/// The kernel does not answer.
pub fn is_named(realm: &str, zone: &ZoneName, pattern: &NamePattern, address: IpAddr) -> io::Result<bool> {
    Ok(Tables::open(TABLE)?.element(&rules::named(realm, zone, pattern, address))?.is_some())
}
