//! Ways to the host's root that do not start in a container: from the network, and from accounts.

use super::{HostFacts, Protocol};
use crate::control::Severity;
use crate::report::AttackPath;

/// The open ways to the engine. Where a fact is not known, there is no way through it here; the checks say that it is unknown.
pub(super) fn to_the_engine(facts: &HostFacts) -> Vec<AttackPath> {
    let mut found = Vec::new();
    let sockets = facts.sockets.known().map(Vec::as_slice).unwrap_or_default();
    for socket in sockets.iter().filter(|socket| socket.protocol == Protocol::Tcp && socket.port == 2375) {
        let local = socket.is_local();
        found.push(AttackPath {
            from: if local {
                "every process and every container on the host's network"
            } else {
                "the network"
            }
            .to_owned(),
            to: "root on the host".to_owned(),
            by: format!(
                "Docker listens on {}:{} without TLS; who speaks to it starts a privileged container",
                socket.address, socket.port
            ),
            severity: Severity::Critical,
        });
    }
    for group in ["docker", "lxd", "incus-admin"] {
        let Ok(Some(members)) = facts.accounts.members(group) else { continue };
        for member in members.iter().filter(|member| *member != "root") {
            found.push(AttackPath {
                from: format!("user {member}"),
                to: "root on the host".to_owned(),
                by: format!("{member} is in the group {group}, whose socket's owner starts containers as the host's root"),
                severity: Severity::High,
            });
        }
    }
    let socket = facts.files.get("/run/docker.sock").and_then(|fact| fact.known().copied().flatten());
    if socket.is_some_and(|status| status.mode & 0o002 != 0) {
        found.push(AttackPath {
            from: "every user of the host".to_owned(),
            to: "root on the host".to_owned(),
            by: "everybody may write to /run/docker.sock, whose owner is root on the host".to_owned(),
            severity: Severity::Critical,
        });
    }
    found
}
