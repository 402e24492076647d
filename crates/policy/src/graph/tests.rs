//! The graph of zones that are and are not let in.

use super::*;
use crate::parse_zone;

fn zone(name: &str, network: &str) -> Zone {
    let text = format!("zone = \"{name}\"\n[network]\nmode = \"zone\"\n{network}");
    parse_zone("z.toml", &text).unwrap()
}

fn shop() -> Vec<Zone> {
    vec![
        zone(
            "web",
            "egress = [\"zone:db tcp/5432 tcp/1-10\", \"*.example.org tcp/443\"]\ningress = [\"any tcp/80\"]\n",
        ),
        zone(
            "db",
            "trust = \"none\"\negress = []\ningress = [\"zone:web label:app=shop tcp\", \"zone:batch\"]\n",
        ),
        zone("batch", "egress = [\"zone:db udp\", \"zone:gone\", \"internet\"]\ningress = [\"host\"]\n"),
        parse_zone("s.toml", "zone = \"closed\"\n[network]\nmode = \"none\"\n").unwrap(),
    ]
}

fn party(name: &str) -> Party {
    Party::Zone(name.parse().unwrap())
}

#[test]
fn a_packet_passes_where_both_sides_say_so() {
    let graph = Graph::new(&shop());
    assert!(graph.passes(&party("web"), &party("db")));
    assert!(!graph.passes(&party("db"), &party("web")));
    assert!(graph.passes(&party("web"), &party("web")) && !graph.passes(&party("db"), &party("db")));
    assert!(graph.passes(&party("batch"), &party("db")), "udp of all");
    assert!(!graph.passes(&party("batch"), &party("gone")));
    assert!(graph.passes(&Party::Outside("any".to_owned()), &party("web")));
    assert!(graph.arrows.iter().all(|arrow| arrow.from != party("closed") && arrow.to != party("closed")));
    let shop =
        graph.arrows.iter().find(|arrow| arrow.from == party("web") && arrow.to == party("db")).unwrap();
    let what: Vec<&str> = shop.what.iter().map(String::as_str).collect();
    assert_eq!(what, ["tcp/1-10 tcp/5432 from label:app=shop"]);
}

#[test]
fn what_is_missing_is_told() {
    let mut zones = shop();
    zones[1] = zone("db", "ingress = [\"zone:web udp\", \"zone:closed\"]\n");
    let graph = Graph::new(&zones);
    let missing: Vec<String> = graph
        .arrows
        .iter()
        .filter_map(|arrow| Some(format!("{} {} {}", arrow.from, arrow.to, arrow.missing.as_ref()?)))
        .collect();
    assert_eq!(
        missing,
        [
            "zone:batch zone:db ingress of zone db does not let it in",
            "zone:batch zone:gone there is no zone gone",
            "zone:closed zone:db egress of zone closed does not let it out",
            "zone:web zone:db egress of zone web does not let it out",
            "zone:web zone:db ingress of zone db does not let it in",
        ]
    );
}

#[test]
fn services_have_in_common_what_both_name() {
    let rule = |text: &str| text.parse::<Rule>().unwrap();
    let found = |one: &str, other: &str| {
        common(&rule(one), &rule(other))
            .map(|services| services.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(found("any tcp/1-100", "any tcp/50-200 udp").unwrap(), ["tcp/50-100"]);
    assert_eq!(found("any", "any tcp/5").unwrap(), ["tcp/5"]);
    assert!(found("any", "any").unwrap().is_empty(), "all");
    assert_eq!(found("any tcp/5", "any tcp/6 udp/5"), None);
}

#[test]
fn pictures_have_every_arrow() {
    let graph = Graph::new(&shop());
    let (dot, svg) = (graph.to_dot(), graph.to_svg());
    assert_eq!(dot.matches(" -> ").count(), graph.arrows.len());
    assert_eq!(svg.matches("marker-end").count(), graph.arrows.len());
    assert!(svg.contains("*.example.org") && dot.contains("\"*.example.org\""));
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    let text = graph.to_text();
    assert!(
        text.contains("zone closed: no network") && text.contains("(nothing passes: there is no zone gone)"),
        "{text}"
    );
}
