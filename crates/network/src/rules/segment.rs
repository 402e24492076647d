//! What a segment of a zone has in the table: a chain that lets through what one of its containers sends to another, and a way into it from
//! the chain that leads to all segments of the zone.
//!
//! They are made with the first container of a segment and stay as long as the table does. A container adds elements to sets and nothing
//! else: a verdict among these would make the kernel look through all rules of the table at each start.

use cofferdam_confinement::network::Network;
use cofferdam_names::ZoneName;

use super::condition::{Conditions, KEY};
use super::{Tag, set};
use crate::nft::{Chain, Expr, Operation, Rule, Verdict};

/// A segment that a container is in.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// Its chain.
    pub(crate) chain: String,
    /// The chain that leads to all segments of its zone.
    pub(crate) trust: String,
    pub(crate) tag: Tag,
    /// Empty for the zone's own one.
    name: String,
}

/// The chain that leads to all segments of a zone.
pub(crate) fn trust_chain(realm: &str, zone: &ZoneName) -> String {
    format!("trust-{zone}-{}", Tag::zone(realm, zone).hex())
}

/// The segments of a container.
pub(crate) fn segments(network: &Network) -> impl Iterator<Item = Segment> {
    let (realm, zone) = (&network.realm, &network.zone);
    let own = network.segments.is_empty().then_some("");
    own.into_iter().chain(network.segments.iter().map(|segment| segment.name.as_str())).map(move |name| {
        let tag = Tag::segment(realm, zone, name);
        // Without its name, which may be longer than a chain's.
        let chain = format!("segment-{zone}-{}", tag.hex());
        Segment { chain, trust: trust_chain(realm, zone), tag, name: name.to_owned() }
    })
}

/// Whether a rule is no more than a way into some segment's chain.
pub(crate) fn is_way(rule: &[Expr]) -> bool {
    matches!(rule, [Expr::Verdict(Verdict::Jump(chain))] if chain.starts_with("segment-"))
}

impl Segment {
    /// The way into its chain.
    pub(crate) fn way(&self) -> Rule {
        let expressions = Conditions::new().then(Verdict::Jump(self.chain.clone()));
        Rule { chain: self.trust.clone(), expressions, comment: format!("segment {:?}", self.name) }
    }

    /// Its chain's rules, one for each family.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        let rule =
            |v6: bool| {
                let members = set::MEMBERS[usize::from(v6)];
                let both = Conditions::of(v6)
                    .member(v6, members, self.tag, |it| it.load_source(v6, KEY))
                    .member(v6, members, self.tag, |it| it.load_destination(v6, KEY));
                let comment = format!("trust in segment {:?}", self.name);
                Rule { chain: self.chain.clone(), expressions: both.then(Verdict::Accept), comment }
            };
        vec![rule(false), rule(true)]
    }

    /// Makes the chain, which is not there, and the way into it from its zone's, which is.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        let chain = Operation::AddChain(Chain { name: self.chain.clone(), hook: None });
        let rules = self.rules().into_iter().chain([self.way()]);
        [chain].into_iter().chain(rules.map(Operation::AddRule)).collect()
    }
}
