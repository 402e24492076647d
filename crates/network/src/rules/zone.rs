//! What a zone adds to the table: its chains, made from its rules.

use cofferdam_confinement::network::{Protocol, Rule as ZoneRule, Target, ZoneRules};
use cofferdam_names::ZoneName;
use sha2::{Digest, Sha256};

use super::condition::{Conditions, KEY};
use super::segment::trust_chain;
use super::{LOG_GROUP, Tag, set};
use crate::nft::{Chain, Data, Element, Expr, Operation, Register, Rule, Set, SetKind, Stateful, Verdict};

/// The objects of one zone.
#[derive(Debug, Clone)]
pub(crate) struct ZoneObjects {
    /// What its containers may send, who may reach them, what they may ask of the host, what the host may of them, and what
    /// becomes of the rest.
    pub(crate) chains: [String; 5],
    /// What the chains were made from.
    pub(crate) note: Vec<u8>,
    pub(crate) sets: Vec<Set>,
    pub(crate) rules: Vec<Rule>,
    /// The ways into the chains.
    pub(crate) entries: Vec<Element>,
    /// The chain that leads to its segments: what is in it is theirs.
    trust: String,
    tag: Tag,
}

/// Grows with each change of what this module makes.
const LAYOUT: u8 = 4;

/// The objects of a zone.
pub(crate) fn zone(realm: &str, name: &ZoneName, rules: &ZoneRules) -> ZoneObjects {
    let tag = Tag::zone(realm, name);
    let named = |what: &str| format!("{what}-{name}-{}", tag.hex());
    let chains = ["out", "in", "to_host", "from_host", "deny"].map(named);
    let mut maker = Maker { realm, name, tag, rules, chains: &chains, made: Vec::new(), sets: Vec::new() };
    maker.deny();
    maker.limits();
    maker.limit_of_the_zone();
    maker.trust(OUT);
    maker.egress();
    maker.trust(IN);
    maker.ingress();
    maker.towards_host();
    maker.of_host();
    let (made, sets) = (maker.made, maker.sets);
    let entries =
        [set::OUT, set::IN, set::TO_HOST, set::FROM_HOST].into_iter().zip(&chains).map(|(map, chain)| {
            // From its end, which no packet should come to, the way leads back to a rule that drops it.
            Element::verdict(map, tag.group().to_ne_bytes().to_vec(), Verdict::Jump(chain.clone()))
        });
    let entries = entries.collect();
    let trust = trust_chain(realm, name);
    ZoneObjects { note: note(&made, &sets), sets, rules: made, entries, chains, trust, tag }
}

fn chain(name: &str) -> Operation {
    Operation::AddChain(Chain { name: name.to_owned(), hook: None })
}

/// A digest of everything that the chains do.
fn note(rules: &[Rule], sets: &[Set]) -> Vec<u8> {
    let digest = Sha256::digest(format!("{LAYOUT} {rules:?} {sets:?}"));
    digest[..16].to_vec()
}

impl ZoneObjects {
    /// Makes the objects; `there` if the zone's chains are there already, with other rules.
    ///
    /// The chains stay, and so do the ways into them: a packet that is under way meets all of a chain's old rules or all of its
    /// new ones. With other chains in their place it could be led into one that has no rules yet by the clock that it goes by.
    pub(crate) fn operations(&self, there: bool) -> Vec<Operation> {
        let mut all = Vec::new();
        if !there {
            all.extend(self.chains.iter().map(|name| chain(name)));
            all.push(self.way_to_segments());
        }
        all.extend(self.sets.iter().cloned().map(Operation::AddSet));
        if there {
            all.push(Operation::DeleteElement(self.note_key()));
            // What is counted there keeps the limit that it was first counted under.
            all.extend(self.sets.iter().map(|set| Operation::EmptySet(set.name.clone())));
        }
        all.extend(self.chains.iter().cloned().map(Operation::EmptyChain));
        all.extend(self.rules.iter().cloned().map(Operation::AddRule));
        all.extend(self.entries.iter().cloned().map(Operation::ShareElement));
        all.push(Operation::AddElement(Element { data: Data::Value(self.note.clone()), ..self.note_key() }));
        all
    }

