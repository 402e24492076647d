//! Messages of netlink(7) as bytes: a header, a fixed part of the message's kind, and attributes, which may hold others.

use std::io;

/// `struct nlmsghdr`
const HEADER: usize = 16;

/// Kinds of messages that every family has (`<linux/netlink.h>`).
pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;

/// Flags of a request.
const REQUEST: u16 = 0x1;
/// An answer is wanted also where all went well.
pub const ACK: u16 = 0x4;
/// All of them.
pub const DUMP: u16 = 0x300;
/// What is there already is replaced.
pub const REPLACE: u16 = 0x100;
/// It must not be there already.
pub const EXCLUSIVE: u16 = 0x200;
/// It is made where it is not there.
pub const CREATE: u16 = 0x400;
/// It goes to the end of its list.
pub const APPEND: u16 = 0x800;

/// Says that an attribute holds attributes (`NLA_F_NESTED`).
const NESTED: u16 = 0x8000;
/// An attribute's kind without the two bits that say how its value is nested and ordered (`NLA_TYPE_MASK`).
const KIND: u16 = 0x3fff;

/// Lengths are padded to four bytes everywhere.
const fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// Attributes being put together, one after another. One that is too long makes the whole unusable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Attributes {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        match u16::try_from(value.len() + 4) {
            Ok(length) => {
                self.bytes.extend(length.to_ne_bytes());
                self.bytes.extend(kind.to_ne_bytes());
                self.bytes.extend(value);
                self.bytes.resize(padded(self.bytes.len()), 0);
            }
            Err(_) => self.too_long = true,
        }
        self
    }

    /// A number in the machine's order, as rtnetlink has them.
    pub fn number(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// A number in the network's order, as nfnetlink has them.
    pub fn big(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_be_bytes())
    }

    /// A text, which ends in NUL.
    pub fn text(&mut self, kind: u16, text: &str) -> &mut Self {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        self.put(kind, &value)
    }

    /// One that holds others.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.nest_after(kind, &[], fill)
    }

    /// One that holds a fixed part and others.
    pub fn nest_after(&mut self, kind: u16, fixed: &[u8], fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self { bytes: fixed.to_vec(), too_long: false };
        fill(&mut inner);
        self.too_long |= inner.too_long;
        self.put(kind | NESTED, &inner.bytes)
    }

    /// The bytes so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    kind: u16,
    flags: u16,
    body: Attributes,
}

impl Request {
    /// Of this kind, with these flags, with the fixed part that the kind has.
    #[must_use]
    pub fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        Self { kind, flags, body: Attributes { bytes: fixed.to_vec(), too_long: false } }
    }

    /// Adds attributes.
    #[must_use]
    pub fn with(mut self, fill: impl FnOnce(&mut Attributes)) -> Self {
        fill(&mut self.body);
        self
    }

    pub(super) fn is_dump(&self) -> bool {
        self.flags & DUMP == DUMP
    }

    pub(super) fn acknowledged(mut self) -> Self {
        self.flags |= ACK;
        self
    }

    /// The whole message, appended.
    pub(super) fn write(&self, sequence: u32, to: &mut Vec<u8>) -> io::Result<()> {
        if self.body.too_long {
            return Err(io::Error::other("an attribute of a netlink message is too long"));
        }
        to.resize(padded(to.len()), 0);
        let length = u32::try_from(HEADER + self.body.bytes.len()).map_err(io::Error::other)?;
        to.extend(length.to_ne_bytes());
        to.extend(self.kind.to_ne_bytes());
        to.extend((REQUEST | self.flags).to_ne_bytes());
        to.extend(sequence.to_ne_bytes());
        // Port 0 is the kernel.
        to.extend([0; 4]);
        to.extend(&self.body.bytes);
        Ok(())
    }
}

/// One message that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'b> {
    /// Its kind.
    pub kind: u16,
    pub(super) sequence: u32,
    /// What follows the header.
    pub body: &'b [u8],
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// The number of four bytes at a place.
#[must_use]
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    number(bytes, at).map(u32::from_ne_bytes)
}

/// Takes attributes apart; what is cut short ends them.
pub fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(number(rest, 0)?));
        let kind = u16::from_ne_bytes(number(rest, 2)?) & KIND;
        let value = rest.get(4..length)?;
        rest = rest.get(padded(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The first attribute of a kind.
#[must_use]
pub fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

impl<'b> Received<'b> {
    /// Takes the messages of one datagram apart; what is cut short ends it.
    pub fn all(mut datagram: &'b [u8]) -> impl Iterator<Item = Self> {
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
    #[must_use]
    pub fn after(&self, fixed: usize) -> &'b [u8] {
        self.body.get(padded(fixed)..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_read_back() {
        let request = Request::new(18, ACK, &[7; 16]).with(|attributes| {
            attributes.text(3, "eth0").nest(18, |inner| {
                inner.text(1, "veth").big(2, 5);
            });
        });
        let mut bytes = Vec::new();
        request.write(5, &mut bytes).unwrap();
        request.write(6, &mut bytes).unwrap();
        let messages: Vec<_> = Received::all(&bytes).collect();
        let [first, second] = messages.as_slice() else { unreachable!("two messages were made") };
        assert_eq!((first.kind, first.sequence, second.sequence), (18, 5, 6));
        let found: Vec<_> = attributes(second.after(16)).collect();
        assert_eq!(found[0], (3, &b"eth0\0"[..]));
        assert_eq!(found[1].0, 18);
        assert_eq!(attribute(found[1].1, 2), Some(&[0, 0, 0, 5][..]));
    }

    #[test]
    fn what_is_too_long_is_not_sent() {
        let request = Request::new(1, 0, &[]).with(|attributes| {
            attributes.nest(1, |inner| {
                inner.put(2, &[0; 70_000]);
            });
        });
        assert!(request.write(1, &mut Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for message in Received::all(&bytes) {
                let _ = (message.error(), attributes(message.after(16)).count());
            }
        }
    }
}
