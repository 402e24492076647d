//! Ports that listen, and that should not, or not on every address.

use crate::control::{About, Body, Control, Dimension, Evidence, Gain, Severity, Verdict};
use crate::host::{HostFacts, Listening, Protocol};

const AREA: &str = "open ports";

/// A service that must not listen on an address that others reach: name, TCP ports, why, weight, references.
struct Line {
    name: &'static str,
    ports: &'static [u16],
    what: &'static str,
    why: &'static str,
    remedy: &'static str,
    severity: Severity,
    gain: Gain,
    dimension: Dimension,
    references: &'static [(Body, &'static str)],
}

#[rustfmt::skip]
const LINES: &[Line] = &[
    Line { name: "docker", ports: &[2375], what: "Docker's interface without TLS", why: "Whoever reaches this port is root on the host, and every container on a shared network reaches it.", remedy: "remove `-H tcp://` from dockerd's options, or require client certificates on 2376", severity: Severity::Critical, gain: Gain::HostRoot, dimension: Dimension::ControlPlane, references: &[(Body::CisDocker, "2.7"), (Body::Nist800190, "4.3.1")] },
    Line { name: "kubelet-read-only", ports: &[10255], what: "the kubelet's read-only port", why: "It tells everybody who asks which containers run here, with their environment and mounts.", remedy: "set `readOnlyPort: 0` in the kubelet's configuration", severity: Severity::High, gain: Gain::Information, dimension: Dimension::ControlPlane, references: &[(Body::CisKubernetes, "4.2.4"), (Body::NsaCisa, "Control plane hardening")] },
    Line { name: "etcd", ports: &[2379, 2380], what: "etcd", why: "etcd holds every secret of the cluster, and knows no rights beyond its certificates.", remedy: "let etcd listen on the address of the control plane's network only, with client certificates", severity: Severity::High, gain: Gain::OtherTenants, dimension: Dimension::ControlPlane, references: &[(Body::NsaCisa, "Control plane hardening")] },
    Line { name: "containerd-debug", ports: &[1338], what: "an engine's metrics or debugging port", why: "It shows what the engine does and holds, down to its memory.", remedy: "let it listen on 127.0.0.1 only", severity: Severity::Medium, gain: Gain::Information, dimension: Dimension::Engine, references: &[] },
    Line { name: "registry", ports: &[5000], what: "an image registry", why: "Whoever writes to a registry without a login chooses what runs here next.", remedy: "let it listen on 127.0.0.1, or put TLS and a login before it", severity: Severity::Medium, gain: Gain::Foothold, dimension: Dimension::ControlPlane, references: &[(Body::CisDocker, "2.5"), (Body::Nist800190, "4.2.1")] },
    Line { name: "telnet", ports: &[23], what: "telnet", why: "Passwords cross the network in the clear, past every container on the wire.", remedy: "stop the service and use SSH", severity: Severity::High, gain: Gain::Foothold, dimension: Dimension::ControlPlane, references: &[(Body::CisLinux, "2.1"), (Body::Lynis, "INSE-8116")] },
    Line { name: "ftp", ports: &[21], what: "FTP", why: "Passwords cross the network in the clear, past every container on the wire.", remedy: "stop the service and use SFTP", severity: Severity::Medium, gain: Gain::Foothold, dimension: Dimension::ControlPlane, references: &[(Body::CisLinux, "2.1"), (Body::Lynis, "INSE-8300")] },
    Line { name: "rsh", ports: &[512, 513, 514], what: "rexec, rlogin or rsh", why: "They believe the caller's word about who it is.", remedy: "stop the services and use SSH", severity: Severity::High, gain: Gain::Foothold, dimension: Dimension::ControlPlane, references: &[(Body::CisLinux, "2.1"), (Body::Lynis, "INSE-8300")] },
    Line { name: "rpcbind", ports: &[111], what: "rpcbind", why: "It lists the host's services to everybody, and is one more for a container to aim at.", remedy: "stop and mask rpcbind.service and rpcbind.socket", severity: Severity::Low, gain: Gain::Information, dimension: Dimension::ControlPlane, references: &[(Body::CisLinux, "2.1.12")] },
    Line { name: "nfs", ports: &[2049], what: "an NFS server", why: "With the usual options it believes the caller's user number, which a container may choose.", remedy: "stop the server, or export with krb5 to named hosts only", severity: Severity::Medium, gain: Gain::OtherTenants, dimension: Dimension::ControlPlane, references: &[(Body::CisLinux, "2.1.9"), (Body::Lynis, "STRG-1928")] },
    Line { name: "smb", ports: &[139, 445], what: "an SMB server", why: "A file server on a container host widens what a container on its network can aim at.", remedy: "stop the server, or let it listen on one network only", severity: Severity::Low, gain: Gain::Foothold, dimension: Dimension::ControlPlane, references: &[(Body::CisLinux, "2.1.14")] },
    Line { name: "databases", ports: &[3306, 5432, 6379, 9200, 11211, 27017], what: "a database", why: "A host's own database that listens everywhere is reached from every container, past the walls between zones.", remedy: "let it listen on 127.0.0.1 or a socket, or run it in a container of its own", severity: Severity::Medium, gain: Gain::OtherTenants, dimension: Dimension::Processes, references: &[(Body::Lynis, "DBS-1882")] },
    Line { name: "vnc", ports: &[5900, 5901, 6000], what: "a remote screen", why: "It shows and steers whatever is open on the host, often without a password.", remedy: "let it listen on 127.0.0.1 and reach it through SSH", severity: Severity::Medium, gain: Gain::Foothold, dimension: Dimension::ControlPlane, references: &[] },
    Line { name: "cups", ports: &[631], what: "a print service", why: "A container host prints nothing, and print services have been remote ways in (CVE-2024-47176).", remedy: "stop and mask cups.service and cups-browsed.service", severity: Severity::Low, gain: Gain::Foothold, dimension: Dimension::ControlPlane, references: &[(Body::CisLinux, "2.1.11"), (Body::Lynis, "PRNT-2307")] },
    Line { name: "cluster-proxy", ports: &[8001, 8080, 8443], what: "an unauthenticated control port (kubectl proxy, old API servers)", why: "Where it is a cluster's proxy, everybody who reaches it has its owner's rights.", remedy: "find out what it is (`ss -ltnp`), and let it listen on 127.0.0.1", severity: Severity::Low, gain: Gain::Foothold, dimension: Dimension::ControlPlane, references: &[] },
];

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    LINES.iter().map(control).collect()
}