    /// Makes the chain that its segments are put into.
    pub(crate) fn way_to_segments(&self) -> Operation {
        chain(&self.trust)
    }

    /// Where the table keeps what the zone's rules were made from.
    pub(crate) fn note_key(&self) -> Element {
        Element::key(set::NOTES, self.tag.group().to_ne_bytes().to_vec())
    }
}

struct Maker<'a> {
    realm: &'a str,
    name: &'a ZoneName,
    tag: Tag,
    rules: &'a ZoneRules,
    chains: &'a [String; 5],
    made: Vec<Rule>,
    sets: Vec<Set>,
}

/// Places in [`ZoneObjects::chains`].
const OUT: usize = 0;
const IN: usize = 1;
const TO_HOST: usize = 2;
const FROM_HOST: usize = 3;
const DENY: usize = 4;

impl Maker<'_> {
    fn add(&mut self, chain: usize, comment: impl ToString, expressions: Vec<Expr>) {
        let chain = self.chains[chain].clone();
        self.made.push(Rule { chain, expressions, comment: comment.to_string() });
    }

    fn goto(&self, chain: usize) -> Verdict {
        Verdict::Goto(self.chains[chain].clone())
    }

    /// One rule for each service and family.
    fn each(
        &mut self,
        chain: usize,
        comment: &ZoneRule,
        verdict: &Verdict,
        conditions: impl Fn(bool) -> Option<Conditions>,
    ) {
        for v6 in [false, true] {
            let Some(conditions) = conditions(v6) else { continue };
            if comment.services.is_empty() {
                self.add(chain, comment, conditions.then(verdict.clone()));
                continue;
            }
            for service in &comment.services {
                self.add(chain, comment, conditions.clone().service(service, v6).then(verdict.clone()));
            }
        }
    }

    /// Denied packets are told to whoever watches, and with `log = true` to the kernel's log, where the name of the link says
    /// which container it is.
    fn deny(&mut self) {
        let prefix = format!("cofferdam denied zone={} ", self.name);
        let mut told = Conditions::new().and(Expr::Log { group: Some(LOG_GROUP), prefix: prefix.clone() });
        if self.rules.log {
            told = told.and(Expr::Log { group: None, prefix });
        }
        self.add(DENY, "no rule allows it", told.and(Expr::Counter).then(Verdict::Drop));
    }

    fn limits(&mut self) {
        let limits = [
            ("connections", self.rules.connections.map(Stateful::Connections)),
            ("per_second", self.rules.connections_per_second.map(Stateful::PerSecond)),
        ];
        for (what, stateful) in limits {
            for (v6, key) in [(false, (7, 4)), (true, (8, 16))] {
                let name = format!("{what}{}-{}-{}", if v6 { 6 } else { 4 }, self.name, self.tag.hex());
                // Also without a limit: a later rule may have one.
                self.sets.push(Set { name: name.clone(), kind: SetKind::Counting, key: vec![key] });
                let Some(stateful) = &stateful else { continue };
                let counted = Expr::Count { set: name, from: KEY, stateful: stateful.clone() };
                let over = Conditions::of(v6).load_source(v6, KEY).and(counted);
                let verdict = self.goto(DENY);
                self.add(OUT, format!("too many connections ({what})"), over.then(verdict));
            }
        }
    }

    /// Behind the limits of each container: what these deny is not counted here.
    fn limit_of_the_zone(&mut self) {
        if let Some(most) = self.rules.zone_connections {
            let verdict = self.goto(DENY);
            let over = Conditions::new().and(Expr::Above(most)).then(verdict);
            self.add(OUT, "too many connections of the zone", over);
        }
    }

    /// Containers of the zone that share a segment, on both halves of a packet's way: each segment has a chain, and a segment that comes
    /// changes no rule here. A segment's chain asks for addresses alone: a source could be made up
    /// by what is no link, and a destination that has just gone be looked for outside.
    fn trust(&mut self, chain: usize) {
        if self.rules.trust {
            let way = Verdict::Jump(trust_chain(self.realm, self.name));
            let between = Conditions::new().by_zone(self.tag).leaving_to_zone(self.tag);
            self.add(chain, "trust within segments", between.then(way));
        }
    }

    fn egress(&mut self) {
        let (realm, own) = (self.realm, self.name);
        for rule in &self.rules.egress {
            let (zone, label) = match &rule.target {
                Target::Zone(zone, label) => (zone, label.as_ref()),
                Target::Label(label) => (own, Some(label)),
                _ => continue,
            };
            // Its zone is asked next, in the chain `arrive`.
            self.each(OUT, rule, &Verdict::Accept, |v6| {
                let theirs = Conditions::of(v6).leaving_to_zone(Tag::zone(realm, zone));
                Some(match label {
                    None => theirs,
                    Some(label) => {
                        let tag = Tag::label(realm, zone, label);
                        theirs
                            .member(v6, set::MEMBERS[usize::from(v6)], tag, |it| it.load_destination(v6, KEY))
                    }
                })
            });
        }
        // Containers are reached by the rules above alone, whatever their addresses are.
        let verdict = self.goto(DENY);
        self.add(OUT, "another container", Conditions::new().leaving_by_link(true).then(verdict));
        for rule in &self.rules.egress {
            self.each(OUT, rule, &Verdict::Accept, |v6| {
                outside(&rule.target, v6, |it| it.load_destination(v6, KEY)).or_else(|| match &rule.target {
                    Target::Name(pattern) => {
                        let tag = Tag::name(realm, own, pattern);
                        let address = Register(4);
                        let named = Conditions::of(v6).and(Expr::Value { to: KEY, value: tag.0.to_vec() });
                        let named = named.load_destination(v6, address);
                        Some(named.in_set(set::NAMED[usize::from(v6)], true))
                    }
                    _ => None,
                })
            });
        }
        let verdict = self.goto(DENY);
        self.add(OUT, "all else", Conditions::new().then(verdict));
    }

    fn ingress(&mut self) {
        let (realm, own) = (self.realm, self.name);
        for rule in &self.rules.ingress {
            self.each(IN, rule, &Verdict::Accept, |v6| {
                let (zone, label) = match &rule.target {
                    Target::Zone(zone, label) => (zone, label.as_ref()),
                    Target::Label(label) => (own, Some(label)),
                    target => {
                        // To published ports alone, and never from a container.
                        let from = outside(target, v6, |it| it.load_source(v6, KEY))?;
                        return Some(from.by_link(false).published());
                    }
                };
                let theirs = Conditions::of(v6).by_zone(Tag::zone(realm, zone));
                Some(match label {
                    None => theirs,
                    Some(label) => {
                        let tag = Tag::label(realm, zone, label);
                        theirs.member(v6, set::MEMBERS[usize::from(v6)], tag, |it| it.load_source(v6, KEY))
                    }
                })
            });
        }
        let verdict = self.goto(DENY);
        self.add(IN, "all else", Conditions::new().then(verdict));
    }

    fn towards_host(&mut self) {
        for v6 in [false, true] {
            for protocol in [Protocol::Udp, Protocol::Tcp] {
                let gateway = Conditions::of(v6).load_destination(v6, KEY);
                let gateway = gateway.in_set(set::GATEWAYS[usize::from(v6)], true).port(protocol, 53, v6);
                self.add(TO_HOST, "the zone's name server", gateway.then(Verdict::Accept));
            }
        }
        for rule in self.rules.egress.iter().filter(|rule| rule.target == Target::Host) {
            self.each(TO_HOST, rule, &Verdict::Accept, |v6| Some(Conditions::of(v6)));
        }
        let verdict = self.goto(DENY);
        self.add(TO_HOST, "all else", Conditions::new().then(verdict));
    }

    fn of_host(&mut self) {
        for rule in &self.rules.ingress {
            self.each(FROM_HOST, rule, &Verdict::Accept, |v6| match rule.target {
                Target::Host => Some(Conditions::of(v6)),
                // Whoever may come from anywhere may come from here, by the same door.
                Target::Any => Some(Conditions::of(v6).published()),
                _ => None,
            });
        }
        let verdict = self.goto(DENY);
        self.add(FROM_HOST, "all else", Conditions::new().then(verdict));
    }
}

