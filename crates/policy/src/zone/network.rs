//! `[network]`: who may talk to whom.

use std::fmt::Write;

use cofferdam_confinement::network::{AddressRange, METADATA, PublishRange, Rule, Target, ZoneRules};
use toml::de::DeValue;

use super::parse::replace;
use super::{NetworkAccess, NetworkRules};
use cofferdam_settings::{Reader, Section, unsigned};

const RULE: &str = "its form is TARGET [PROTOCOL[/PORTS]]..., where TARGET is any, internet, private, host, an address range, \
                    zone:NAME [label:KEY=VALUE] or label:KEY=VALUE";

impl NetworkRules {
    /// The rules that packets are held to.
    #[must_use]
    pub fn packet_rules(&self) -> ZoneRules {
        ZoneRules {
            trust: self.trust.value,
            egress: self.egress.value.clone(),
            ingress: self.ingress.value.clone(),
            connections: self.connections.value,
            connections_per_second: self.connections_per_second.value,
            zone_connections: self.zone_connections.value,
            log: self.log.value,
        }
    }
}

/// Reads the section over what the zone has so far.
pub(super) fn read<'i>(reader: &mut Reader<'i>, mut section: Section<'i>, rules: &mut NetworkRules) {
    let mode =
        reader.value(&mut section, "mode", "it is \"none\" or \"zone\"", |value| match value.as_str()? {
            "none" => Some(NetworkAccess::None),
            "zone" => Some(NetworkAccess::Zone),
            _ => None,
        });
    replace(&mut rules.mode, mode);
    let yes_or_no = "it is true or false";
    replace(&mut rules.host, reader.value(&mut section, "host", yes_or_no, DeValue::as_bool));
    let trust =
        reader.value(&mut section, "trust", "it is \"none\" or \"zone\"", |value| match value.as_str()? {
            "none" => Some(false),
            "zone" => Some(true),
            _ => None,
        });
    replace(&mut rules.trust, trust);
    let egress_rule = format!("{RULE}, or a DNS name such as api.example.org or *.example.org");
    let egress = reader.list(&mut section, "egress", &egress_rule, |word| word.parse::<Rule>().ok());
    replace(&mut rules.egress, egress);
    let ingress = reader.list(&mut section, "ingress", RULE, |word| {
        word.parse().ok().filter(|rule: &Rule| !matches!(rule.target, Target::Name(_)))
    });
    replace(&mut rules.ingress, ingress);
    let rule = "its form is [ADDRESS:]PORT[-PORT][/PROTOCOL]";
    let publish = reader.list(&mut section, "publish", rule, |word| word.parse::<PublishRange>().ok());
    replace(&mut rules.publish, publish);
    let rule = "it is a number above 0, or \"unlimited\"";
    replace(&mut rules.connections, reader.value(&mut section, "connections", rule, limit));
    let per_second = reader.value(&mut section, "connections_per_second", rule, limit);
    replace(&mut rules.connections_per_second, per_second);
    replace(&mut rules.zone_connections, reader.value(&mut section, "zone_connections", rule, limit));
    replace(&mut rules.log, reader.value(&mut section, "log", yes_or_no, DeValue::as_bool));
    reader.finish(section);
}

fn limit(value: &DeValue<'_>) -> Option<Option<u32>> {
    if value.as_str() == Some("unlimited") {
        return Some(None);
    }
    let number = u32::try_from(unsigned(value)?).ok()?;
    (number > 0).then_some(Some(number))
}

/// What the section weakens, each with a reason.
pub(super) fn warnings(rules: &NetworkRules, mut warn: impl FnMut(&super::Place, String)) {
    if rules.host.value {
        let message = "host = true lets a container use the host's network: no rule of the zone holds there";
        warn(&rules.host.place, message.to_owned());
    }
    let link_local = ["169.254.0.0/16", "fe80::/10"];
    let metadata: Vec<AddressRange> =
        link_local.iter().chain(&METADATA).filter_map(|text| text.parse().ok()).collect();
    for rule in &rules.egress.value {
        let mut text = String::new();
        match &rule.target {
            Target::Host => {
                let _ = write!(
                    text,
                    "egress {rule}: services of the host are reached as from the host's own users"
                );
            }
            Target::Range(range) if metadata.iter().any(|other| range.overlaps(*other)) => {
                let _ = write!(
                    text,
                    "egress {rule}: a cloud's metadata service gives out the machine's credentials"
                );
            }
            _ => continue,
        }
        warn(&rules.egress.place, text);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{builtin_zone, parse_zone};
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let error = parse_zone("z.toml", text).unwrap_err();
        error.problems.iter().map(|p| format!("{}:{} {}", p.line, p.column, p.message)).collect()
    }

    #[test]
    fn rules_are_read_and_shown_and_what_is_left_out_is_the_base_s() {
        let text = "zone = \"web\"\n[network]\ntrust = \"none\"\negress = [\"zone:db tcp/5432\", \"*.example.org tcp/443\"]\n\
                    ingress = [\"10.0.0.0/8 tcp/80\"]\npublish = [\"127.0.0.1:8000-8100/tcp\"]\nconnections = 50\nlog = true\n";
        let zone = parse_zone("z.toml", text).unwrap();
        let again = parse_zone("again.toml", &zone.to_toml()).unwrap();
        let rules = zone.network.packet_rules();
        assert_eq!(again.network.packet_rules(), rules);
        assert_eq!(again.network.publish.value, zone.network.publish.value);
        assert_eq!((rules.trust, rules.log, rules.connections), (false, true, Some(50)));
        assert_eq!(rules.egress[1].to_string(), "*.example.org tcp/443");
        assert_eq!(zone.network.egress.place.line, 4);
        assert_eq!(zone.network.publish.place.line, 6);
    }

    #[test]
    fn every_bad_rule_is_told_with_its_place() {
        let text = "zone = \"web\"\n[network]\nmode = \"bridge\"\ntrust = true\negress = [\"internet\", \"internte\"]\n\
                    ingress = [\"a.example.org\"]\npublish = [\"80/icmp\"]\nconnections = 0\npeers = []\n";
        let told = problems(text);
        let places = ["3:1 network.mode", "4:1 network.trust", "5:23 network.egress", "6:12 network.ingress"];
        for place in
            places.into_iter().chain(["7:12 network.publish", "8:1 network.connections", "9:1 unknown key"])
        {
            assert!(told.iter().any(|problem| problem.starts_with(place)), "{place}: {told:#?}");
        }
        assert_eq!(told.len(), 7, "{told:#?}");
    }

    #[test]
    fn the_default_zone_reaches_the_internet_and_nothing_nearer() {
        let rules = builtin_zone("default").unwrap().network;
        assert_eq!(rules.egress.value, ["internet".parse().unwrap()]);
        for name in ["strict", "host-tools"] {
            let rules = builtin_zone(name).unwrap().network;
            assert_eq!(rules.mode.value, NetworkAccess::None);
            assert!(rules.egress.value.is_empty() && rules.ingress.value.is_empty() && !rules.host.value);
        }
    }

    #[test]
    fn what_is_weak_is_named() {
        let text =
            "zone = \"x\"\n[network]\nhost = true\negress = [\"host\", \"169.254.169.254\", \"any\"]\n";
        let lines: Vec<usize> = parse_zone("x.toml", text)
            .unwrap()
            .warnings(None)
            .iter()
            .map(|warning| warning.place.line)
            .collect();
        assert_eq!(lines, [3, 4, 4]);
    }
}
