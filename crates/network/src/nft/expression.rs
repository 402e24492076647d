//! Expressions of a rule (`<linux/netfilter/nf_tables.h>`): what the kernel does with a packet, one after another. Each is
//! written as the kernel takes it and read as the kernel gives it back.

use cofferdam_kernel::netlink::{Attributes, attribute, attributes};

/// A register of four bytes; a value that is longer goes on in the next ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Register(pub(crate) u8);

impl Register {
    /// `NFT_REG32_00`
    fn number(self) -> u32 {
        8 + u32::from(self.0)
    }

    /// The kernel writes the registers that begin a group of four by the group's number.
    fn from_number(number: u32) -> Option<Self> {
        let place = match number {
            1..=4 => (number - 1) * 4,
            8..=23 => number - 8,
            _ => return None,
        };
        u8::try_from(place).ok().map(Self)
    }
}

/// `NFT_REG_VERDICT`
const VERDICT: u32 = 0;

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Accept,
    Drop,
    /// Goes on in a chain, and comes back from its end.
    Jump(String),
    /// Goes on in a chain for good.
    Goto(String),
}

impl Verdict {
    fn code(&self) -> i32 {
        match self {
            Self::Drop => 0,
            Self::Accept => 1,
            Self::Jump(_) => -3,
            Self::Goto(_) => -4,
        }
    }

    /// `NFTA_DATA_VERDICT`
    pub(super) fn write(&self, data: &mut Attributes) {
        data.nest(2, |verdict| {
            verdict.put(1, &self.code().to_be_bytes());
            if let Self::Jump(chain) | Self::Goto(chain) = self {
                verdict.text(2, chain);
            }
        });
    }

    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let verdict = attribute(data, 2)?;
        let chain = || text(attribute(verdict, 2)?);
        Some(match i32::from_be_bytes(attribute(verdict, 1)?.try_into().ok()?) {
            0 => Self::Drop,
            1 => Self::Accept,
            -3 => Self::Jump(chain()?),
            -4 => Self::Goto(chain()?),
            _ => return None,
        })
    }
}

/// `NFT_META_*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meta {
    InName = 6,
    OutName = 7,
    Family = 15,
    Protocol = 16,
    /// The group of the link that it came by, and of the one that it leaves by.
    InGroup = 21,
    OutGroup = 22,
}

/// `NFT_CT_*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ct {
    State = 0,
    Status = 2,
}

/// `NFT_PAYLOAD_NETWORK_HEADER`, `NFT_PAYLOAD_TRANSPORT_HEADER`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    Network = 1,
    Transport = 2,
}

/// What a set keeps for each of its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stateful {
    /// Matches above so many open connections.
    Connections(u32),
    /// Matches above so many packets a second.
    PerSecond(u32),
}

/// One expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expr {
    Meta {
        key: Meta,
        to: Register,
    },
    Ct {
        key: Ct,
        to: Register,
    },
    Payload {
        header: Header,
        offset: u32,
        len: u32,
        to: Register,
    },
    /// Goes on if the register begins with the value (or does not).
    Cmp {
        from: Register,
        equal: bool,
        value: Vec<u8>,
    },
    /// Goes on if the number in the register is from the first to the last.
    Range {
        from: Register,
        first: Vec<u8>,
        last: Vec<u8>,
    },
    Mask {
        from: Register,
        to: Register,
        mask: Vec<u8>,
    },
    Value {
        to: Register,
        value: Vec<u8>,
    },
    /// Goes on if the set has the key (or has not); what a map has for it goes to a register.
    Lookup {
        set: String,
        from: Register,
        to: Option<Register>,
        has: bool,
    },
    /// What a map has for the key becomes of the packet.
    VerdictMap {
        map: String,
        from: Register,
    },
    Verdict(Verdict),
    /// The kind of the destination address (`RTN_*`).
    DestinationKind {
        to: Register,
    },
    /// Another destination.
    Dnat {
        v6: bool,
        address: Register,
        port: Register,
    },
    /// Another source.
    Snat {
        v6: bool,
        address: Register,
    },
    /// The address of the link that it leaves by becomes the source.
    Masquerade,
    Counter,
    /// Goes on if more connections than these, of those that have met this rule, are open.
    Above(u32),
    /// Told to whoever listens to a group of nfnetlink_log, or to the kernel's log, with a text before it.
    Log {
        group: Option<u16>,
        prefix: String,
    },
    /// Puts the key into the set, and goes on if what the set keeps for it matches.
    Count {
        set: String,
        from: Register,
        stateful: Stateful,
    },
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.strip_suffix(b"\0").unwrap_or(bytes).to_vec()).ok()
}

