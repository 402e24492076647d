//! What a segment of a zone has in the table: a chain that lets through what goes to a container of the segment. Who is in it comes
//! there by the map that has the segments of each address, where its zone trusts its own.

use cofferdam_confinement::network::Network;

use super::condition::{Conditions, KEY};
use super::{Tag, set};
use crate::nft::{Chain, Operation, Rule, Verdict};

/// A segment that a container is in.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// The chain.
    pub(crate) chain: String,
    pub(crate) tag: Tag,
    /// Empty for the zone's own one.
    name: String,
}

/// The segments of a container, by their places.
pub(crate) fn segments(network: &Network) -> impl Iterator<Item = Segment> {
    let (realm, zone) = (&network.realm, &network.zone);
    let own = network.segments.is_empty().then_some("");
    own.into_iter().chain(network.segments.iter().map(|segment| segment.name.as_str())).map(move |name| {
        let tag = Tag::segment(realm, zone, name);
        // Without its name, which may be longer than a chain's.
        Segment { chain: format!("segment-{zone}-{}", tag.hex()), tag, name: name.to_owned() }
    })
}

impl Segment {
    /// Its rules, one for each family.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        let rule = |v6: bool| {
            let member = Conditions::of(v6)
                .member(v6, set::MEMBERS[usize::from(v6)], self.tag, |it| it.load_destination(v6, KEY));
            let comment = format!("trust in segment {:?}", self.name);
            Rule { chain: self.chain.clone(), expressions: member.then(Verdict::Accept), comment }
        };
        vec![rule(false), rule(true)]
    }

    /// Makes the chain, which is not there.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        let chain = Operation::AddChain(Chain { name: self.chain.clone(), hook: None });
        std::iter::once(chain).chain(self.rules().into_iter().map(Operation::AddRule)).collect()
    }
}
