//! What the packet rules say of a connection, decided as the kernel decides it: for whoever asks before it is tried, and to find
//! the connections that a new rule forbids. Pure.

use std::net::IpAddr;

use cofferdam_confinement::network::{LabelSelector, NamePattern, Network, Protocol, Rule, Target};

use crate::rules::{Range, is_in};

/// One side of a connection.
#[derive(Debug, Clone, Copy)]
pub enum Side<'n> {
    /// A container with a link.
    Container(&'n Network),
    /// The host itself.
    Host,
    /// Anywhere else.
    Outside,
}

/// A connection, or the wish for one.
#[derive(Debug, Clone, Copy)]
pub struct Flow<'n> {
    /// Who begins.
    pub from: (Side<'n>, IpAddr),
    /// Who answers; a container's own address also where it was asked by a published port.
    pub to: (Side<'n>, IpAddr),
    /// The protocol's number (IANA).
    pub protocol: u8,
    /// The port that is asked, for protocols that have ports.
    pub port: Option<u16>,
    /// It goes by a published port.
    pub published: bool,
}

/// What the rules say, each step of it in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it passes.
    pub passes: bool,
    /// The rules that decided, in the order in which a packet meets them.
    pub by: Vec<String>,
}

impl Judgement {
    fn passes(by: Vec<String>) -> Self {
        Self { passes: true, by }
    }

    fn denied(mut by: Vec<String>, last: String) -> Self {
        by.push(last);
        Self { passes: false, by }
    }
}

impl Flow<'_> {
    fn v6(&self) -> bool {
        self.to.1.is_ipv6()
    }

    fn is_served(&self, rule: &Rule) -> bool {
        let is_meant = |protocol: Protocol| protocol.number(self.v6()) == self.protocol;
        rule.services.is_empty()
            || rule.services.iter().any(|service| {
                is_meant(service.protocol)
                    && service.ports.is_none_or(|(first, last)| {
                        self.port.is_some_and(|port| (first..=last).contains(&port))
                    })
            })
    }
}

/// What the rules of both sides say. `named` says whether the resolver has opened an address for a name of a container's zone.
#[must_use]
pub fn judge(flow: &Flow<'_>, named: &dyn Fn(&Network, &NamePattern, IpAddr) -> bool) -> Judgement {
    match (flow.from.0, flow.to.0) {
        (Side::Container(from), Side::Container(to)) if from.link == to.link => {
            Judgement::passes(vec!["it is its own address".to_owned()])
        }
        (Side::Container(from), Side::Container(to)) => between(from, to, flow),
        (Side::Container(from), Side::Host) => towards_host(from, flow),
        (Side::Container(from), Side::Outside) => outwards(from, flow, named),
        (Side::Host, Side::Container(to)) => of_host(to, flow),
        (Side::Outside, Side::Container(to)) => inwards(to, flow),
        (Side::Host | Side::Outside, Side::Host | Side::Outside) => {
            Judgement::passes(vec!["no container takes part: the host's own rules decide".to_owned()])
        }
    }
}

fn has(network: &Network, label: Option<&LabelSelector>) -> bool {
    label.is_none_or(|label| network.labels.get(&label.key) == Some(&label.value))
}

/// Whether a rule of one container's zone means another container.
fn means(rule: &Rule, own: &Network, other: &Network) -> bool {
    own.realm == other.realm
        && match &rule.target {
            Target::Zone(zone, label) => *zone == other.zone && has(other, label.as_ref()),
            Target::Label(label) => own.zone == other.zone && has(other, Some(label)),
            _ => false,
        }
}

/// A segment that both are in; an empty name for the zone's own one.
fn common_segment<'n>(one: &'n Network, other: &'n Network) -> Option<&'n str> {
    let of = |network: &'n Network| {
        let own = network.segments.is_empty().then_some("");
        own.into_iter().chain(network.segments.iter().map(|segment| segment.name.as_str()))
    };
    of(one).find(|name| of(other).any(|theirs| theirs == *name))
}