fn big(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// `NFTA_DATA_VALUE` in an attribute.
fn value<'a>(attributes: &'a mut Attributes, kind: u16, bytes: &[u8]) -> &'a mut Attributes {
    attributes.nest(kind, |data| {
        data.put(1, bytes);
    })
}

impl Expr {
    /// `NFTA_LIST_ELEM` with the expression in it.
    pub(super) fn write(&self, list: &mut Attributes) {
        list.nest(1, |element| {
            element.text(1, self.name()).nest(2, |data| self.write_data(data));
        });
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Meta { .. } => "meta",
            Self::Ct { .. } => "ct",
            Self::Payload { .. } => "payload",
            Self::Cmp { .. } => "cmp",
            Self::Range { .. } => "range",
            Self::Mask { .. } => "bitwise",
            Self::Value { .. } | Self::Verdict(_) => "immediate",
            Self::Lookup { .. } | Self::VerdictMap { .. } => "lookup",
            Self::DestinationKind { .. } => "fib",
            Self::Dnat { .. } | Self::Snat { .. } => "nat",
            Self::Masquerade => "masq",
            Self::Counter => "counter",
            Self::Log { .. } => "log",
            Self::Count { .. } => "dynset",
            Self::Above(_) => "connlimit",
        }
    }

    fn write_data(&self, data: &mut Attributes) {
        match self {
            Self::Meta { key, to } => data.big(2, *key as u32).big(1, to.number()),
            Self::Ct { key, to } => data.big(2, *key as u32).big(1, to.number()),
            Self::Payload { header, offset, len, to } => {
                data.big(1, to.number()).big(2, *header as u32).big(3, *offset).big(4, *len)
            }
            Self::Cmp { from, equal, value: bytes } => {
                data.big(1, from.number()).big(2, u32::from(!equal));
                value(data, 3, bytes)
            }
            Self::Range { from, first, last } => {
                data.big(1, from.number()).big(2, 0);
                value(data, 3, first);
                value(data, 4, last)
            }
            Self::Mask { from, to, mask } => {
                let len = u32::try_from(mask.len()).unwrap_or(0);
                data.big(1, from.number()).big(2, to.number()).big(3, len);
                value(data, 4, mask);
                value(data, 5, &vec![0; mask.len()])
            }
            Self::Value { to, value: bytes } => {
                data.big(1, to.number());
                value(data, 2, bytes)
            }
            Self::Verdict(verdict) => data.big(1, VERDICT).nest(2, |data| verdict.write(data)),
            Self::Lookup { set, from, to, has } => {
                data.text(1, set).big(2, from.number());
                if let Some(to) = to {
                    data.big(3, to.number());
                }
                data.big(5, u32::from(!has))
            }
            Self::VerdictMap { map, from } => {
                data.text(1, map).big(2, from.number()).big(3, VERDICT).big(5, 0)
            }
            // `NFT_FIB_RESULT_ADDRTYPE` of `NFTA_FIB_F_DADDR`
            Self::DestinationKind { to } => data.big(1, to.number()).big(2, 3).big(3, 2),
            Self::Dnat { v6, address, port } => {
                data.big(1, 1).big(2, family(*v6)).big(3, address.number()).big(5, port.number())
            }
            Self::Snat { v6, address } => data.big(1, 0).big(2, family(*v6)).big(3, address.number()),
            Self::Masquerade | Self::Counter => data,
            // `NFT_CONNLIMIT_F_INV`
            Self::Above(most) => data.big(1, *most).big(2, 1),
            Self::Log { group, prefix } => {
                if let Some(group) = group {
                    data.put(1, &group.to_be_bytes());
                }
                data.text(2, prefix)
            }
            Self::Count { set, from, stateful } => {
                data.text(1, set).big(3, 0).big(4, from.number()).nest(7, |element| stateful.write(element))
            }
        };
    }

    /// Reads an expression as the kernel lists it: its name and its data.
    pub(super) fn read(element: &[u8]) -> Option<Self> {
        let data = attribute(element, 2).unwrap_or_default();
        let number = |kind: u16| big(attribute(data, kind)?);
        let register = |kind: u16| Register::from_number(number(kind)?);
        let bytes = |kind: u16| Some(attribute(attribute(data, kind)?, 1)?.to_vec());
        Some(match text(attribute(element, 1)?)?.as_str() {
            "meta" => {
                let keys = [
                    Meta::InName,
                    Meta::OutName,
                    Meta::Family,
                    Meta::Protocol,
                    Meta::InGroup,
                    Meta::OutGroup,
                ];
                let key = keys.into_iter().find(|key| Some(*key as u32) == number(2))?;
                Self::Meta { key, to: register(1)? }
            }
            "ct" => {
                let key = [Ct::State, Ct::Status].into_iter().find(|key| Some(*key as u32) == number(2))?;
                Self::Ct { key, to: register(1)? }
            }
            "payload" => {
                let headers = [Header::Network, Header::Transport];
                let header = headers.into_iter().find(|header| Some(*header as u32) == number(2))?;
                Self::Payload { header, offset: number(3)?, len: number(4)?, to: register(1)? }
            }
            "cmp" => Self::Cmp {
                from: register(1)?,
                equal: [true, false].into_iter().nth(usize::try_from(number(2)?).ok()?)?,
                value: bytes(3)?,
            },
            "range" if number(2)? == 0 => {
                Self::Range { from: register(1)?, first: bytes(3)?, last: bytes(4)? }
            }
            "bitwise" if bytes(5)?.iter().all(|byte| *byte == 0) => {
                Self::Mask { from: register(1)?, to: register(2)?, mask: bytes(4)? }
            }
            "immediate" if number(1)? == VERDICT => Self::Verdict(Verdict::read(attribute(data, 2)?)?),
            "immediate" => Self::Value { to: register(1)?, value: bytes(2)? },
            "lookup" => {
                let (set, from) = (text(attribute(data, 1)?)?, register(2)?);
                match number(3) {
                    Some(VERDICT) => Self::VerdictMap { map: set, from },
                    Some(_) => Self::Lookup { set, from, to: Some(register(3)?), has: true },
                    None => Self::Lookup { set, from, to: None, has: number(5).unwrap_or(0) == 0 },
                }
            }
            "fib" if (number(2)?, number(3)?) == (3, 2) => Self::DestinationKind { to: register(1)? },
            "nat" => {
                let v6 = number(2)? == family(true);
                match number(1)? {
                    0 => Self::Snat { v6, address: register(3)? },
                    _ => Self::Dnat { v6, address: register(3)?, port: register(5)? },
                }
            }
            "masq" => Self::Masquerade,
            "counter" => Self::Counter,
            "log" => Self::Log {
                group: match attribute(data, 1) {
                    Some(group) => Some(u16::from_be_bytes(group.try_into().ok()?)),
                    None => None,
                },
                prefix: text(attribute(data, 2)?)?,
            },
            "connlimit" if number(2)? == 1 => Self::Above(number(1)?),
            "dynset" if number(3)? == 0 => Self::Count {
                set: text(attribute(data, 1)?)?,
                from: register(4)?,
                stateful: Stateful::read(attribute(data, 7)?)?,
            },
            _ => return None,
        })
    }
}

