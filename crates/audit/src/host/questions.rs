//! The talk's six questions, answered for one host from its facts.

use serde::Serialize;

use crate::fact::Unknown;
use crate::host::{HostFacts, Process, View};

/// A question with what this host says to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The question, as the talk puts it.
    pub question: &'static str,
    /// The answer in one or two plain sentences.
    pub answer: String,
}

/// Words about a host, or why there are none.
type Ask = fn(&HostFacts) -> Result<String, Unknown>;

/// All six, in the talk's order.
#[must_use]
pub fn questions(facts: &HostFacts) -> Vec<Answer> {
    let all: [(&str, Ask); 6] = [
        ("Do you run a Linux OS in production?", linux),
        ("Do you allow developers to run processes atop Linux?", developers),
        ("Do you allow multiple processes per host?", processes),
        ("Do you allow processes running atop Linux to do so as root?", root),
        ("Do you know what 'setenforce 1' means and where you would implement it and why?", setenforce),
        ("How do you define a security boundary?", boundary),
    ];
    all.into_iter()
        .map(|(question, ask)| {
            let answer = ask(facts).unwrap_or_else(|Unknown(reason)| format!("Not known here: {reason}."));
            Answer { question, answer }
        })
        .collect()
}

fn linux(facts: &HostFacts) -> Result<String, Unknown> {
    let distribution = facts.distribution.known();
    if distribution.is_none() && facts.kernel.release.known().is_none() {
        return Err(Unknown("neither a distribution nor a kernel is to be found".to_owned()));
    }
    let name = distribution.and_then(|fields| fields.get("PRETTY_NAME")).map_or("Linux", String::as_str);
    let open = facts.sockets.known().map(|sockets| {
        let reachable = sockets.iter().filter(|socket| !socket.is_local()).count();
        let (sockets, wait) = if reachable == 1 { ("socket", "waits") } else { ("sockets", "wait") };
        format!(" {reachable} {sockets} {wait} for others on the network.")
    });
    let kernel = match facts.kernel.release.known() {
        Some(release) => format!(" with kernel {release}"),
        None => ", without a kernel of its own".to_owned(),
    };
    Ok(format!("Yes: {name}{kernel}. Every container here shares one kernel.{}", open.unwrap_or_default()))
}

fn list(names: &[&str]) -> String {
    const MOST: usize = 8;
    match names.len() {
        0 => "nobody".to_owned(),
        count if count > MOST => format!("{} and {} more", names[..MOST].join(", "), count - MOST),
        _ => names.join(", "),
    }
}

