//! Messages of rtnetlink(7) as bytes: a header, a fixed part of the message's kind, and attributes.

use std::io;

/// `struct nlmsghdr`
const HEADER: usize = 16;

/// Kinds of messages (`<linux/rtnetlink.h>`, `<linux/netlink.h>`).
pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;
pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_GETLINK: u16 = 18;
pub(super) const RTM_SETLINK: u16 = 19;
pub(super) const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_GETADDR: u16 = 22;

/// Flags of a request.
pub(super) const REQUEST: u16 = 0x1;
pub(super) const ACK: u16 = 0x4;
pub(super) const DUMP: u16 = 0x300;
pub(super) const CREATE_NEW: u16 = 0x600;

/// Attributes of a link (`<linux/if_link.h>`) and of an address (`<linux/if_addr.h>`).
pub(super) const IFLA_IFNAME: u16 = 3;
pub(super) const IFLA_NET_NS_FD: u16 = 28;
pub(super) const IFA_ADDRESS: u16 = 1;
pub(super) const IFA_LOCAL: u16 = 2;
pub(super) const IFA_BROADCAST: u16 = 4;
pub(super) const IFA_FLAGS: u16 = 8;

/// Lengths are padded to four bytes everywhere.
const fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// A request that is being put together.
#[derive(Debug)]
pub(super) struct Request(Vec<u8>);

impl Request {
    pub(super) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((REQUEST | flags).to_ne_bytes());
        // The sequence number is the sender's to give; port 0 is the kernel.
        bytes.extend([0; 8]);
        bytes.extend(fixed);
        Self(bytes)
    }

    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> io::Result<Self> {
        self.0.resize(padded(self.0.len()), 0);
        let length = u16::try_from(value.len() + 4).map_err(io::Error::other)?;
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        Ok(self)
    }

    /// A text ends in NUL.
    pub(super) fn text(self, kind: u16, text: &str) -> io::Result<Self> {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.attribute(kind, &value)
    }

    /// The whole message.
    pub(super) fn finish(mut self, sequence: u32) -> io::Result<Vec<u8>> {
        let length = u32::try_from(self.0.len()).map_err(io::Error::other)?;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Ok(self.0)
    }
}

/// `struct ifinfomsg`: of any family and type; `flags` and which of them to change.
pub(super) fn link_part(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut part = [0; 16];
    part[4..8].copy_from_slice(&index.to_ne_bytes());
    part[8..12].copy_from_slice(&flags.to_ne_bytes());
    part[12..].copy_from_slice(&change.to_ne_bytes());
    part
}

/// One message that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Received<'b> {
    pub(super) kind: u16,
    pub(super) sequence: u32,
    pub(super) body: &'b [u8],
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// The number of four bytes at a place.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    number(bytes, at).map(u32::from_ne_bytes)
}

impl<'b> Received<'b> {
    /// Takes the messages of one datagram apart; what is cut short ends it.
    pub(super) fn all(mut datagram: &'b [u8]) -> impl Iterator<Item = Self> {
        std::iter::from_fn(move || {
            let length = usize::try_from(u32_at(datagram, 0)?).ok().filter(|length| *length >= HEADER)?;
            let message = Self {
                kind: u16::from_ne_bytes(number(datagram, 4)?),
                sequence: u32_at(datagram, 8)?,
                body: datagram.get(HEADER..length)?,
            };
            datagram = datagram.get(padded(length)..).unwrap_or_default();
            Some(message)
        })
    }

    /// The kernel's answer in a message of kind [`NLMSG_ERROR`]: an acknowledgement is error 0.
    pub(super) fn error(&self) -> Option<io::Result<()>> {
        let errno = number(self.body, 0).map(i32::from_ne_bytes)?;
        Some(if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-errno)) })
    }

    /// The attributes after a fixed part of this length.
    pub(super) fn attributes(&self, fixed: usize) -> impl Iterator<Item = (u16, &'b [u8])> + use<'b> {
        let mut rest = self.body.get(padded(fixed)..).unwrap_or_default();
        std::iter::from_fn(move || {
            let length = usize::from(u16::from_ne_bytes(number(rest, 0)?));
            // The two high bits say how the value is nested and ordered (NLA_TYPE_MASK).
            let kind = u16::from_ne_bytes(number(rest, 2)?) & 0x3fff;
            let value = rest.get(4..length)?;
            rest = rest.get(padded(length)..).unwrap_or_default();
            Some((kind, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_read_back() {
        let request = Request::new(RTM_GETLINK, ACK, &link_part(7, 1, 1)).text(IFLA_IFNAME, "eth0").unwrap();
        let bytes = request.attribute(IFLA_NET_NS_FD, &3_u32.to_ne_bytes()).unwrap().finish(5).unwrap();
        let messages: Vec<_> = Received::all(&bytes).collect();
        let [message] = messages.as_slice() else { unreachable!("one message was made") };
        assert_eq!((message.kind, message.sequence), (RTM_GETLINK, 5));
        assert_eq!(u32_at(message.body, 4), Some(7));
        let attributes: Vec<_> = message.attributes(16).collect();
        assert_eq!(attributes, [(IFLA_IFNAME, &b"eth0\0"[..]), (IFLA_NET_NS_FD, &[3, 0, 0, 0][..])]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for message in Received::all(&bytes) {
                let _ = (message.error(), message.attributes(16).count());
            }
        }
    }
}
