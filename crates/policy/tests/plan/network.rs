//! Links, addresses, ports and rules of a plan.

use cofferdam_confinement::network::{Network, Protocol};
use cofferdam_policy::{ContainerRequest, HostFacts};

use crate::fixture::{context_on, planned, refused, request, rootless_host, zone, zone_file};

fn publishing(texts: &[&str]) -> ContainerRequest {
    let mut request = request();
    request.network.publish = texts.iter().map(|text| (*text).to_owned()).collect();
    request
}

fn network_of(request: &ContainerRequest) -> Network {
    planned(&zone("default"), request).network.unwrap()
}

#[test]
fn a_container_of_the_default_zone_has_a_link_and_the_zones_rules() {
    let mut asked = request();
    asked.labels.insert("role".to_owned(), "web".to_owned());
    let network = network_of(&asked);
    assert_eq!(network.link.host_name, "cfd0123456789ab");
    assert_eq!(network.addresses[0].address.to_string(), "10.207.0.16");
    assert_eq!(network.addresses[0].gateway.to_string(), "10.207.0.1");
    assert_eq!(network.addresses[1].address.to_string(), "fdcf:0:0:1::10");
    assert_eq!(network.rules.egress, ["internet".parse().unwrap()]);
    assert_eq!(network.labels["role"], "web");
    assert!(network.segments.is_empty() && network.rules.trust);
}

#[test]
fn only_who_asks_for_none_or_may_have_none_has_none() {
    let mut none = request();
    none.network.mode = Some("none".parse().unwrap());
    assert_eq!(planned(&zone("default"), &none).network, None);
    for name in ["strict", "host-tools"] {
        assert_eq!(planned(&zone(name), &request()).network, None);
        let mut bridge = request();
        bridge.network.mode = Some("bridge".parse().unwrap());
        assert!(refused(&zone(name), &bridge).contains("network.mode is \"none\""));
    }
    let host = rootless_host();
    let plain =
        cofferdam_policy::plan(&zone("default"), &request(), &context_on(host.clone(), &request())).unwrap();
    assert_eq!(plain.plan().network, None);
    let mut bridge = request();
    bridge.network.mode = Some("bridge".parse().unwrap());
    let error = cofferdam_policy::plan(&zone("default"), &bridge, &context_on(host, &bridge)).unwrap_err();
    assert!(error.to_string().contains("install the package passt"), "{error}");
}

/// A user with pasta and the device that it needs.
fn users_host() -> HostFacts {
    HostFacts { tools: ["pasta".to_owned()].into(), tun: true, lowest_port: 1024, ..rootless_host() }
}

#[test]
fn an_ordinary_user_gets_the_network_of_the_zone_through_an_outlet() {
    let planned = |request: &ContainerRequest, host: HostFacts| {
        cofferdam_policy::plan(&zone("default"), request, &context_on(host, request))
    };
    let outlet = |request: &ContainerRequest| {
        let plan = planned(request, users_host()).unwrap().into_plan();
        plan.network.unwrap().outlet.unwrap()
    };
    let common = outlet(&request());
    assert_eq!((common.link.as_str(), common.table), ("cfo-all", None));
    let own = outlet(&publishing(&["8080:80"]));
    assert!(own.link.starts_with("cfo") && own.link.len() == 14 && own.table.is_some(), "{own:?}");
    assert_ne!(own.addresses, common.addresses);
    let refused =
        |request: &ContainerRequest, host: HostFacts| planned(request, host).unwrap_err().to_string();
    assert!(refused(&publishing(&["80:80"]), users_host()).contains("from 1024 on"));
    assert!(refused(&publishing(&["8080:80/sctp"]), users_host()).contains("no SCTP"));
    assert!(refused(&publishing(&["8000-8200:8000-8200"]), users_host()).contains("at most 128"));
    let without_tun = HostFacts { tun: false, ..users_host() };
    assert!(refused(&publishing(&["8080:80"]), without_tun.clone()).contains("/dev/net/tun"));
    assert_eq!(planned(&request(), without_tun).unwrap().into_plan().network, None);
}

#[test]
fn ports_are_published_as_docker_does_and_as_the_zone_lets() {
    let network = network_of(&publishing(&["8080:80", "127.0.0.1:53:53/udp", "90", "7000-7001:1-2"]));
    let ports: Vec<String> = network
        .published
        .iter()
        .map(|it| format!("{:?} {} {} {}", it.address, it.host_port, it.container_port, it.protocol))
        .collect();
    assert_eq!(
        ports,
        [
            "None 7000 1 tcp",
            "None 7001 2 tcp",
            "None 8080 80 tcp",
            "None 40001 90 tcp",
            "Some(127.0.0.1) 53 53 udp"
        ]
    );
    let tight = zone_file("zone = \"t\"\n[network]\npublish = [\"127.0.0.1:8000-8100/tcp\"]\n");
    assert_eq!(planned(&tight, &publishing(&["127.0.0.1:8000:80"])).network.unwrap().published.len(), 1);
    for text in ["8000:80", "127.0.0.1:7999:80", "127.0.0.1:8000:80/udp"] {
        assert!(refused(&tight, &publishing(&[text])).contains("network.publish is"), "{text}");
    }
    assert!(refused(&zone("default"), &publishing(&["80:80", "80:81"])).contains("published twice"));
    assert!(refused(&zone("default"), &publishing(&["1-5000:1-5000"])).contains("at most"));
    let mut all = publishing(&[]);
    all.network.publish_all = true;
    all.network.expose = vec!["53/udp".to_owned()];
    let published = network_of(&all).published;
    assert_eq!((published[0].container_port, published[0].protocol), (53, Protocol::Udp));
}

#[test]
fn what_a_person_asks_for_is_checked() {
    let with = |change: fn(&mut ContainerRequest)| {
        let mut request = request();
        change(&mut request);
        request
    };
    let zone = zone("default");
    let plan = planned(&zone, &with(|r| r.network.ip = Some("10.207.200.1".to_owned())));
    assert_eq!(plan.network.unwrap().addresses[0].address.to_string(), "10.207.200.1");
    for (word, request) in [
        ("--ip 10.207.0.20", with(|r| r.network.ip = Some("10.207.0.20".to_owned()))),
        ("--ip 8.8.8.8", with(|r| r.network.ip = Some("8.8.8.8".to_owned()))),
        ("--ip6 x", with(|r| r.network.ip6 = Some("x".to_owned()))),
        ("--mac-address", with(|r| r.network.mac_address = Some("01:00:00:00:00:00".to_owned()))),
        ("--network back", with(|r| r.network.mode = Some("back".parse().unwrap()))),
    ] {
        let text = refused(&zone, &request);
        assert!(text.contains(word), "{word}: {text}");
    }
    let named = planned(&zone, &with(|r| r.network.mode = Some("front".parse().unwrap()))).network.unwrap();
    assert_eq!(named.segments[0].name, "front");
}

#[test]
fn flags_about_a_link_need_one() {
    for request in [publishing(&["80:80"]), {
        let mut request = request();
        request.network.ip = Some("10.207.200.1".to_owned());
        request
    }] {
        assert!(refused(&zone("strict"), &request).contains("no link of its own"));
    }
}
