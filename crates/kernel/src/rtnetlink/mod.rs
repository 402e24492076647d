//! Network links and their addresses through rtnetlink(7): as much of it as moving a device to another network namespace
//! takes.

mod message;

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use message::{
    ACK, CREATE_NEW, DUMP, IFA_ADDRESS, IFA_BROADCAST, IFA_FLAGS, IFA_LOCAL, IFLA_IFNAME, IFLA_NET_NS_FD,
    NLMSG_DONE, NLMSG_ERROR, RTM_GETADDR, RTM_GETLINK, RTM_NEWADDR, RTM_NEWLINK, RTM_SETLINK, Received,
    Request, link_part, u32_at,
};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// The largest datagram that the kernel makes for a dump is 32 KiB; one link with many virtual functions can be larger.
const DATAGRAM: usize = 128 << 10;
const IFF_UP: u32 = 1;
/// `struct ifaddrmsg`
const ADDRESS_PART: usize = 8;
/// `IFA_F_PERMANENT`: set by someone, not learned from the network.
const PERMANENT: u32 = 0x80;
/// `IFA_F_NODAD | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN`: what was asked for with the address. The
/// kernel keeps the others itself.
const ASKED_FOR: u32 = 0x02 | 0x100 | 0x200 | 0x400;
/// `RT_SCOPE_UNIVERSE`
const GLOBAL: u8 = 0;

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
pub struct RouteSocket {
    socket: OwnedFd,
    sequence: Cell<u32>,
}

impl RouteSocket {
    /// Opens one for the caller's network namespace.
    pub fn open() -> io::Result<Self> {
        // Protocol 0 is NETLINK_ROUTE.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        Ok(Self::from_socket(socket))
    }

    /// One that was opened elsewhere.
    #[must_use]
    pub fn from_socket(socket: OwnedFd) -> Self {
        Self { socket, sequence: Cell::new(0) }
    }

    /// The link of this name, if there is one.
    pub fn link(&self, name: &str) -> io::Result<Option<Link>> {
        let request = Request::new(RTM_GETLINK, 0, &link_part(0, 0, 0)).text(IFLA_IFNAME, name)?;
        match self.ask(request, parse_link) {
            Ok(found) => Ok(found.into_iter().next()),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All links.
    pub fn links(&self) -> io::Result<Vec<Link>> {
        self.ask(Request::new(RTM_GETLINK, DUMP, &link_part(0, 0, 0)), parse_link)
    }

    /// The addresses of a link that someone gave it for good and that reach beyond it: permanent ones of global scope.
    pub fn permanent_global_addresses(&self, index: u32) -> io::Result<Vec<Address>> {
        let request = Request::new(RTM_GETADDR, DUMP, &[0; ADDRESS_PART]);
        self.ask(request, |message| parse_address(message, index))
    }

    /// Moves a link into another network namespace, under a new name. The kernel takes it down and forgets its addresses.
    pub fn move_link(&self, index: u32, namespace: BorrowedFd<'_>, new_name: &str) -> io::Result<()> {
        let request = Request::new(RTM_SETLINK, ACK, &link_part(index, 0, 0))
            .attribute(IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes())?
            .text(IFLA_IFNAME, new_name)?;
        self.tell(request)
    }

    /// Gives a link an address.
    pub fn add_address(&self, index: u32, address: &Address) -> io::Result<()> {
        let mut part = [0; ADDRESS_PART];
        (part[0], part[1], part[3]) = (address.family, address.prefix, GLOBAL);
        part[4..].copy_from_slice(&index.to_ne_bytes());
        let mut request = Request::new(RTM_NEWADDR, ACK | CREATE_NEW, &part)
            .attribute(IFA_FLAGS, &(address.flags & ASKED_FOR).to_ne_bytes())?;
        for (kind, value) in &address.values {
            request = request.attribute(*kind, value)?;
        }
        self.tell(request)
    }

    /// Brings a link up.
    pub fn set_up(&self, index: u32) -> io::Result<()> {
        self.tell(Request::new(RTM_SETLINK, ACK, &link_part(index, IFF_UP, IFF_UP)))
    }

    /// Sends a request and waits until the kernel has done it.
    fn tell(&self, request: Request) -> io::Result<()> {
        self.ask(request, |_| None::<()>).map(drop)
    }

    /// Sends a request and takes what `parse` makes of the answers.
    fn ask<T>(
        &self,
        request: Request,
        mut parse: impl FnMut(&Received<'_>) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        let sequence = self.sequence.get().wrapping_add(1);
        self.sequence.set(sequence);
        let request = request.finish(sequence)?;
        send(&self.socket, &request, SendFlags::empty())?;
        let mut found = Vec::new();
        let mut buffer = vec![MaybeUninit::uninit(); DATAGRAM];
        loop {
            let (datagram, length) = loop {
                match recv(&self.socket, buffer.as_mut_slice(), RecvFlags::TRUNC) {
                    Err(rustix::io::Errno::INTR) => {}
                    other => {
                        let ((datagram, _), length) = other?;
                        break (datagram, length);
                    }
                }
            };
            if length > datagram.len() {
                return Err(io::Error::other("the kernel's answer does not fit the buffer"));
            }
            for message in Received::all(datagram).filter(|message| message.sequence == sequence) {
                match message.kind {
                    NLMSG_DONE => return Ok(found),
                    NLMSG_ERROR => {
                        let cut = || Err(io::ErrorKind::UnexpectedEof.into());
                        return message.error().unwrap_or_else(cut).map(|()| found);
                    }
                    _ => found.extend(parse(&message)),
                }
            }
            // A question about one link is answered by one message, without an end.
            if !found.is_empty() && !is_dump(&request) {
                return Ok(found);
            }
        }
    }
}

fn is_dump(request: &[u8]) -> bool {
    matches!(request.get(6..8), Some([low, high]) if u16::from_ne_bytes([*low, *high]) & DUMP == DUMP)
}

impl AsFd for RouteSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn parse_link(message: &Received<'_>) -> Option<Link> {
    if message.kind != RTM_NEWLINK {
        return None;
    }
    let name = message.attributes(16).find(|(kind, _)| *kind == IFLA_IFNAME)?.1;
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
    for (kind, value) in message.attributes(ADDRESS_PART) {
        match kind {
            IFA_FLAGS => flags = u32_at(value, 0)?,
            IFA_ADDRESS | IFA_LOCAL | IFA_BROADCAST => values.push((kind, value.to_vec())),
            _ => {}
        }
    }
    (flags & PERMANENT != 0 && scope == GLOBAL).then_some(Address { family, prefix, flags, values })
}