fn between(from: &Network, to: &Network, flow: &Flow<'_>) -> Judgement {
    let same_zone = from.realm == to.realm && from.zone == to.zone;
    if let Some(segment) = common_segment(from, to).filter(|_| same_zone && from.rules.trust) {
        let segment = if segment.is_empty() { String::new() } else { format!(" in segment {segment}") };
        return Judgement::passes(vec![format!("zone {} trusts its own{segment}", from.zone)]);
    }
    let out = from.rules.egress.iter().find(|rule| means(rule, from, to) && flow.is_served(rule));
    let Some(out) = out else {
        let last = format!("no egress rule of zone {} names this container of zone {}", from.zone, to.zone);
        return Judgement::denied(Vec::new(), last);
    };
    let by = vec![format!("egress {:?} of zone {}", out.to_string(), from.zone)];
    match to.rules.ingress.iter().find(|rule| means(rule, to, from) && flow.is_served(rule)) {
        Some(back) => {
            let last = format!("ingress {:?} of zone {}", back.to_string(), to.zone);
            Judgement::passes(by.into_iter().chain([last]).collect())
        }
        None => Judgement::denied(by, format!("no ingress rule of zone {} lets it in", to.zone)),
    }
}

fn towards_host(from: &Network, flow: &Flow<'_>) -> Judgement {
    let gateway = from.addresses.iter().any(|pair| pair.gateway == flow.to.1);
    if gateway && flow.port == Some(53) && [6, 17].contains(&flow.protocol) {
        return Judgement::passes(vec!["the name server of every zone".to_owned()]);
    }
    let mut rules = from.rules.egress.iter().filter(|rule| rule.target == Target::Host);
    match rules.find(|rule| flow.is_served(rule)) {
        Some(rule) => Judgement::passes(vec![format!("egress {:?} of zone {}", rule.to_string(), from.zone)]),
        None => {
            let last = format!("no egress rule of zone {} names this service of the host", from.zone);
            Judgement::denied(Vec::new(), last)
        }
    }
}

/// Whether a rule means an address outside this host.
fn is_outside(target: &Target, address: IpAddr) -> bool {
    match target {
        Target::Any => !is_in(Range::Never, address),
        Target::Internet => !is_in(Range::Special, address),
        Target::Private => is_in(Range::Private, address) && !is_in(Range::Never, address),
        Target::Range(range) => range.contains(address),
        _ => false,
    }
}

fn outwards(
    from: &Network,
    flow: &Flow<'_>,
    named: &dyn Fn(&Network, &NamePattern, IpAddr) -> bool,
) -> Judgement {
    let address = flow.to.1;
    let found = from.rules.egress.iter().find(|rule| {
        flow.is_served(rule)
            && match &rule.target {
                Target::Name(name) => named(from, name, address),
                target => is_outside(target, address),
            }
    });
    match found {
        Some(rule) => Judgement::passes(vec![format!("egress {:?} of zone {}", rule.to_string(), from.zone)]),
        None => {
            let last = format!("no egress rule of zone {} is for {address}", from.zone);
            Judgement::denied(Vec::new(), last)
        }
    }
}

fn of_host(to: &Network, flow: &Flow<'_>) -> Judgement {
    let found = to.rules.ingress.iter().find(|rule| {
        flow.is_served(rule)
            && match rule.target {
                Target::Host => true,
                Target::Any => flow.published,
                _ => false,
            }
    });
    match found {
        Some(rule) => Judgement::passes(vec![format!("ingress {:?} of zone {}", rule.to_string(), to.zone)]),
        None => {
            Judgement::denied(Vec::new(), format!("no ingress rule of zone {} lets the host in", to.zone))
        }
    }
}

