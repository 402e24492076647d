//! What a rule asks of a packet, in the expressions that it takes.

use cofferdam_confinement::network::{AddressRange, LINK_PREFIX, Protocol, Service};

use super::Tag;
use crate::nft::{Ct, Expr, Header, Meta, Register, Verdict};

/// The register in which questions begin, and the one in which answers of maps do.
pub(super) const KEY: Register = Register(0);
pub(super) const ANSWER: Register = Register(8);

/// Connection states (`NF_CT_STATE_BIT`) and the status of one whose destination was changed (`IPS_DST_NAT`).
const INVALID: u32 = 1;
const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
const DST_NAT: u32 = 1 << 5;

/// Expressions, one after another.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions(Vec<Expr>);

impl Conditions {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Packets of one family.
    pub(super) fn of(v6: bool) -> Self {
        let value = vec![if v6 { 10 } else { 2 }];
        Self::new().and(Expr::Meta { key: Meta::Family, to: KEY }).and(Expr::Cmp {
            from: KEY,
            equal: true,
            value,
        })
    }

    pub(super) fn and(mut self, expression: Expr) -> Self {
        self.0.push(expression);
        self
    }

    fn named(self, key: Meta, equal: bool) -> Self {
        self.and(Expr::Meta { key, to: KEY }).and(Expr::Cmp {
            from: KEY,
            equal,
            value: LINK_PREFIX.as_bytes().to_vec(),
        })
    }

    /// Whether it came by one of our links.
    pub(super) fn by_link(self, yes: bool) -> Self {
        self.named(Meta::InName, yes)
    }

    /// Whether it goes to one of our links.
    pub(super) fn leaving_by_link(self, yes: bool) -> Self {
        self.named(Meta::OutName, yes)
    }

    /// It came by any link at all: the host's own packets have no name there.
    pub(super) fn by_any_link(self) -> Self {
        self.load_in_name(KEY).and(Expr::Cmp { from: KEY, equal: false, value: vec![0; 16] })
    }

    pub(super) fn load_in_name(self, to: Register) -> Self {
        self.and(Expr::Meta { key: Meta::InName, to })
    }

    pub(super) fn load_out_name(self, to: Register) -> Self {
        self.and(Expr::Meta { key: Meta::OutName, to })
    }

    pub(super) fn load_source(self, v6: bool, to: Register) -> Self {
        let (offset, len) = if v6 { (8, 16) } else { (12, 4) };
        self.and(Expr::Payload { header: Header::Network, offset, len, to })
    }

    pub(super) fn load_destination(self, v6: bool, to: Register) -> Self {
        let (offset, len) = if v6 { (24, 16) } else { (16, 4) };
        self.and(Expr::Payload { header: Header::Network, offset, len, to })
    }

    /// Protocol and destination port, in two registers.
    pub(super) fn load_service(self, to: Register) -> Self {
        let port = Register(to.0 + 1);
        self.and(Expr::Meta { key: Meta::Protocol, to }).and(Expr::Payload {
            header: Header::Transport,
            offset: 2,
            len: 2,
            to: port,
        })
    }

    pub(super) fn in_set(self, set: &str, has: bool) -> Self {
        self.and(Expr::Lookup { set: set.to_owned(), from: KEY, to: None, has })
    }

    pub(super) fn in_map(self, map: &str) -> Self {
        self.and(Expr::Lookup { set: map.to_owned(), from: KEY, to: Some(ANSWER), has: true })
    }

    fn group(self, key: Meta, zone: Tag) -> Self {
        let value = zone.group().to_ne_bytes().to_vec();
        self.and(Expr::Meta { key, to: KEY }).and(Expr::Cmp { from: KEY, equal: true, value })
    }

    /// It came by a link of a zone's.
    pub(super) fn by_zone(self, zone: Tag) -> Self {
        self.group(Meta::InGroup, zone)
    }

    /// It goes to a link of a zone's.
    pub(super) fn leaving_to_zone(self, zone: Tag) -> Self {
        self.group(Meta::OutGroup, zone)
    }

    /// What a map says for the zone of one of its links.
    pub(super) fn verdict_of(self, link: Meta, map: &str) -> Vec<Expr> {
        self.and(Expr::Meta { key: link, to: KEY })
            .and(Expr::VerdictMap { map: map.to_owned(), from: KEY })
            .end()
    }

    /// An address that has a tag; `load` puts the address into the first registers.
    pub(super) fn member(self, v6: bool, set: &str, tag: Tag, load: impl FnOnce(Self) -> Self) -> Self {
        let after = Register(if v6 { 4 } else { 1 });
        load(self).and(Expr::Value { to: after, value: tag.0.to_vec() }).in_set(set, true)
    }

    fn state(self, key: Ct, mask: u32) -> Self {
        self.and(Expr::Ct { key, to: KEY })
            .and(Expr::Mask { from: KEY, to: KEY, mask: mask.to_ne_bytes().to_vec() })
            .and(Expr::Cmp { from: KEY, equal: false, value: vec![0; 4] })
    }

    pub(super) fn known_connection(self) -> Self {
        self.state(Ct::State, ESTABLISHED_OR_RELATED)
    }

    pub(super) fn invalid(self) -> Self {
        self.state(Ct::State, INVALID)
    }

    /// It came to a published port.
    pub(super) fn published(self) -> Self {
        self.state(Ct::Status, DST_NAT)
    }

    /// An address in a range; `load` puts it into the first registers.
    pub(super) fn within(self, range: AddressRange, load: impl FnOnce(Self) -> Self) -> Self {
        let bytes = address_bytes(range.first());
        let mut mask = vec![0_u8; bytes.len()];
        for bit in 0..usize::from(range.prefix()) {
            mask[bit / 8] |= 0x80 >> (bit % 8);
        }
        load(self).and(Expr::Mask { from: KEY, to: KEY, mask }).and(Expr::Cmp {
            from: KEY,
            equal: true,
            value: bytes,
        })
    }

    pub(super) fn service(self, service: &Service, v6: bool) -> Self {
        let number = vec![service.protocol.number(v6)];
        let with = self.and(Expr::Meta { key: Meta::Protocol, to: KEY }).and(Expr::Cmp {
            from: KEY,
            equal: true,
            value: number,
        });
        let Some((first, last)) = service.ports else { return with };
        let with = with.and(Expr::Payload { header: Header::Transport, offset: 2, len: 2, to: KEY });
        let (first, last) = (first.to_be_bytes().to_vec(), last.to_be_bytes().to_vec());
        if first == last {
            with.and(Expr::Cmp { from: KEY, equal: true, value: first })
        } else {
            with.and(Expr::Range { from: KEY, first, last })
        }
    }

    pub(super) fn port(self, protocol: Protocol, port: u16, v6: bool) -> Self {
        self.service(&Service { protocol, ports: Some((port, port)) }, v6)
    }

    pub(super) fn then(self, verdict: Verdict) -> Vec<Expr> {
        self.and(Expr::Verdict(verdict)).0
    }

    pub(super) fn end(self) -> Vec<Expr> {
        self.0
    }
}

/// The bytes of an address as packets have them.
pub(super) fn address_bytes(address: std::net::IpAddr) -> Vec<u8> {
    match address {
        std::net::IpAddr::V4(address) => address.octets().to_vec(),
        std::net::IpAddr::V6(address) => address.octets().to_vec(),
    }
}
