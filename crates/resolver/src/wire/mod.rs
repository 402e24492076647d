//! DNS messages as bytes (RFC 1035, RFC 6891): read with bounds, written with compression. Nothing here panics on any input, and
//! nothing is kept of a message but what was understood.

mod message;
mod name;
mod reader;
mod record;
mod writer;

pub use message::{Edns, Header, Query, Question, Reply};
pub use name::{InvalidDomain, Name};
pub use reader::{Malformed, Reader};
pub use record::Record;
pub use writer::{Answering, DATAGRAM, Writer};

/// The class that names of the internet have (`IN`).
pub const CLASS_IN: u16 = 1;

/// Types of records (the registry "Resource Record (RR) TYPEs").
#[allow(missing_docs, reason = "the names are the registry's")]
pub mod kind {
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const PTR: u16 = 12;
    pub const MX: u16 = 15;
    pub const TXT: u16 = 16;
    pub const AAAA: u16 = 28;
    pub const SRV: u16 = 33;
    pub const DNAME: u16 = 39;
    pub const OPT: u16 = 41;
    pub const SVCB: u16 = 64;
    pub const HTTPS: u16 = 65;
    /// From here to 255: questions that are no records (transfers, `ANY`).
    pub const FIRST_META: u16 = 249;
    pub const LAST_META: u16 = 255;
}

/// Response codes (RFC 1035, section 4.1.1; RFC 6891).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the registry's")]
pub enum Rcode {
    NoError,
    FormErr,
    ServFail,
    NxDomain,
    NotImp,
    Refused,
    /// An EDNS version that is not spoken here: its upper bits are in the OPT record.
    BadVersion,
    /// Any other, which a server sent.
    Other(u8),
}

impl Rcode {
    /// The code in the header's four bits.
    #[must_use]
    pub fn from_low_bits(bits: u8) -> Self {
        match bits & 0xF {
            0 => Self::NoError,
            1 => Self::FormErr,
            2 => Self::ServFail,
            3 => Self::NxDomain,
            4 => Self::NotImp,
            5 => Self::Refused,
            other => Self::Other(other),
        }
    }

    /// The whole code: four bits for the header, eight for the OPT record.
    #[must_use]
    pub fn bits(self) -> u16 {
        match self {
            Self::NoError => 0,
            Self::FormErr => 1,
            Self::ServFail => 2,
            Self::NxDomain => 3,
            Self::NotImp => 4,
            Self::Refused => 5,
            Self::BadVersion => 16,
            Self::Other(bits) => u16::from(bits & 0xF),
        }
    }
}