/// `NFPROTO_IPV4` and `NFPROTO_IPV6`
pub(crate) fn family(v6: bool) -> u32 {
    if v6 { 10 } else { 2 }
}

impl Stateful {
    fn write(&self, element: &mut Attributes) {
        match self {
            Self::Connections(most) => element.text(1, "connlimit").nest(2, |data| {
                data.big(1, *most).big(2, 1);
            }),
            Self::PerSecond(most) => element.text(1, "limit").nest(2, |data| {
                let rate = u64::from(*most).to_be_bytes();
                data.put(1, &rate).put(2, &1_u64.to_be_bytes()).big(3, *most).big(4, 0).big(5, 1);
            }),
        };
    }

    fn read(element: &[u8]) -> Option<Self> {
        let data = attribute(element, 2)?;
        match text(attribute(element, 1)?)?.as_str() {
            "connlimit" if big(attribute(data, 2)?)? == 1 => {
                Some(Self::Connections(big(attribute(data, 1)?)?))
            }
            "limit" if big(attribute(data, 5)?)? == 1 => {
                let rate = u64::from_be_bytes(attribute(data, 1)?.try_into().ok()?);
                Some(Self::PerSecond(u32::try_from(rate).ok()?))
            }
            _ => None,
        }
    }
}

/// All expressions of a rule, as the kernel lists them; none if there is one that is none of ours.
pub(super) fn read_all(list: &[u8]) -> Option<Vec<Expr>> {
    attributes(list).map(|(_, element)| Expr::read(element)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_they_are_written() {
        let r = Register;
        let set = || "links".to_owned();
        let all = vec![
            Expr::Meta { key: Meta::InName, to: r(0) },
            Expr::Ct { key: Ct::Status, to: r(1) },
            Expr::Payload { header: Header::Transport, offset: 2, len: 2, to: r(15) },
            Expr::Cmp { from: r(0), equal: false, value: b"cfd".to_vec() },
            Expr::Range { from: r(3), first: vec![0, 80], last: vec![1, 0] },
            Expr::Mask { from: r(3), to: r(3), mask: vec![0xff, 0, 0, 0] },
            Expr::Value { to: r(4), value: vec![1, 2, 3, 4, 5, 6, 7, 8] },
            Expr::Lookup { set: set(), from: r(0), to: Some(r(8)), has: true },
            Expr::Lookup { set: set(), from: r(0), to: None, has: false },
            Expr::VerdictMap { map: set(), from: r(2) },
            Expr::Verdict(Verdict::Accept),
            Expr::Verdict(Verdict::Goto("deny".to_owned())),
            Expr::DestinationKind { to: r(0) },
            Expr::Dnat { v6: true, address: r(0), port: r(4) },
            Expr::Snat { v6: false, address: r(0) },
            Expr::Masquerade,
            Expr::Counter,
            Expr::Log { group: Some(7), prefix: "x".to_owned() },
            Expr::Log { group: None, prefix: "y".to_owned() },
            Expr::Above(77),
            Expr::Count { set: set(), from: r(0), stateful: Stateful::Connections(5) },
            Expr::Count { set: set(), from: r(0), stateful: Stateful::PerSecond(9) },
        ];
        let mut list = Attributes::new();
        all.iter().for_each(|expression| expression.write(&mut list));
        assert_eq!(read_all(list.as_bytes()).unwrap(), all);
    }

    #[test]
    fn an_expression_is_the_bytes_that_the_kernel_s_header_says() {
        let mut list = Attributes::new();
        Expr::Cmp { from: Register(0), equal: true, value: vec![2] }.write(&mut list);
        let expected = [
            // NFTA_LIST_ELEM, nested
            44, 0, 1, 0x80, // NFTA_EXPR_NAME
            8, 0, 1, 0, b'c', b'm', b'p', 0, // NFTA_EXPR_DATA, nested
            32, 0, 2, 0x80, // NFTA_CMP_SREG = NFT_REG32_00
            8, 0, 1, 0, 0, 0, 0, 8, // NFTA_CMP_OP = NFT_CMP_EQ
            8, 0, 2, 0, 0, 0, 0, 0, // NFTA_CMP_DATA, nested, NFTA_DATA_VALUE
            12, 0, 3, 0x80, 5, 0, 1, 0, 2, 0, 0, 0,
        ];
        assert_eq!(list.as_bytes(), expected);
    }
}
