//! Chains, rules, sets and their elements, and what is done with them in a transaction.

use std::fmt;

use cofferdam_kernel::netlink::{APPEND, Attributes, CREATE, EXCLUSIVE, Request};

use super::expression::{Expr, Verdict};

/// `NFNL_SUBSYS_NFTABLES`
pub(super) const SUBSYSTEM: u8 = 10;
/// `NFPROTO_INET`: IPv4 and IPv6.
const INET: u8 = 1;

/// `NFT_MSG_*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Message {
    NewTable = 0,
    GetTable = 1,
    DeleteTable = 2,
    NewChain = 3,
    GetChain = 4,
    NewRule = 6,
    GetRule = 7,
    DeleteRule = 8,
    NewSet = 9,
    NewElement = 12,
    GetElement = 13,
    DeleteElement = 14,
}

impl Message {
    pub(super) fn kind(self) -> u16 {
        (u16::from(SUBSYSTEM) << 8) | self as u16
    }

    /// A request about a table of ours: `struct nfgenmsg`, and the table's name, whose attribute is everywhere the first.
    pub(super) fn about(self, flags: u16, table: &str) -> Request {
        Request::new(self.kind(), flags, &[INET, 0, 0, 0]).with(|attributes| {
            attributes.text(1, table);
        })
    }
}

/// Where a base chain stands in a packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hook {
    /// `NF_INET_*`
    pub(crate) number: u32,
    pub(crate) priority: i32,
    /// `filter` or `nat`
    pub(crate) kind: &'static str,
}

/// A chain; a base chain lets through what comes to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) name: String,
    pub(crate) hook: Option<Hook>,
}

/// A rule of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) chain: String,
    pub(crate) expressions: Vec<Expr>,
    /// What it does, for whoever lists it.
    pub(crate) comment: String,
}

/// What a set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SetKind {
    /// Keys alone.
    Plain,
    /// A value of so many bytes for each key, of this type.
    Map(u32, u32),
    /// A verdict for each key.
    Verdicts,
    /// Ranges of keys.
    Ranges,
    /// Keys that go when their time is over.
    Timed,
    /// Keys that packets put there, with what is kept for each.
    Counting,
}

/// A set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) kind: SetKind,
    /// The parts of a key: type (as nft(8) numbers them) and length in bytes.
    pub(crate) key: Vec<(u32, u32)>,
}

/// What a map has for a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Data {
    None,
    Value(Vec<u8>),
    Verdict(Verdict),
}

/// An element of a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Element {
    pub(crate) set: String,
    pub(crate) key: Vec<u8>,
    pub(crate) data: Data,
    /// It ends the range that the element before it begins.
    pub(crate) ends_range: bool,
    /// Milliseconds until it goes.
    pub(crate) timeout: Option<u64>,
}

impl Element {
    pub(crate) fn key(set: &str, key: Vec<u8>) -> Self {
        Self { set: set.to_owned(), key, data: Data::None, ends_range: false, timeout: None }
    }

    pub(crate) fn value(set: &str, key: Vec<u8>, value: Vec<u8>) -> Self {
        Self { data: Data::Value(value), ..Self::key(set, key) }
    }

    pub(crate) fn verdict(set: &str, key: Vec<u8>, verdict: Verdict) -> Self {
        Self { data: Data::Verdict(verdict), ..Self::key(set, key) }
    }

    pub(super) fn write(&self, list: &mut Attributes) {
        list.nest(1, |element| {
            element.nest(1, |key| {
                key.put(1, &self.key);
            });
            match &self.data {
                Data::None => {}
                Data::Value(value) => {
                    element.nest(2, |data| {
                        data.put(1, value);
                    });
                }
                Data::Verdict(verdict) => {
                    element.nest(2, |data| verdict.write(data));
                }
            }
            if self.ends_range {
                element.big(3, 1);
            }
            if let Some(timeout) = self.timeout {
                element.put(4, &timeout.to_be_bytes());
            }
        });
    }
}

/// One step of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    AddTable {
        note: Vec<u8>,
    },
    DeleteTable,
    AddChain(Chain),
    /// Takes all rules out of a chain.
    EmptyChain(String),
    AddRule(Rule),
    AddSet(Set),
    /// It must not be there.
    AddElement(Element),
    /// It may be there, with the same value.
    ShareElement(Element),
    DeleteElement(Element),
    /// Takes all elements out of a set.
    EmptySet(String),
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddTable { .. } => f.write_str("table"),
            Self::DeleteTable => f.write_str("removal of the table"),
            Self::AddChain(Chain { name, .. }) => write!(f, "chain {name}"),
            Self::EmptyChain(name) => write!(f, "removal of the rules of chain {name}"),
            Self::AddRule(rule) => write!(f, "rule {:?} of chain {}", rule.comment, rule.chain),
            Self::AddSet(Set { name, .. }) => write!(f, "set {name}"),
            Self::AddElement(element) | Self::ShareElement(element) => {
                write!(f, "element {:02x?} of {}", element.key, element.set)
            }
            Self::DeleteElement(element) => write!(f, "removal of {:02x?} from {}", element.key, element.set),
            Self::EmptySet(name) => write!(f, "removal of what is in {name}"),
        }
    }
}