/// An address outside this host that a target means; none for other targets and for the other family's ranges.
fn outside(target: &Target, v6: bool, load: impl Fn(Conditions) -> Conditions) -> Option<Conditions> {
    let family = usize::from(v6);
    let loaded = || load(Conditions::of(v6));
    Some(match target {
        Target::Any => loaded().in_set(set::NEVER[family], false),
        Target::Internet => loaded().in_set(set::SPECIAL[family], false),
        Target::Private => loaded().in_set(set::PRIVATE[family], true).in_set(set::NEVER[family], false),
        Target::Range(range) if range.first().is_ipv6() == v6 => Conditions::of(v6).within(*range, load),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use cofferdam_confinement::network::Service;

    use super::*;

    fn rules(egress: &[&str], ingress: &[&str]) -> ZoneRules {
        let read = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        ZoneRules {
            trust: true,
            egress: read(egress),
            ingress: read(ingress),
            connections: Some(100),
            connections_per_second: None,
            zone_connections: None,
            log: true,
        }
    }

    #[test]
    fn a_zone_without_rules_denies_all() {
        let none = ZoneRules { trust: false, connections: None, log: false, ..rules(&[], &[]) };
        let objects = zone("/x", &"web".parse().unwrap(), &none);
        let accepting: Vec<&Rule> = objects
            .rules
            .iter()
            .filter(|rule| rule.expressions.contains(&Expr::Verdict(Verdict::Accept)))
            .collect();
        assert!(accepting.iter().all(|rule| rule.comment == "the zone's name server"), "{accepting:#?}");
        for chain in &objects.chains[..4] {
            let last = objects.rules.iter().rfind(|rule| rule.chain == *chain).unwrap();
            assert_eq!(last.expressions, [Expr::Verdict(Verdict::Goto(objects.chains[DENY].clone()))]);
        }
    }

    #[test]
    fn addresses_of_containers_are_decided_before_ranges() {
        let objects = zone("/x", &"web".parse().unwrap(), &rules(&["10.0.0.0/8", "zone:db tcp/5432"], &[]));
        let place = |comment: &str| objects.rules.iter().position(|rule| rule.comment == comment).unwrap();
        assert!(place("zone:db tcp/5432") < place("another container"));
        assert!(place("another container") < place("10.0.0.0/8"));
    }

    #[test]
    fn the_note_changes_with_the_rules_and_with_nothing_else() {
        let name: ZoneName = "web".parse().unwrap();
        let one = zone("/x", &name, &rules(&["internet"], &["any"]));
        assert_eq!(one.note, zone("/x", &name, &rules(&["internet"], &["any"])).note);
        assert_ne!(one.note, zone("/x", &name, &rules(&["internet tcp/80"], &["any"])).note);
        assert_ne!(one.note, zone("/x", &name, &rules(&["internet"], &[])).note);
    }

    #[test]
    fn a_range_is_of_one_family_and_services_are_rules_of_their_own() {
        let objects = zone("/x", &"web".parse().unwrap(), &rules(&["192.0.2.0/24 tcp/1 udp/2-3"], &[]));
        let made: Vec<_> = objects.rules.iter().filter(|rule| rule.comment.starts_with("192")).collect();
        assert_eq!(made.len(), 2);
        let service: Service = "tcp/1".parse().unwrap();
        assert!(service.has(Protocol::Tcp, 1));
    }
}
