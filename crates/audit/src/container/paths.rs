//! Ways from a container to the host that are open now: several facts that together are one.

use super::checks::{holds_socket, is_sensitive};
use super::{ContainerFacts, HostPath};
use crate::control::Severity;
use crate::fact::{Fact, Unknown};
use crate::report::AttackPath;

/// The open ways of all containers. One of which a fact is not known has no way through that fact.
#[must_use]
pub fn paths(containers: &Fact<Vec<ContainerFacts>>) -> Vec<AttackPath> {
    let containers = containers.known().map(Vec::as_slice).unwrap_or_default();
    containers.iter().flat_map(ways).collect()
}

fn ways(facts: &ContainerFacts) -> Vec<AttackPath> {
    let found = [by_paths(facts), by_capabilities(facts), by_namespaces(facts), by_kernel_files(facts)];
    found.into_iter().flat_map(Result::unwrap_or_default).collect()
}

fn way(facts: &ContainerFacts, to: &str, severity: Severity, by: String) -> AttackPath {
    AttackPath { from: format!("container {}", facts.name), to: to.to_owned(), by, severity }
}

const ROOT: &str = "root on the host";

fn by_paths(facts: &ContainerFacts) -> Result<Vec<AttackPath>, Unknown> {
    let one = |path: &HostPath| {
        let HostPath { host, inside, writable } = path;
        if holds_socket(host) {
            let by = format!(
                "it reaches the engine's socket through {inside} ({host} on the host); who speaks to the engine starts a privileged container"
            );
            return Some(way(facts, ROOT, Severity::Critical, by));
        }
        let disk = ["/dev/sd", "/dev/vd", "/dev/nvme", "/dev/dm-", "/dev/mapper/", "/dev/mem"];
        if disk.iter().any(|mark| host.starts_with(mark)) {
            return Some(way(
                facts,
                ROOT,
                Severity::Critical,
                format!("it has {host} as {inside}, and with it every file on the host"),
            ));
        }
        if is_sensitive(host) && *writable {
            return Some(way(
                facts,
                ROOT,
                Severity::Critical,
                format!("it may write the host's {host} as {inside}"),
            ));
        }
        None
    };
    Ok(facts.host_paths.get()?.iter().filter_map(one).collect())
}

fn by_capabilities(facts: &ContainerFacts) -> Result<Vec<AttackPath>, Unknown> {
    let mut found = Vec::new();
    let mut add = |capability: &str, by: &str| -> Result<(), Unknown> {
        if facts.has_on_host(capability)? {
            found.push(way(
                facts,
                ROOT,
                Severity::Critical,
                format!("it has {capability} on the host: {by}"),
            ));
        }
        Ok(())
    };
    add("CAP_SYS_MODULE", "it loads a kernel module")?;
    add(
        "CAP_SYS_ADMIN",
        "it mounts the host's disk or a control group's hierarchy and has the kernel run a program",
    )?;
    add("CAP_DAC_READ_SEARCH", "it opens the host's files by number (open_by_handle_at)")?;
    if facts.shares("pid")? {
        add("CAP_SYS_PTRACE", "and sees the host's processes: it takes one over")?;
    }
    Ok(found)
}

fn by_namespaces(facts: &ContainerFacts) -> Result<Vec<AttackPath>, Unknown> {
    let mut found = Vec::new();
    if facts.shares("pid")? && facts.is_host_root()? && facts.uid == 0 {
        let by = "it sees the host's processes as their root, and reads their environments and open files in /proc";
        found.push(way(facts, "the host's secrets", Severity::High, by.to_owned()));
    }
    if facts.shares("net")? && facts.is_host_root()? {
        let by = "it is on the host's network as root, and reaches what listens on 127.0.0.1 and on abstract sockets";
        found.push(way(facts, "the host's own services", Severity::High, by.to_owned()));
    }
    Ok(found)
}

fn by_kernel_files(facts: &ContainerFacts) -> Result<Vec<AttackPath>, Unknown> {
    let open = facts.kernel_paths.get()?;
    if open.is_empty() || facts.uid != 0 || !facts.is_host_root()? {
        return Ok(Vec::new());
    }
    let how = if open.iter().any(|path| path.ends_with("/sys")) {
        "core_pattern or uevent_helper there name a program that the kernel runs on the host"
    } else {
        "it stops or steers the whole host through them"
    };
    let by = format!("it may write {} as root: {how}", open.join(" and "));
    Ok(vec![way(facts, ROOT, Severity::Critical, by)])
}
