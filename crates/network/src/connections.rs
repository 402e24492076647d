//! Connections that the kernel knows (conntrack, through nfnetlink): those of a container end with it, so that the next one with
//! its address is not taken for it.

use std::io;
use std::net::IpAddr;

use cofferdam_kernel::netlink::{Attributes, Family, Request, Socket};

/// `NFNL_SUBSYS_CTNETLINK` and `IPCTNL_MSG_CT_DELETE`
const DELETE: u16 = (1 << 8) | 2;
/// `CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`, `CTA_TUPLE_IP`, `CTA_FILTER`
const TUPLES: [u16; 2] = [1, 2];
const TUPLE_IP: u16 = 1;
const FILTER: u16 = 25;
/// `CTA_FILTER_F_CTA_IP_SRC`
const BY_SOURCE: u32 = 1;

/// Forgets all connections that an address began or was asked for.
pub(crate) fn forget(addresses: impl IntoIterator<Item = IpAddr>) -> io::Result<()> {
    let socket = Socket::open(Family::Netfilter)?;
    for address in addresses {
        for way in [0, 1] {
            match socket.tell(request(address, way)) {
                // There is none.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
    }
    Ok(())
}

/// All connections with this source in the first way (what the address began) or in the second (what it answers).
fn request(address: IpAddr, way: usize) -> Request {
    let family = if address.is_ipv4() { 2 } else { 10 };
    // `CTA_IP_V4_SRC` and `CTA_IP_V6_SRC`
    let kind = if address.is_ipv4() { 1 } else { 3 };
    let put_source = |ip: &mut Attributes| {
        match address {
            IpAddr::V4(address) => ip.put(kind, &address.octets()),
            IpAddr::V6(address) => ip.put(kind, &address.octets()),
        };
    };
    Request::new(DELETE, 0, &[family, 0, 0, 0]).with(|attributes| {
        attributes.nest(TUPLES[way], |tuple| {
            tuple.nest(TUPLE_IP, put_source);
        });
        attributes.nest(FILTER, |filter| {
            for place in [0, 1] {
                filter.number(TUPLES[place], if place == way { BY_SOURCE } else { 0 });
            }
        });
    })
}
