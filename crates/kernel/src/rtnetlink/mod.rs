//! Network links, their addresses, routes and neighbours through rtnetlink(7).

mod change;
mod policy;
mod read;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

pub use change::{Change, Ipv4Setting, NewVeth, Route};
pub use policy::PolicyRule;
pub use read::{FoundRoute, LinkAddress, LinkDetails, Neighbour};

use crate::netlink::{CREATE, DUMP, EXCLUSIVE, Family, Received, Request, Socket, attributes, u32_at};

/// Kinds of messages (`<linux/rtnetlink.h>`).
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const RTM_GETRULE: u16 = 34;

/// Attributes of a link (`<linux/if_link.h>`) and of an address (`<linux/if_addr.h>`).
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_GROUP: u16 = 27;
const IFLA_NET_NS_FD: u16 = 28;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;

const IFF_UP: u32 = 1;
/// `struct ifinfomsg`
const LINK_PART: usize = 16;
/// `struct ifaddrmsg`
const ADDRESS_PART: usize = 8;
/// `IFA_F_PERMANENT`: set by someone, not learned from the network.
const PERMANENT: u32 = 0x80;
/// `IFA_F_NODAD`: nobody else is asked whether they have it.
const NO_DAD: u32 = 0x02;
/// `IFA_F_NODAD | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN`: what was asked for with the address. The
/// kernel keeps the others itself.
const ASKED_FOR: u32 = NO_DAD | 0x100 | 0x200 | 0x400;
/// `RT_SCOPE_UNIVERSE`
const GLOBAL: u8 = 0;

/// `AF_INET` or `AF_INET6`
const fn family_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { 2 } else { 10 }
}

fn bytes_of(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// `struct ifinfomsg`: of any family and type; `flags` and which of them to change.
fn link_part(index: u32, flags: u32, change: u32) -> [u8; LINK_PART] {
    let mut part = [0; LINK_PART];
    part[4..8].copy_from_slice(&index.to_ne_bytes());
    part[8..12].copy_from_slice(&flags.to_ne_bytes());
    part[12..].copy_from_slice(&change.to_ne_bytes());
    part
}

/// A network link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name there.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
}

/// An address of a link, as the kernel writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    family: u8,
    prefix: u8,
    flags: u32,
    /// `IFA_ADDRESS`, `IFA_LOCAL` and `IFA_BROADCAST`, where they are set.
    values: Vec<(u16, Vec<u8>)>,
}

/// A socket that speaks rtnetlink to the network namespace in which it was made, wherever it is used.
#[derive(Debug)]
pub struct RouteSocket(Socket);

impl RouteSocket {
    /// Opens one for the caller's network namespace.
    pub fn open() -> io::Result<Self> {
        Socket::open(Family::Route).map(Self)
    }

    /// One that was opened elsewhere.
    #[must_use]
    pub fn from_socket(socket: OwnedFd) -> Self {
        Self(Socket::from_fd(socket))
    }

    /// The link of this name, if there is one.
    pub fn link(&self, name: &str) -> io::Result<Option<Link>> {
        self.one_link(Some(name), 0, parse_link)
    }

    fn one_link<T>(
        &self,
        name: Option<&str>,
        index: u32,
        parse: impl FnMut(&Received<'_>) -> Option<T>,
    ) -> io::Result<Option<T>> {
        let request = Request::new(RTM_GETLINK, 0, &link_part(index, 0, 0)).with(|link| {
            if let Some(name) = name {
                link.text(IFLA_IFNAME, name);
            }
        });
        match self.0.ask(&request, parse) {
            Ok(found) => Ok(found.into_iter().next()),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All links.
    pub fn links(&self) -> io::Result<Vec<Link>> {
        self.0.ask(&Request::new(RTM_GETLINK, DUMP, &link_part(0, 0, 0)), parse_link)
    }

    /// The addresses of a link that someone gave it for good and that reach beyond it: permanent ones of global scope.
    pub fn permanent_global_addresses(&self, index: u32) -> io::Result<Vec<Address>> {
        let request = Request::new(RTM_GETADDR, DUMP, &[0; ADDRESS_PART]);
        self.0.ask(&request, |message| parse_address(message, index))
    }

    /// Moves a link into another network namespace, under a new name. The kernel takes it down and forgets its addresses.
    pub fn move_link(&self, index: u32, namespace: BorrowedFd<'_>, new_name: &str) -> io::Result<()> {
        self.0.tell(Request::new(RTM_SETLINK, 0, &link_part(index, 0, 0)).with(|link| {
            link.put(IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes()).text(IFLA_IFNAME, new_name);
        }))
    }

    /// Gives a link an address.
    pub fn add_address(&self, index: u32, address: &Address) -> io::Result<()> {
        let mut part = [0; ADDRESS_PART];
        (part[0], part[1], part[3]) = (address.family, address.prefix, GLOBAL);
        part[4..].copy_from_slice(&index.to_ne_bytes());
        self.0.tell(Request::new(RTM_NEWADDR, CREATE | EXCLUSIVE, &part).with(|attributes| {
            attributes.number(IFA_FLAGS, address.flags & ASKED_FOR);
            for (kind, value) in &address.values {
                attributes.put(*kind, value);
            }
        }))
    }

    /// Brings a link up.
    pub fn set_up(&self, index: u32) -> io::Result<()> {
        self.make(Change::link_up(index))
    }

    /// Makes one change.
    pub fn make(&self, change: Change) -> io::Result<()> {
        self.0.tell(change.0)
    }

    /// Makes changes, one after another, with one call. The first that failed is told by its place.
    pub fn make_all(&self, changes: Vec<Change>) -> Result<(), (usize, io::Error)> {
        self.0.tell_all(changes.into_iter().map(|change| change.0).collect())
    }
}

impl AsFd for RouteSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn parse_link(message: &Received<'_>) -> Option<Link> {
    if message.kind != RTM_NEWLINK {
        return None;
    }
    let name = attributes(message.after(LINK_PART)).find(|(kind, _)| *kind == IFLA_IFNAME)?.1;
    let name = name.strip_suffix(b"\0").unwrap_or(name);
    Some(Link {
        index: u32_at(message.body, 4)?,
        name: String::from_utf8_lossy(name).into_owned(),
        up: u32_at(message.body, 8)? & IFF_UP != 0,
    })
}

fn parse_address(message: &Received<'_>, link: u32) -> Option<Address> {
    if message.kind != RTM_NEWADDR || u32_at(message.body, 4)? != link {
        return None;
    }
    let &[family, prefix, short_flags, scope] = message.body.first_chunk::<4>()?;
    let mut flags = u32::from(short_flags);
    let mut values = Vec::new();
    for (kind, value) in attributes(message.after(ADDRESS_PART)) {
        match kind {
            IFA_FLAGS => flags = u32_at(value, 0)?,
            IFA_ADDRESS | IFA_LOCAL | IFA_BROADCAST => values.push((kind, value.to_vec())),
            _ => {}
        }
    }
    (flags & PERMANENT != 0 && scope == GLOBAL).then_some(Address { family, prefix, flags, values })
}