/// `NFT_SET_*`
mod flag {
    pub(super) const INTERVAL: u32 = 0x4;
    pub(super) const MAP: u32 = 0x8;
    pub(super) const TIMEOUT: u32 = 0x10;
    pub(super) const EVAL: u32 = 0x20;
}
/// `NFT_DATA_VERDICT`
const VERDICTS: u32 = 0xffff_ff00;

impl Operation {
    /// The request that does it.
    pub(super) fn request(&self, table: &str, id: u32) -> Request {
        let new = CREATE;
        match self {
            Self::AddTable { note } => Message::NewTable.about(new, table).with(|attributes| {
                attributes.big(2, 0).put(6, note);
            }),
            Self::DeleteTable => Message::DeleteTable.about(0, table),
            Self::AddChain(chain) => {
                Message::NewChain.about(new, table).with(|attributes| chain.write(attributes))
            }
            Self::EmptyChain(name) => Message::DeleteRule.about(0, table).with(|attributes| {
                attributes.text(2, name);
            }),
            Self::AddRule(rule) => Message::NewRule.about(new | APPEND, table).with(|attributes| {
                attributes.text(2, &rule.chain).nest(4, |list| {
                    rule.expressions.iter().for_each(|expression| expression.write(list));
                });
                attributes.put(7, &comment(&rule.comment));
            }),
            Self::AddSet(set) => {
                Message::NewSet.about(new, table).with(|attributes| set.write(attributes, id))
            }
            Self::AddElement(element) => {
                Message::NewElement.about(new | EXCLUSIVE, table).with(|attributes| {
                    attributes.text(2, &element.set).nest(3, |list| element.write(list));
                })
            }
            Self::ShareElement(element) => Message::NewElement.about(new, table).with(|attributes| {
                attributes.text(2, &element.set).nest(3, |list| element.write(list));
            }),
            Self::DeleteElement(element) => Message::DeleteElement.about(0, table).with(|attributes| {
                attributes.text(2, &element.set).nest(3, |list| element.write(list));
            }),
            Self::EmptySet(name) => Message::DeleteElement.about(0, table).with(|attributes| {
                attributes.text(2, name);
            }),
        }
    }
}

/// A comment as nft(8) keeps it in the user data of a rule: type 0, length, text with its NUL.
fn comment(text: &str) -> Vec<u8> {
    let text: String = text.chars().filter(char::is_ascii).take(127).collect();
    let mut bytes = vec![0, u8::try_from(text.len() + 1).unwrap_or(u8::MAX)];
    bytes.extend(text.bytes());
    bytes.push(0);
    bytes
}

impl Chain {
    fn write(&self, attributes: &mut Attributes) {
        attributes.text(3, &self.name);
        if let Some(hook) = &self.hook {
            attributes.nest(4, |place| {
                place.big(1, hook.number).put(2, &hook.priority.to_be_bytes());
            });
            // `NF_ACCEPT`: what is not ours is not ours to drop.
            attributes.big(5, 1).text(7, hook.kind);
        }
    }
}

impl Set {
    fn write(&self, attributes: &mut Attributes, id: u32) {
        let (flags, data) = match &self.kind {
            SetKind::Plain => (0, None),
            SetKind::Map(kind, len) => (flag::MAP, Some((*kind, *len))),
            SetKind::Verdicts => (flag::MAP, Some((VERDICTS, 0))),
            SetKind::Ranges => (flag::INTERVAL, None),
            SetKind::Timed => (flag::TIMEOUT, None),
            SetKind::Counting => (flag::EVAL, None),
        };
        // nft(8) puts the types of a key's parts into one number, six bits each.
        let kind = self.key.iter().fold(0, |kind, (part, _)| (kind << 6) | part);
        let length: u32 = self.key.iter().map(|(_, length)| length.next_multiple_of(4)).sum();
        let length = if self.key.len() == 1 { self.key[0].1 } else { length };
        attributes.text(2, &self.name).big(3, flags).big(4, kind).big(5, length);
        if let Some((kind, length)) = data {
            attributes.big(6, kind);
            if length > 0 {
                attributes.big(7, length);
            }
        }
        attributes.big(10, id);
    }
}