fn control(line: &'static Line) -> Control<HostFacts> {
    let about = About::new(AREA, format!("port.{}", line.name))
        .title(format!("No address that others reach has {}", line.what))
        .why(line.why)
        .remedy(line.remedy)
        .weight(line.severity, line.gain)
        .dimension(line.dimension);
    let about = about.references(line.references);
    Control::new(about, move |facts: &HostFacts| {
        let open = |socket: &&Listening| {
            socket.protocol == Protocol::Tcp && !socket.is_local() && line.ports.contains(&socket.port)
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
mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::fact::Fact;
    use crate::host::checks::planted::nothing;

    #[test]
    fn every_port_is_found_on_all_addresses_and_not_on_the_loopback() {
        for line in LINES {
            for port in line.ports {
                for (address, expected) in
                    [("0.0.0.0", Outcome::Fail), ("::", Outcome::Fail), ("127.0.0.1", Outcome::Pass)]
                {
                    let mut facts = nothing();
                    let address = address.parse().unwrap();
                    let socket = Listening { protocol: Protocol::Tcp, address, port: *port, uid: 0 };
                    facts.sockets = Fact::Known(vec![socket]);
                    assert_eq!(control(line).judge(&facts).outcome, expected, "{} {address}", line.name);
                }
            }
        }
    }
}
