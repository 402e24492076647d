//! Ports that listen, and that should not, or not on every address.

use crate::control::{About, Body, Control, Dimension, Evidence, Gain, Severity, Verdict};
use crate::host::{HostFacts, Listening, Protocol};
use crate::line::referring;

const AREA: &str = "open ports";

/// A service that must not listen on an address that others reach. Made when it is asked for: see [`crate::line`] why.
struct Line {
    ports: Vec<u16>,
    about: About,
}

/// A line: name, TCP ports and words for the service, why, what to do, weight, dimension, references.
#[inline(never)]
fn line(
    words: &'static str,
    why: &'static str,
    remedy: &'static str,
    severity: Severity,
    gain: Gain,
    dimension: Dimension,
    references: &'static str,
) -> Line {
    let mut words = words.split(" | ");
    let mut next = || words.next().unwrap_or_default();
    let (name, ports, what) = (next(), next(), next());
    let about = About::new(AREA, format!("port.{name}"))
        .title(format!("No address that others reach has {what}"))
        .why(why)
        .remedy(remedy)
        .weight(severity, gain)
        .dimension(dimension)
        .reference(Body::Lynis, "NETW-3012");
    let about = references.lines().fold(about, referring);
    Line { ports: ports.split(' ').filter_map(|port| port.parse().ok()).collect(), about }
}

#[rustfmt::skip]
fn lines() -> Vec<Line> {
    vec![
        line("docker | 2375 | Docker's interface without TLS", "Whoever reaches this port is root on the host, and every container on a shared network reaches it.", "remove `-H tcp://` from dockerd's options, or require client certificates on 2376", Severity::Critical, Gain::HostRoot, Dimension::ControlPlane, "CisDocker 2.7\nNist800190 4.3.1"),
        line("kubelet-read-only | 10255 | the kubelet's read-only port", "It tells everybody who asks which containers run here, with their environment and mounts.", "set `readOnlyPort: 0` in the kubelet's configuration", Severity::High, Gain::Information, Dimension::ControlPlane, "CisKubernetes 4.2.4\nNsaCisa Control plane hardening"),
        line("etcd | 2379 2380 | etcd", "etcd holds every secret of the cluster, and knows no rights beyond its certificates.", "let etcd listen on the address of the control plane's network only, with client certificates", Severity::High, Gain::OtherTenants, Dimension::ControlPlane, "NsaCisa Control plane hardening"),
        line("containerd-debug | 1338 | an engine's metrics or debugging port", "It shows what the engine does and holds, down to its memory.", "let it listen on 127.0.0.1 only", Severity::Medium, Gain::Information, Dimension::Engine, ""),
        line("registry | 5000 | an image registry", "Whoever writes to a registry without a login chooses what runs here next.", "let it listen on 127.0.0.1, or put TLS and a login before it", Severity::Medium, Gain::Foothold, Dimension::ControlPlane, "CisDocker 2.5\nNist800190 4.2.1"),
        line("telnet | 23 | telnet", "Passwords cross the network in the clear, past every container on the wire.", "stop the service and use SSH", Severity::High, Gain::Foothold, Dimension::ControlPlane, "CisLinux 2.1\nLynis INSE-8116"),
        line("ftp | 21 | FTP", "Passwords cross the network in the clear, past every container on the wire.", "stop the service and use SFTP", Severity::Medium, Gain::Foothold, Dimension::ControlPlane, "CisLinux 2.1\nLynis INSE-8300"),
        line("rsh | 512 513 514 | rexec, rlogin or rsh", "They believe the caller's word about who it is.", "stop the services and use SSH", Severity::High, Gain::Foothold, Dimension::ControlPlane, "CisLinux 2.1\nLynis INSE-8300"),
        line("rpcbind | 111 | rpcbind", "It lists the host's services to everybody, and is one more for a container to aim at.", "stop and mask rpcbind.service and rpcbind.socket", Severity::Low, Gain::Information, Dimension::ControlPlane, "CisLinux 2.1.12"),
        line("nfs | 2049 | an NFS server", "With the usual options it believes the caller's user number, which a container may choose.", "stop the server, or export with krb5 to named hosts only", Severity::Medium, Gain::OtherTenants, Dimension::ControlPlane, "CisLinux 2.1.9\nLynis STRG-1928"),
        line("smb | 139 445 | an SMB server", "A file server on a container host widens what a container on its network can aim at.", "stop the server, or let it listen on one network only", Severity::Low, Gain::Foothold, Dimension::ControlPlane, "CisLinux 2.1.14"),
        line("databases | 3306 5432 6379 9200 11211 27017 | a database", "A host's own database that listens everywhere is reached from every container, past the walls between zones.", "let it listen on 127.0.0.1 or a socket, or run it in a container of its own", Severity::Medium, Gain::OtherTenants, Dimension::Processes, "Lynis DBS-1882"),
        line("vnc | 5900 5901 6000 | a remote screen", "It shows and steers whatever is open on the host, often without a password.", "let it listen on 127.0.0.1 and reach it through SSH", Severity::Medium, Gain::Foothold, Dimension::ControlPlane, ""),
        line("cups | 631 | a print service", "A container host prints nothing, and print services have been remote ways in (CVE-2024-47176).", "stop and mask cups.service and cups-browsed.service", Severity::Low, Gain::Foothold, Dimension::ControlPlane, "CisLinux 2.1.11\nLynis PRNT-2307"),
        line("cluster-proxy | 8001 8080 8443 | an unauthenticated control port (kubectl proxy, old API servers)", "Where it is a cluster's proxy, everybody who reaches it has its owner's rights.", "find out what it is (`ss -ltnp`), and let it listen on 127.0.0.1", Severity::Low, Gain::Foothold, Dimension::ControlPlane, ""),
    ]
}

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    lines().into_iter().map(control).collect()
}

fn control(line: Line) -> Control<HostFacts> {
    let Line { ports, about } = line;
    Control::new(about, move |facts: &HostFacts| {
        let open = |socket: &&Listening| {
            socket.protocol == Protocol::Tcp && !socket.is_local() && ports.contains(&socket.port)
        };
        let found = facts.sockets.get()?.iter().filter(open);
        let seen = found.map(|socket| {
            let address = std::net::SocketAddr::new(socket.address, socket.port);
            Evidence::new(format!("{address} listens, opened by user {}", socket.uid))
        });
        Ok(Verdict::none_of(seen, "none listens"))
    })
}

#[cfg(test)]
pub(in crate::host::checks) mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::fact::Fact;
    use crate::host::checks::planted::nothing;

    #[test]
    pub(in crate::host::checks) fn every_port_is_found_on_all_addresses_and_not_on_the_loopback() {
        for (index, line) in lines().into_iter().enumerate() {
            assert!(!line.ports.is_empty(), "{}", line.about.id);
            for port in &line.ports {
                for (address, expected) in
                    [("0.0.0.0", Outcome::Fail), ("::", Outcome::Fail), ("127.0.0.1", Outcome::Pass)]
                {
                    let mut facts = nothing();
                    let address = address.parse().unwrap();
                    let socket = Listening { protocol: Protocol::Tcp, address, port: *port, uid: 0 };
                    facts.sockets = Fact::Known(vec![socket]);
                    assert_eq!(
                        control(lines().swap_remove(index)).judge(&facts).outcome,
                        expected,
                        "{port} {address}"
                    );
                }
            }
        }
    }
}
