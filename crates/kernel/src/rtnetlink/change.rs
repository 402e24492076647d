//! Changes of links, addresses, routes and neighbours, to be made one by one or many together.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{
    ADDRESS_PART, GLOBAL, IFA_FLAGS, IFA_LOCAL, IFA_PROTO, IFF_UP, IFLA_ADDRESS, IFLA_AF_SPEC, IFLA_GROUP,
    IFLA_IFNAME, IFLA_LINKINFO, IFLA_MTU, IFLA_NET_NS_FD, NO_DAD, PERMANENT, RTM_DELADDR, RTM_DELLINK,
    RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWROUTE, RTM_SETLINK, bytes_of, family_of, link_part,
};
use crate::netlink::{CREATE, EXCLUSIVE, REPLACE, Request};

/// `IFLA_INFO_KIND`, `IFLA_INFO_DATA` and `VETH_INFO_PEER`.
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;
/// `AF_INET` with `IFLA_INET_CONF`; `AF_INET6` with `IFLA_INET6_ADDR_GEN_MODE`.
const INET: (u16, u16) = (2, 1);
const INET6_ADDR_GEN_MODE: (u16, u16) = (10, 8);
/// `IN6_ADDR_GEN_MODE_NONE`
const GENERATE_NONE: u8 = 1;
/// Attributes of a route and of a neighbour (`<linux/rtnetlink.h>`, `<linux/neighbour.h>`).
pub(super) const RTA_DST: u16 = 1;
pub(super) const RTA_OIF: u16 = 4;
pub(super) const RTA_GATEWAY: u16 = 5;
pub(super) const RTA_PREFSRC: u16 = 7;
pub(super) const RTA_TABLE: u16 = 15;
pub(super) const NDA_DST: u16 = 1;
pub(super) const NDA_LLADDR: u16 = 2;
/// `NUD_PERMANENT`
pub(super) const NUD_PERMANENT: u16 = 0x80;
/// `RT_TABLE_MAIN`, `RTN_UNICAST`, `RT_SCOPE_LINK`, `RTNH_F_ONLINK`.
pub(super) const MAIN: u8 = 254;
pub(super) const UNICAST: u8 = 1;
const LINK_SCOPE: u8 = 253;
const ONLINK: u32 = 4;

/// One change.
#[derive(Debug, Clone)]
pub struct Change(pub(super) Request);

/// A pair of virtual Ethernet devices to be made (veth(4)).
#[derive(Debug, Clone, Copy)]
pub struct NewVeth<'a> {
    /// The name of the end that stays.
    pub name: &'a str,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// The name of the other end.
    pub peer_name: &'a str,
    /// Its hardware address.
    pub peer_mac: [u8; 6],
    /// The network namespace in which the other end is made.
    pub peer_namespace: BorrowedFd<'a>,
    /// Largest packet of both, in bytes.
    pub mtu: u32,
    /// The group of devices that the end that stays is in (`IFLA_GROUP`); 0 for none.
    pub group: u32,
}

/// A route of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// First address and number of leading bits.
    pub to: (IpAddr, u8),
    /// Through which address; none for what is on the link itself. It need not be on the link by any other route.
    pub gateway: Option<IpAddr>,
    /// The link.
    pub link: u32,
    /// The address that the machine itself sends from.
    pub source: Option<IpAddr>,
    /// Who has made it (`rtm_protocol`).
    pub protocol: u8,
}

/// A setting of IPv4 for one link (`IPV4_DEVCONF_*` of `<linux/ip.h>`; Documentation/networking/ip-sysctl.rst).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
#[allow(missing_docs, reason = "the names are those of the parameters")]
pub enum Ipv4Setting {
    Forwarding = 1,
    AcceptRedirects = 4,
    SendRedirects = 6,
    RpFilter = 8,
    AcceptSourceRoute = 9,
    RouteLocalnet = 26,
}

impl Change {
    /// Makes a pair of devices, both down.
    #[must_use]
    pub fn new_veth(veth: &NewVeth<'_>) -> Self {
        Self(Request::new(RTM_NEWLINK, CREATE | EXCLUSIVE, &link_part(0, 0, 0)).with(|link| {
            link.text(IFLA_IFNAME, veth.name).put(IFLA_ADDRESS, &veth.mac).number(IFLA_MTU, veth.mtu);
            link.number(IFLA_GROUP, veth.group);
            link.nest(IFLA_LINKINFO, |info| {
                info.text(INFO_KIND, "veth").nest(INFO_DATA, |data| {
                    data.nest_after(VETH_PEER, &link_part(0, 0, 0), |peer| {
                        peer.text(IFLA_IFNAME, veth.peer_name).put(IFLA_ADDRESS, &veth.peer_mac);
                        peer.number(IFLA_MTU, veth.mtu);
                        peer.put(IFLA_NET_NS_FD, &veth.peer_namespace.as_raw_fd().to_ne_bytes());
                    });
                });
            });
        }))
    }

    /// Removes the link of a number, which no other one is given soon; of a pair, both ends.
    #[must_use]
    pub fn delete_link_of(index: u32) -> Self {
        Self(Request::new(RTM_DELLINK, 0, &link_part(index, 0, 0)))
    }