fn inwards(to: &Network, flow: &Flow<'_>) -> Judgement {
    if !flow.published {
        let last = "from outside only published ports are reached".to_owned();
        return Judgement::denied(Vec::new(), last);
    }
    let address = flow.from.1;
    let mut rules = to.rules.ingress.iter();
    match rules.find(|rule| flow.is_served(rule) && is_outside(&rule.target, address)) {
        Some(rule) => Judgement::passes(vec![format!("ingress {:?} of zone {}", rule.to_string(), to.zone)]),
        None => {
            Judgement::denied(Vec::new(), format!("no ingress rule of zone {} is for {address}", to.zone))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cofferdam_confinement::network::{Address, Link, MacAddress, Segment, ZoneRules};

    use super::*;

    fn network(zone: &str, number: u8, egress: &[&str], ingress: &[&str]) -> Network {
        let read = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Network {
            realm: "/x".to_owned(),
            zone: zone.parse().unwrap(),
            link: Link {
                host_name: format!("cfd{number:012x}"),
                name: "eth0".to_owned(),
                host_mac: MacAddress([6, 0, 0, 0, 0, number]),
                mac: MacAddress([2, 0, 0, 0, 0, number]),
                mtu: 1500,
            },
            addresses: vec![Address {
                address: [10, 207, 0, number].into(),
                gateway: [10, 207, 0, 1].into(),
            }],
            segments: Vec::new(),
            labels: BTreeMap::from([("n".to_owned(), number.to_string())]),
            published: Vec::new(),
            rules: ZoneRules {
                trust: true,
                egress: read(egress),
                ingress: read(ingress),
                connections: None,
                connections_per_second: None,
                zone_connections: None,
                log: false,
            },
            resolver: false,
            outlet: None,
        }
    }

    fn said(from: Side<'_>, to: Side<'_>, addresses: [&str; 2], port: u16, published: bool) -> Judgement {
        let [one, other] = addresses.map(|text| text.parse().unwrap());
        let flow = Flow { from: (from, one), to: (to, other), protocol: 6, port: Some(port), published };
        judge(&flow, &|_, name, address| name.matches("a.example.org") && address == other)
    }

    #[test]
    fn both_sides_must_say_so() {
        let web = network("web", 16, &["zone:db tcp/80", "zone:log label:n=19"], &[]);
        let db = network("db", 17, &[], &["zone:web label:n=16 tcp/1-100"]);
        let log = network("log", 19, &[], &[]);
        let two = ["10.207.0.16", "10.207.0.17"];
        let between = |one, other, port| said(Side::Container(one), Side::Container(other), two, port, false);
        assert_eq!(
            between(&web, &db, 80).by,
            ["egress \"zone:db tcp/80\" of zone web", "ingress \"zone:web label:n=16 tcp/1-100\" of zone db"]
        );
        assert!(!between(&web, &db, 81).passes && !between(&db, &web, 80).passes);
        let denied = between(&web, &log, 80);
        assert!(!denied.passes && denied.by[1] == "no ingress rule of zone log lets it in", "{denied:?}");
        let other = Network { labels: BTreeMap::new(), ..web.clone() };
        assert!(!between(&other, &db, 80).passes, "it lacks the label");
        let elsewhere = Network { realm: "/y".to_owned(), ..db.clone() };
        assert!(!between(&web, &elsewhere, 80).passes, "another folder's zone of the same name");
    }

    #[test]
    fn trust_is_within_a_segment() {
        let front = |number| {
            let segments = vec![Segment { name: "front".to_owned(), aliases: Vec::new() }];
            Network { segments, ..network("web", number, &[], &[]) }
        };
        let (one, two) = (front(16), front(17));
        let [own, other] = [18, 20].map(|number| network("web", number, &[], &[]));
        let passes = |a, b| {
            said(Side::Container(a), Side::Container(b), ["10.207.0.1", "10.207.0.2"], 1, false).passes
        };
        assert!(passes(&one, &two) && passes(&own, &other));
        assert!(!passes(&one, &own) && !passes(&own, &one));
    }

    #[test]
    fn words_for_the_outside_mean_what_the_kernel_has_for_them() {
        let web = network("web", 16, &["internet tcp/443", "10.1.0.0/16", "a.example.org"], &["any tcp/80"]);
        let out =
            |to: &str, port| said(Side::Container(&web), Side::Outside, ["10.207.0.16", to], port, false);
        assert!(out("1.1.1.1", 443).passes);
        assert_eq!(out("1.1.1.1", 80).by, ["egress \"a.example.org\" of zone web"], "the name stands for it");
        assert!(out("10.1.2.3", 9).passes);
        let named = network("web", 16, &["b.example.org"], &[]);
        let by_name = said(Side::Container(&named), Side::Outside, ["10.207.0.16", "1.1.1.1"], 1, false);
        assert!(!by_name.passes);
        let to = ["203.0.113.9", "10.207.0.16"];
        let inwards = |from, published, port| said(from, Side::Container(&web), to, port, published).passes;
        assert!(inwards(Side::Outside, true, 80) && !inwards(Side::Outside, false, 80));
        assert!(inwards(Side::Host, true, 80) && !inwards(Side::Host, false, 80));
        assert!(!inwards(Side::Outside, true, 81));
    }
}
