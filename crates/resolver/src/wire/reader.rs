//! Reads a message from its front, never outside of it.

use thiserror::Error;

use super::Name;
use super::name::{MAX_LABEL, MAX_NAME};

/// A message that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Malformed {
    #[error("DNS message: it ends too early")]
    Short,
    #[error("DNS message: a label of an unknown kind")]
    Label,
    #[error("DNS message: a name points to itself or forwards")]
    Pointer,
    #[error("DNS message: a name of more than 255 octets")]
    LongName,
    #[error("DNS message: the data of a record do not fit their length")]
    Data,
    #[error("DNS message: it does not have one question")]
    Questions,
    #[error("DNS message: more than one OPT record")]
    Edns,
    #[error("DNS message: octets follow its end")]
    Trailing,
    #[error("DNS message: it is no question of the ordinary kind")]
    NotAQuery,
}

/// Where a reader stands in a message.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'m> {
    message: &'m [u8],
    at: usize,
}

impl<'m> Reader<'m> {
    /// At the front of a message.
    #[must_use]
    pub fn new(message: &'m [u8]) -> Self {
        Self { message, at: 0 }
    }

    /// Octets from the front to here.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// The octets from a place that was passed to here.
    #[must_use]
    pub fn since(&self, start: usize) -> &'m [u8] {
        self.message.get(start..self.at).unwrap_or_default()
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.at >= self.message.len()
    }

    /// The next octets.
    ///
    /// # Errors
    /// [`Malformed::Short`], as for all of them.
    pub fn bytes(&mut self, count: usize) -> Result<&'m [u8], Malformed> {
        let end = self.at.checked_add(count).ok_or(Malformed::Short)?;
        let bytes = self.message.get(self.at..end).ok_or(Malformed::Short)?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed::Short)
    }

    /// One octet.
    ///
    /// # Errors
    /// [`Malformed::Short`]
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    /// Two octets.
    ///
    /// # Errors
    /// [`Malformed::Short`]
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// Four octets.
    ///
    /// # Errors
    /// [`Malformed::Short`]
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A name. A pointer leads to a place before all that was read of the name so far, so that no chain of them has a loop.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn name(&mut self) -> Result<Name, Malformed> {
        let mut wire = Vec::with_capacity(32);
        let mut from = *self;
        // The reader itself goes on after the first pointer.
        let mut after = None;
        let mut earliest = self.at;
        loop {
            let length = from.u8()?;
            match length >> 6 {
                0 => {
                    wire.push(length);
                    let label = from.bytes(usize::from(length))?;
                    debug_assert!(label.len() <= MAX_LABEL, "six bits");
                    wire.extend_from_slice(label);
                    if wire.len() > MAX_NAME {
                        return Err(Malformed::LongName);
                    }
                    if length == 0 {
                        break;
                    }
                }
                3 => {
                    let low = from.u8()?;
                    after.get_or_insert(from.at);
                    let target = usize::from(u16::from_be_bytes([length & 0x3F, low]));
                    if target >= earliest {
                        return Err(Malformed::Pointer);
                    }
                    earliest = target;
                    from.at = target;
                }
                _ => return Err(Malformed::Label),
            }
        }
        self.at = after.unwrap_or(from.at);
        Ok(Name::from_checked(wire))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pointers_lead_backwards() {
        let message = b"\x03org\x00\x07example\xc0\x00\x01a\xc0\x05";
        let mut reader = Reader::new(message);
        assert_eq!(reader.name().unwrap().to_string(), "org");
        assert_eq!(reader.name().unwrap().to_string(), "example.org");
        assert_eq!(reader.name().unwrap().to_string(), "a.example.org");
        assert!(reader.is_at_end());
    }

    #[test]
    fn a_loop_is_refused() {
        assert_eq!(Reader::new(b"\xc0\x00").name(), Err(Malformed::Pointer));
        assert_eq!(Reader::new(b"\x01a\xc0\x00").name(), Err(Malformed::Pointer));
        let mut reader = Reader::new(b"\xc0\x02\xc0\x00");
        assert_eq!(reader.name(), Err(Malformed::Pointer));
        assert_eq!(Reader::new(b"\x40a\x00").name(), Err(Malformed::Label));
        let long = [&[63][..], &[b'a'; 63]].concat().repeat(5);
        assert_eq!(Reader::new(&long).name(), Err(Malformed::LongName));
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_name_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..300) {
            let mut reader = Reader { message: &bytes, at };
            if let Ok(name) = reader.name() {
                prop_assert!(name.wire().len() <= 255);
                prop_assert!(reader.at <= bytes.len());
            }
        }
    }
}
