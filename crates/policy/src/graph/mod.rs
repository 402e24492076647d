//! Who may talk to whom: the rules of zones as a graph. Pure.

mod draw;
mod print;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cofferdam_confinement::network::{Rule, Service, Target};
use cofferdam_names::ZoneName;

use crate::Zone;
use crate::zone::NetworkAccess;

/// One end of an arrow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// The containers of a zone.
    Zone(ZoneName),
    /// Something outside, in the words of the rules: `internet`, `10.0.0.0/8`, `*.example.org`.
    Outside(String),
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zone(zone) => write!(f, "zone:{zone}"),
            Self::Outside(word) => f.write_str(word),
        }
    }
}

/// What one party may ask of another, or could if the other side's rules said so too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrow {
    /// Who begins.
    pub from: Party,
    /// Who answers.
    pub to: Party,
    /// Which services, with the labels that containers must have: in the words of the rules.
    pub what: BTreeSet<String>,
    /// Why no packet passes all the same; none where it does.
    pub missing: Option<String>,
}

/// A zone's place in the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: ZoneName,
    /// Whether its containers have a link at all.
    pub linked: bool,
    /// Whether they may share the host's network, where no rule holds.
    pub host: bool,
}

/// The graph of some zones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    /// The zones, by name.
    pub zones: Vec<Node>,
    /// The arrows, sorted by their ends.
    pub arrows: Vec<Arrow>,
}

/// What two services have in common.
fn both(one: Service, other: Service) -> Option<Service> {
    if one.protocol != other.protocol {
        return None;
    }
    let ports = match (one.ports, other.ports) {
        (None, ports) | (ports, None) => ports,
        (Some((a, b)), Some((c, d))) => {
            let common = (a.max(c), b.min(d));
            if common.0 > common.1 {
                return None;
            }
            Some(common)
        }
    };
    Some(Service { protocol: one.protocol, ports })
}

/// What two rules have in common; none where that is nothing. An empty list is everything.
fn common(one: &Rule, other: &Rule) -> Option<Vec<Service>> {
    match (one.services.as_slice(), other.services.as_slice()) {
        ([], services) | (services, []) => Some(services.to_vec()),
        (ones, others) => {
            let pairs = ones.iter().flat_map(|one| others.iter().filter_map(|other| both(*one, *other)));
            let found: BTreeSet<Service> = pairs.collect();
            (!found.is_empty()).then(|| found.into_iter().collect())
        }
    }
}

/// `tcp/80 udp`, or `all`, with the labels of both sides.
fn words(services: &[Service], from_label: Option<String>, to_label: Option<String>) -> String {
    let mut text = match services {
        [] => "all".to_owned(),
        _ => services.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    };
    for (word, label) in [("from", from_label), ("to", to_label)] {
        if let Some(label) = label {
            text = format!("{text} {word} {label}");
        }
    }
    text
}

/// Arrows that are being gathered.
#[derive(Default)]
struct Arrows(BTreeMap<(Party, Party, Option<String>), BTreeSet<String>>);

impl Arrows {
    fn add(&mut self, from: Party, to: Party, what: String, missing: Option<String>) {
        self.0.entry((from, to, missing)).or_default().insert(what);
    }
}

/// The zone that a rule of `own` is about, with the label that its containers must have.
fn zone_of(rule: &Rule, own: &ZoneName) -> Option<(ZoneName, Option<String>)> {
    match &rule.target {
        Target::Zone(zone, label) => Some((zone.clone(), label.as_ref().map(ToString::to_string))),
        Target::Label(label) => Some((own.clone(), Some(label.to_string()))),
        _ => None,
    }
}

impl Graph {
    /// The graph of these zones. Rules about zones that are not among them are shown with what is missing.
    #[must_use]
    pub fn new(zones: &[Zone]) -> Self {
        let mut arrows = Arrows::default();
        for zone in zones {
            if zone.network.mode.value == NetworkAccess::Zone {
                outgoing(zone, zones, &mut arrows);
                incoming(zone, zones, &mut arrows);
            }
        }
        let node = |zone: &Zone| Node {
            name: zone.name.value.clone(),
            linked: zone.network.mode.value == NetworkAccess::Zone,
            host: zone.network.host.value,
        };
        let mut nodes: Vec<Node> = zones.iter().map(node).collect();
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        let arrows = arrows.0.into_iter();
        let arrows = arrows.map(|((from, to, missing), what)| Arrow { from, to, what, missing });
        Self { zones: nodes, arrows: arrows.collect() }
    }

    /// Whether the rules let any packet from a zone begin something with another party.
    #[must_use]
    pub fn passes(&self, from: &Party, to: &Party) -> bool {
        self.arrows.iter().any(|arrow| arrow.missing.is_none() && arrow.from == *from && arrow.to == *to)
    }
}

/// What a zone's containers may begin.
fn outgoing(zone: &Zone, zones: &[Zone], arrows: &mut Arrows) {
    let own = &zone.name.value;
    let from = || Party::Zone(own.clone());
    if zone.network.trust.value {
        arrows.add(from(), from(), "all, in each segment".to_owned(), None);
    }
    for rule in &zone.network.egress.value {
        let Some((other, to_label)) = zone_of(rule, own) else {
            let what = words(&rule.services, None, None);
            arrows.add(from(), Party::Outside(rule.target.to_string()), what, None);
            continue;
        };
        let to = Party::Zone(other.clone());
        let Some(peer) = zones.iter().find(|zone| zone.name.value == other) else {
            let missing = format!("there is no zone {other}");
            arrows.add(from(), to, words(&rule.services, None, to_label), Some(missing));
            continue;
        };
        let mut let_in = false;
        for back in &peer.network.ingress.value {
            let Some((asking, from_label)) = zone_of(back, &other).filter(|(asking, _)| asking == own) else {
                continue;
            };
            let services = common(rule, back).filter(|_| peer.network.mode.value == NetworkAccess::Zone);
            if let Some(services) = services {
                debug_assert_eq!(asking, *own, "filtered");
                let_in = true;
                arrows.add(from(), to.clone(), words(&services, from_label, to_label.clone()), None);
            }
        }
        if !let_in {
            let missing = format!("ingress of zone {other} does not let it in");
            arrows.add(from(), to, words(&rule.services, None, to_label), Some(missing));
        }
    }
}

/// Who may begin something with a zone's containers; from zones only what their own rules do not say.
fn incoming(zone: &Zone, zones: &[Zone], arrows: &mut Arrows) {
    let own = &zone.name.value;
    let to = || Party::Zone(own.clone());
    for rule in &zone.network.ingress.value {
        let Some((other, from_label)) = zone_of(rule, own) else {
            let what = match rule.target {
                Target::Host => words(&rule.services, None, None),
                _ => format!("{}, to published ports", words(&rule.services, None, None)),
            };
            arrows.add(Party::Outside(rule.target.to_string()), to(), what, None);
            continue;
        };
        let peer = zones.iter().find(|zone| zone.name.value == other);
        let asks = peer.is_some_and(|peer| {
            let rules = peer.network.egress.value.iter();
            let mut about =
                rules.filter(|back| zone_of(back, &other).is_some_and(|(asked, _)| asked == *own));
            about.any(|back| common(back, rule).is_some())
        });
        if !asks {
            let missing = match peer {
                None => format!("there is no zone {other}"),
                Some(_) => format!("egress of zone {other} does not let it out"),
            };
            arrows.add(Party::Zone(other), to(), words(&rule.services, from_label, None), Some(missing));
        }
    }
}

#[cfg(test)]
mod tests;
