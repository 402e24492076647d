//! Other hosts around the one that a test's engine works on: one on the internet, one in a private network, and a cloud's
//! metadata service. Each is a network namespace with a cable to the test's.

use std::net::IpAddr;

use super::Home;
use super::place::Place;

/// Where they are.
pub const INTERNET: [&str; 2] = ["203.0.113.9", "2001:db8::9"];
pub const LAN: [&str; 2] = ["192.168.77.9", "fd77::9"];
pub const METADATA: [&str; 2] = ["169.254.169.254", "fd00:ec2::254"];
/// The host's own addresses towards them.
pub const HOST: [&str; 2] = ["203.0.113.1", "2001:db8::1"];

/// The hosts; each answers at port 80, TCP and UDP.
pub struct Hosts {
    pub host: Place,
    pub internet: Place,
    pub lan: Place,
    pub metadata: Place,
}

impl Hosts {
    /// Around the namespace of the calling thread, which is the host's.
    pub fn around_here() -> Self {
        let (host, internet, lan, metadata) = (Place::here(), Place::new(), Place::new(), Place::new());
        let up = ["203.0.113.1/24", "2001:db8::1/64"];
        host.cable("up1", &internet, &up, &["203.0.113.9/24", "2001:db8::9/64"]);
        host.cable("up2", &lan, &["192.168.77.1/24", "fd77::1/64"], &["192.168.77.9/24", "fd77::9/64"]);
        let cloud = ["169.254.169.1/24", "fd00:ec2::1/64"];
        host.cable("up3", &metadata, &cloud, &["169.254.169.254/24", "fd00:ec2::254/64"]);
        for place in [&internet, &lan, &metadata] {
            place.serve("[::]:80");
        }
        Self { host, internet, lan, metadata }
    }
}

/// A running container as the network sees it.
pub struct Node {
    pub id: String,
    /// Its network namespace.
    pub place: Place,
    /// Its IPv4 address and its IPv6 address.
    pub addresses: [IpAddr; 2],
    /// The host's addresses on its link.
    pub gateways: [IpAddr; 2],
    /// Hardware addresses of its end of the link and of the host's.
    pub macs: [[u8; 6]; 2],
    /// The host's end.
    pub link: String,
}

/// The plan of a container.
pub fn plan(home: &Home, id: &str) -> serde_json::Value {
    let fleeting = home.path().join("run").join(id).join("plan.json");
    let text = std::fs::read(fleeting)
        .or_else(|_| std::fs::read(home.path().join("state/containers").join(id).join("plan.json")));
    serde_json::from_slice(&text.unwrap()).unwrap()
}

impl Node {
    /// Starts a container that sleeps; its flags come before the image.
    pub fn start(home: &Home, flags: &[&str]) -> Self {
        let args = [&["run", "-d"], flags, &["busybox", "sleep", "100000"]].concat();
        Self::of(home, &home.ok(&args))
    }

    pub fn of(home: &Home, id: &str) -> Self {
        let network = plan(home, id)["network"].clone();
        let read = |what: &str| {
            [0, 1].map(|family| network["addresses"][family][what].as_str().unwrap().parse().unwrap())
        };
        let mac = |which: &str| {
            let text = network["link"][which].as_str().unwrap().to_owned();
            let bytes: Vec<u8> = text.split(':').map(|it| u8::from_str_radix(it, 16).unwrap()).collect();
            <[u8; 6]>::try_from(bytes).unwrap()
        };
        let pid = home.ok(&["inspect", "--format", "{{.State.Pid}}", id]).parse().unwrap();
        Self {
            id: id.to_owned(),
            place: Place::of_process(pid),
            addresses: read("address"),
            gateways: read("gateway"),
            macs: [mac("mac"), mac("host_mac")],
            link: network["link"]["host_name"].as_str().unwrap().to_owned(),
        }
    }

    /// A port of it, of one family.
    pub fn at(&self, family: usize, port: u16) -> String {
        std::net::SocketAddr::new(self.addresses[family], port).to_string()
    }
}

/// Makes a zone whose `[network]` has these lines.
pub fn zone(home: &Home, name: &str, network: &str) {
    zone_with(home, name, &format!("[network]\n{network}\n"));
}

/// Makes a zone with these sections.
pub fn zone_with(home: &Home, name: &str, sections: &str) {
    let file = home.path().join(format!("{name}.toml"));
    std::fs::write(&file, format!("zone = \"{name}\"\n{sections}")).unwrap();
    home.ok(&["zone", "apply", file.to_str().unwrap()]);
}