    /// Removes a link; of a pair, both ends.
    #[must_use]
    pub fn delete_link(name: &str) -> Self {
        Self(Request::new(RTM_DELLINK, 0, &link_part(0, 0, 0)).with(|link| {
            link.text(IFLA_IFNAME, name);
        }))
    }

    /// Brings a link up.
    #[must_use]
    pub fn link_up(index: u32) -> Self {
        Self(Request::new(RTM_SETLINK, 0, &link_part(index, IFF_UP, IFF_UP)))
    }

    /// Gives a link another hardware address and largest packet. It must be down.
    #[must_use]
    pub fn link_form(index: u32, mac: [u8; 6], mtu: u32) -> Self {
        Self(Request::new(RTM_SETLINK, 0, &link_part(index, 0, 0)).with(|link| {
            link.put(IFLA_ADDRESS, &mac).number(IFLA_MTU, mtu);
        }))
    }

    /// Takes a link down, and with it all routes by it.
    #[must_use]
    pub fn link_down(index: u32) -> Self {
        Self(Request::new(RTM_SETLINK, 0, &link_part(index, 0, IFF_UP)))
    }

    /// Sets IPv4 for a link, and keeps IPv6 from giving it an address by itself.
    #[must_use]
    pub fn link_settings(index: u32, ipv4: &[(Ipv4Setting, u32)], ipv6: bool) -> Self {
        Self(Request::new(RTM_SETLINK, 0, &link_part(index, 0, 0)).with(|link| {
            link.nest(IFLA_AF_SPEC, |families| {
                if !ipv4.is_empty() {
                    families.nest(INET.0, |inet| {
                        inet.nest(INET.1, |settings| {
                            for (setting, value) in ipv4 {
                                settings.number(*setting as u16, *value);
                            }
                        });
                    });
                }
                if ipv6 {
                    families.nest(INET6_ADDR_GEN_MODE.0, |inet6| {
                        inet6.put(INET6_ADDR_GEN_MODE.1, &[GENERATE_NONE]);
                    });
                }
            });
        }))
    }

    fn address(kind: u16, flags: u16, index: u32, address: IpAddr, prefix: u8, maker: u8) -> Self {
        let mut part = [0; ADDRESS_PART];
        (part[0], part[1], part[3]) = (family_of(address), prefix, GLOBAL);
        part[4..].copy_from_slice(&index.to_ne_bytes());
        Self(Request::new(kind, flags, &part).with(|attributes| {
            attributes.number(IFA_FLAGS, NO_DAD | PERMANENT).put(IFA_LOCAL, &bytes_of(address));
            if maker != 0 {
                attributes.put(IFA_PROTO, &[maker]);
            }
        }))
    }

    /// Gives a link an address; one that it has is fine. `maker` says who gave it (`IFA_PROTO`); 0 for nobody.
    #[must_use]
    pub fn add_address(index: u32, address: IpAddr, prefix: u8, maker: u8) -> Self {
        Self::address(RTM_NEWADDR, CREATE | REPLACE, index, address, prefix, maker)
    }

    /// Takes an address from a link.
    #[must_use]
    pub fn remove_address(index: u32, address: IpAddr, prefix: u8) -> Self {
        Self::address(RTM_DELADDR, 0, index, address, prefix, 0)
    }

    /// Adds a route, which must not be there.
    #[must_use]
    pub fn add_route(route: &Route) -> Self {
        Self::add_route_in(u32::from(MAIN), route)
    }

    /// Adds a route to another table than the main one, where it must not be.
    #[must_use]
    pub fn add_route_in(table: u32, route: &Route) -> Self {
        let (first, prefix) = route.to;
        let scope = if route.gateway.is_some() { GLOBAL } else { LINK_SCOPE };
        // A number that the field does not hold is in the attribute alone (`RT_TABLE_UNSPEC`).
        let short = u8::try_from(table).unwrap_or(0);
        let mut part = [family_of(first), prefix, 0, 0, short, route.protocol, scope, UNICAST, 0, 0, 0, 0];
        if route.gateway.is_some() {
            part[8..].copy_from_slice(&ONLINK.to_ne_bytes());
        }
        Self(Request::new(RTM_NEWROUTE, CREATE | EXCLUSIVE, &part).with(|attributes| {
            if prefix > 0 {
                attributes.put(RTA_DST, &bytes_of(first));
            }
            attributes.number(RTA_OIF, route.link).number(RTA_TABLE, table);
            for (kind, address) in [(RTA_GATEWAY, route.gateway), (RTA_PREFSRC, route.source)] {
                if let Some(address) = address {
                    attributes.put(kind, &bytes_of(address));
                }
            }
        }))
    }

    /// Says for good which hardware address an address on a link has.
    #[must_use]
    pub fn add_neighbour(link: u32, address: IpAddr, mac: [u8; 6]) -> Self {
        let mut part = [0; 12];
        part[0] = family_of(address);
        part[4..8].copy_from_slice(&link.to_ne_bytes());
        part[8..10].copy_from_slice(&NUD_PERMANENT.to_ne_bytes());
        Self(Request::new(RTM_NEWNEIGH, CREATE | REPLACE, &part).with(|attributes| {
            attributes.put(NDA_DST, &bytes_of(address)).put(NDA_LLADDR, &mac);
        }))
    }
}
