//! Connections that the kernel knows (conntrack, through nfnetlink): those of a container end with it, so that the next one with
//! its address is not taken for it, and those that a new rule forbids end with the old rule.

use std::io;
use std::net::IpAddr;

use cofferdam_kernel::netlink::{Attributes, DUMP, Family, Request, Socket, attribute};

/// `NFNL_SUBSYS_CTNETLINK` and `IPCTNL_MSG_CT_DELETE`
const DELETE: u16 = (1 << 8) | 2;
/// `CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`, `CTA_TUPLE_IP`, `CTA_FILTER`
const TUPLES: [u16; 2] = [1, 2];
const TUPLE_IP: u16 = 1;
const FILTER: u16 = 25;
/// `CTA_FILTER_F_CTA_IP_SRC`
const BY_SOURCE: u32 = 1;

/// `IPCTNL_MSG_CT_GET`
const GET: u16 = (1 << 8) | 1;
/// `CTA_STATUS`, and in it `IPS_DST_NAT`
const STATUS: u16 = 3;
const DST_NAT: u32 = 1 << 5;
/// `struct nfgenmsg`
const PART: usize = 4;

/// A connection that the kernel knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// Who began it, and who answers: a container's own address, also where it was asked by a published port.
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    pub(crate) protocol: u8,
    /// The port that answers.
    pub(crate) port: Option<u16>,
    pub(crate) published: bool,
    /// Its first way as the kernel wrote it, by which it is found again.
    way: Vec<u8>,
}

impl Known {
    /// Whether one of these addresses began it or answers.
    fn is_of(&self, addresses: &[IpAddr]) -> bool {
        addresses.contains(&self.from) || addresses.contains(&self.to)
    }
}

/// `AF_INET`, `AF_INET6`
const fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { 2 } else { 10 }
}

/// All of them.
pub(crate) fn all() -> io::Result<Vec<Known>> {
    let socket = Socket::open(Family::Netfilter)?;
    socket.ask(&Request::new(GET, DUMP, &[0; 4]), |message| parse(message.after(PART)))
}

/// One of them, from the attributes of a message about it.
pub(crate) fn parse(attributes: &[u8]) -> Option<Known> {
    let (way, back) = (attribute(attributes, TUPLES[0])?, attribute(attributes, TUPLES[1])?);
    let of = |tuple, v4, v6| address(attribute(tuple, TUPLE_IP)?, v4, v6);
    let service = attribute(back, 2)?;
    let status = attribute(attributes, STATUS).and_then(|value| value.try_into().ok());
    Some(Known {
        from: of(way, 1, 3)?,
        to: of(back, 1, 3)?,
        protocol: *attribute(service, 1)?.first()?,
        port: attribute(service, 2).and_then(|port| Some(u16::from_be_bytes(port.try_into().ok()?))),
        published: status.map_or(0, u32::from_be_bytes) & DST_NAT != 0,
        way: way.to_vec(),
    })
}

/// An address of a tuple, by its kinds for the two families.
fn address(tuple: &[u8], v4: u16, v6: u16) -> Option<IpAddr> {
    match (attribute(tuple, v4), attribute(tuple, v6)) {
        (Some(bytes), _) => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        (None, Some(bytes)) => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        (None, None) => None,
    }
}

/// Forgets some of them: the next packet of each is judged as a first one.
pub(crate) fn end(known: &[Known]) -> io::Result<()> {
    let socket = Socket::open(Family::Netfilter)?;
    for one in known {
        // `NLA_F_NESTED`
        let request = Request::new(DELETE, 0, &[family(one.from), 0, 0, 0]).with(|attributes| {
            attributes.put(TUPLES[0] | 0x8000, &one.way);
        });
        delete(&socket, request)?;
    }
    Ok(())
}

/// Forgets all connections that an address began or was asked for.
pub(crate) fn forget(socket: &Socket, addresses: impl IntoIterator<Item = IpAddr>) -> io::Result<()> {
    let addresses: Vec<IpAddr> = addresses.into_iter().collect();
    for address in &addresses {
        for way in [0, 1] {
            match delete(socket, request(*address, way)) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    return forget_one_by_one(&addresses);
                }
                other => other?,
            }
        }
    }
    Ok(())
}

/// All connections with this source in the first way (what the address began) or in the second (what it answers).
fn request(address: IpAddr, way: usize) -> Request {
    // `CTA_IP_V4_SRC` and `CTA_IP_V6_SRC`
    let kind = if address.is_ipv4() { 1 } else { 3 };
    let put_source = |ip: &mut Attributes| {
        match address {
            IpAddr::V4(address) => ip.put(kind, &address.octets()),
            IpAddr::V6(address) => ip.put(kind, &address.octets()),
        };
    };
    Request::new(DELETE, 0, &[family(address), 0, 0, 0]).with(|attributes| {
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

/// The same for kernels before 6.8, which want to be told of every connection that is to go (EINVAL).
fn forget_one_by_one(addresses: &[IpAddr]) -> io::Result<()> {
    let mut theirs = all()?;
    theirs.retain(|known| known.is_of(addresses));
    end(&theirs)
}

/// One that has ended by itself is as good as forgotten.
fn delete(socket: &Socket, request: Request) -> io::Result<()> {
    match socket.tell(request) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(from: IpAddr, answers: IpAddr) -> Vec<u8> {
        let mut all = Attributes::new();
        for (way, source) in TUPLES.into_iter().zip([from, answers]) {
            all.nest(way, |tuple| {
                tuple.nest(TUPLE_IP, |ip| {
                    match source {
                        IpAddr::V4(address) => ip.put(1, &address.octets()),
                        IpAddr::V6(address) => ip.put(3, &address.octets()),
                    };
                });
                // `CTA_TUPLE_PROTO`, `CTA_PROTO_NUM`: the kernel tells it of every connection.
                tuple.nest(2, |service| {
                    service.put(1, &[17]);
                });
            });
        }
        all.as_bytes().to_vec()
    }

    fn way_to_forget(connection: &[u8], addresses: &[IpAddr]) -> Option<(u8, Vec<u8>)> {
        let known = parse(connection).filter(|known| known.is_of(addresses))?;
        Some((family(known.from), known.way))
    }

    #[test]
    fn old_kernels_are_told_of_connections_one_by_one() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let own = [address("10.90.0.2"), address("fd00::2")];
        let family = |from: &str, answers: &str| {
            way_to_forget(&connection(address(from), address(answers)), &own).map(|(family, _)| family)
        };
        assert_eq!(family("10.90.0.2", "192.0.2.1"), Some(2), "it asked");
        assert_eq!(family("192.0.2.1", "10.90.0.2"), Some(2), "it answers, at its own or a published port");
        assert_eq!(family("2001:db8::1", "fd00::2"), Some(10));
        assert_eq!(family("10.90.0.3", "192.0.2.1"), None, "another's");
        assert_eq!(way_to_forget(&[1, 2, 3], &own), None);
        let whole = connection(own[0], own[0]);
        let (_, way) = way_to_forget(&whole, &own).unwrap();
        assert_eq!(Some(way.as_slice()), attribute(&whole, TUPLES[0]), "as the kernel wrote it");
    }
}
