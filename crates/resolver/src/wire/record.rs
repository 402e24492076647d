//! Resource records.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{CLASS_IN, Malformed, Name, Reader, kind};

/// A record of class `IN`, its data without compression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose it is.
    pub owner: Name,
    /// Its type.
    pub kind: u16,
    /// Seconds that it may be kept.
    pub ttl: u32,
    /// Its data.
    pub data: Box<[u8]>,
}

/// How the data of a type are laid out that may hold compressed names (RFC 3597, section 4): so many octets, so many names, then
/// the rest.
fn layout(kind: u16) -> (usize, usize) {
    match kind {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, NXT, DNAME
        2..=5 | 7..=9 | 12 | 30 | 39 => (0, 1),
        // SOA, MINFO, RP
        6 | 14 | 17 => (0, 2),
        // MX, AFSDB, RT, KX
        15 | 18 | 21 | 36 => (2, 1),
        // PX
        26 => (2, 2),
        // SRV
        33 => (6, 1),
        _ => (0, 0),
    }
}

impl Record {
    /// An address of a name.
    #[must_use]
    pub fn address_of(owner: Name, address: IpAddr, ttl: u32) -> Self {
        let (kind, data): (u16, Box<[u8]>) = match address {
            IpAddr::V4(address) => (kind::A, address.octets().into()),
            IpAddr::V6(address) => (kind::AAAA, address.octets().into()),
        };
        Self { owner, kind, ttl, data }
    }

    /// The name behind a reverse name.
    #[must_use]
    pub fn pointer(owner: Name, target: &Name, ttl: u32) -> Self {
        Self { owner, kind: kind::PTR, ttl, data: target.wire().into() }
    }

    /// Reads one; none where it is of another class than `IN`.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, Malformed> {
        let owner = reader.name()?;
        let kind = reader.u16()?;
        let class = reader.u16()?;
        let ttl = reader.u32()?;
        let length = usize::from(reader.u16()?);
        let start = reader.position();
        let data = if class == CLASS_IN {
            Some(data(reader, kind, length)?)
        } else {
            reader.bytes(length)?;
            None
        };
        if reader.position() != start + length {
            return Err(Malformed::Data);
        }
        // A lifetime with the highest bit set is 0 (RFC 2181, section 8).
        let ttl = if ttl > 0x7FFF_FFFF { 0 } else { ttl };
        Ok(data.map(|data| Self { owner, kind, ttl, data: data.into_boxed_slice() }))
    }

    /// The address, where it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.kind {
            kind::A => <[u8; 4]>::try_from(&*self.data).ok().map(|octets| Ipv4Addr::from(octets).into()),
            kind::AAAA => <[u8; 16]>::try_from(&*self.data).ok().map(|octets| Ipv6Addr::from(octets).into()),
            _ => None,
        }
    }

    /// The name that an alias leads to.
    #[must_use]
    pub fn alias(&self) -> Option<Name> {
        (self.kind == kind::CNAME).then(|| Reader::new(&self.data).name().ok()).flatten()
    }

    /// The last number of a SOA's data: seconds for which an absence may be kept (RFC 2308).
    #[must_use]
    pub fn negative_ttl(&self) -> Option<u32> {
        if self.kind != kind::SOA {
            return None;
        }
        let minimum = self.data.last_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))?;
        Some(minimum.min(self.ttl))
    }

    /// About how many octets it takes in memory.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.owner.wire().len() + self.data.len()
    }
}

fn data(reader: &mut Reader<'_>, kind: u16, length: usize) -> Result<Vec<u8>, Malformed> {
    let (before, names) = layout(kind);
    let start = reader.position();
    let mut data = Vec::with_capacity(length);
    data.extend_from_slice(reader.bytes(before)?);
    for _ in 0..names {
        data.extend_from_slice(reader.name()?.wire());
    }
    let rest = length.checked_sub(reader.position() - start).ok_or(Malformed::Data)?;
    data.extend_from_slice(reader.bytes(rest)?);
    let whole = match kind {
        kind::A => data.len() == 4,
        kind::AAAA => data.len() == 16,
        _ => true,
    };
    if whole { Ok(data) } else { Err(Malformed::Data) }
}
