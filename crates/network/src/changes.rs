//! Changes of links, addresses and routes as they are made everywhere here.

use std::io;
use std::net::IpAddr;

use cofferdam_kernel::rtnetlink::{Change, RouteSocket};
use rustix::io::Errno;

/// Makes changes, one after another, if there are any.
pub(crate) fn make_all(routes: &RouteSocket, changes: Vec<Change>) -> io::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    routes.make_all(changes).map_err(|(_, error)| error)
}

/// A result in which these failures are none.
pub(crate) fn but_for(fine: &[Errno], result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| match Errno::from_io_error(&error) {
        Some(code) if fine.contains(&code) => Ok(()),
        _ => Err(error),
    })
}

/// How many leading bits the network has that is this address alone.
pub(crate) fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}