/// A count with its word, in the plural where it is not one.
fn counted(count: usize, word: &str) -> String {
    let ending = match (count, word.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{count} {word}{ending}")
}

fn developers(facts: &HostFacts) -> Result<String, Unknown> {
    let users = facts.accounts.users.get()?;
    let people = users.iter().filter(|user| (1000..60_000).contains(&user.uid) && user.has_login_shell());
    let people: Vec<&str> = people.map(|user| user.name.as_str()).collect();
    let mut powerful = Vec::new();
    for group in ["docker", "podman", "lxd", "incus-admin", "disk", "sudo", "wheel"] {
        let members = facts.accounts.members(group)?.unwrap_or_default();
        powerful.extend(
            members.into_iter().filter(|name| name != "root").map(|name| format!("{name} ({group})")),
        );
    }
    let become_root = if powerful.is_empty() {
        "none of them is in a group that amounts to root".to_owned()
    } else {
        let names: Vec<&str> = powerful.iter().map(String::as_str).collect();
        format!("in groups that amount to root are {}", list(&names))
    };
    Ok(match people.len() {
        0 => format!("No account of a person can log in; {become_root}."),
        count => {
            format!("{} of people can log in: {}; {become_root}.", counted(count, "account"), list(&people))
        }
    })
}

/// Processes inside containers and outside.
fn split(facts: &HostFacts) -> Result<(Vec<&Process>, Vec<&Process>), Unknown> {
    Ok(facts.processes.get()?.iter().partition(|process| process.is_contained()))
}

fn processes(facts: &HostFacts) -> Result<String, Unknown> {
    let (contained, free) = split(facts)?;
    let mut containers: Vec<_> = contained.iter().filter_map(|process| process.container()).collect();
    containers.sort_unstable();
    containers.dedup();
    let users: std::collections::BTreeSet<u32> = free.iter().map(|process| process.uid).collect();
    Ok(format!(
        "Yes: outside of containers {} of {}, inside {} ({} with a name).",
        counted(free.len(), "process"),
        counted(users.len(), "user"),
        contained.len(),
        counted(containers.len(), "container")
    ))
}

fn root(facts: &HostFacts) -> Result<String, Unknown> {
    let (contained, free) = split(facts)?;
    let outside = free.iter().filter(|process| process.uid == 0).count();
    let real = contained.iter().filter(|process| {
        let apart = process.own_namespaces.as_ref().is_some_and(|own| own.iter().any(|name| name == "user"));
        process.uid == 0 && !apart
    });
    let real = real.count();
    Ok(format!(
        "Outside of containers root runs {}. In containers, {real} run as the host's own root (no user namespace stands between){}.",
        counted(outside, "process"),
        if real == 0 { ", as it should be" } else { "" }
    ))
}

fn setenforce(facts: &HostFacts) -> Result<String, Unknown> {
    const MEANING: &str = "It makes SELinux refuse what its policy forbids instead of only logging it; it belongs on the host (SELINUX=enforcing in /etc/selinux/config), because containers have no kernel of their own to enforce it in.";
    if facts.view == View::AtRest {
        let configured =
            facts.security.selinux.get()?.as_ref().and_then(|selinux| selinux.configured.clone());
        return Ok(match configured {
            Some(mode) => format!("{MEANING} This tree asks for {mode}."),
            None => format!("{MEANING} This tree does not configure SELinux."),
        });
    }
    let modules = match facts.security.modules.get() {
        Ok(modules) => modules,
        Err(Unknown(reason)) => {
            return Ok(format!("{MEANING} Which module is active here is not known: {reason}."));
        }
    };
    let has = |name: &str| modules.iter().any(|module| module == name);
    let here = if has("selinux") {
        match facts.security.selinux.get()?.as_ref().and_then(|selinux| selinux.enforcing) {
            Some(true) => "Here SELinux enforces.".to_owned(),
            _ => "Here SELinux is active and does NOT enforce.".to_owned(),
        }
    } else if has("apparmor") {
        let count = facts.security.apparmor.known().cloned().flatten();
        match count.and_then(|apparmor| apparmor.enforced.known().copied()) {
            Some(count) => format!("Here AppArmor does that work, with {count} profiles enforced."),
            None => {
                "Here AppArmor does that work; how many profiles it enforces only root can tell.".to_owned()
            }
        }
    } else {
        format!(
            "Here no such module is active (only {}): a process that becomes root on this host meets no further wall.",
            modules.join(", ")
        )
    };
    Ok(format!("{MEANING} {here}"))
}

fn boundary(facts: &HostFacts) -> Result<String, Unknown> {
    let (contained, _) = split(facts)?;
    if contained.is_empty() {
        return Ok("No container runs now. A zone is where to define it: who trusts whom, and how strongly they are walled off (`cofferdam zone show default`).".to_owned());
    }
    let count = |wanted: fn(&Process) -> bool| contained.iter().filter(|process| wanted(process)).count();
    let own = |process: &Process, name: &str| {
        process.own_namespaces.as_ref().is_some_and(|own| own.iter().any(|have| have == name))
    };
    let apart = contained.iter().filter(|process| own(process, "user")).count();
    let filtered = count(|process| process.filtered);
    let total = contained.len();
    Ok(format!(
        "Between containers stands this kernel. Of {total} contained processes {apart} have a user namespace of their own, {filtered} a system call filter, {} cannot gain rights.",
        count(|process| process.no_new_privs)
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::Source;

    fn answers(root: &Path) -> Vec<String> {
        let facts = HostFacts::of(&Source::running(root).unwrap());
        questions(&facts).into_iter().map(|answer| answer.answer).collect()
    }

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn the_six_questions_are_answered_by_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let unknown = answers(root);
        assert_eq!(unknown.len(), 6);
        assert!(unknown[0].starts_with("Not known here"), "{unknown:?}");
        assert!(unknown[4].contains("refuse what its policy forbids"), "what it means is told: {unknown:?}");

        write(root, "etc/os-release", "PRETTY_NAME=\"Small Linux\"\n");
        write(root, "proc/sys/kernel/osrelease", "6.12.1\n");
        write(root, "etc/passwd", "root:x:0:0::/root:/bin/sh\neve:x:1000:1000::/:/bin/sh\n");
        write(root, "etc/group", "root:x:0:\ndocker:x:9:eve\n");
        write(root, "sys/kernel/security/lsm", "capability,selinux\n");
        write(root, "sys/fs/selinux/enforce", "1");
        write(
            root,
            "proc/7/status",
            "Name:\tsh\nState:\tS (sleeping)\nPid:\t7\nPPid:\t1\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t\nNSpid:\t7\nThreads:\t1\nCapInh:\t0\nCapPrm:\t0\nCapEff:\t0\nCapBnd:\t0\nCapAmb:\t0\nNoNewPrivs:\t0\nSeccomp:\t0\n",
        );
        write(root, "proc/7/cmdline", "sh\0");
        let known = answers(root);
        for (answer, words) in known.iter().zip([
            "Yes: Small Linux with kernel 6.12.1.",
            "1 account of people can log in: eve; in groups that amount to root are eve (docker).",
            "Yes: outside of containers 1 process of 1 user, inside 0 (0 containers with a name).",
            "Outside of containers root runs 1 process.",
            "Here SELinux enforces.",
            "No container runs now.",
        ]) {
            assert!(answer.contains(words), "{answer:?} has no {words:?}");
        }
    }
}
