//! Facts about the processes that run: who they are, what they may, and which container they are in.

use cofferdam_kernel::capability::CapSet;
use cofferdam_kernel::proc::{SeccompMode, parse_status};
use serde::Serialize;

use super::Source;
use crate::fact::{Fact, Unknown};

/// More processes are not looked at.
const MOST_PROCESSES: usize = 20_000;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number in the host's view.
    pub pid: u32,
    /// Its name (`comm`).
    pub name: String,
    /// Its words, as far as they are readable.
    pub words: Vec<String>,
    /// Its effective user.
    pub uid: u32,
    /// What it may do beyond a usual user.
    pub capabilities: CapSet,
    /// Whether it can gain rights by executing a program.
    pub no_new_privs: bool,
    /// Whether its system calls are filtered.
    pub filtered: bool,
    /// Its namespaces that differ from the host's, by name; `None` where they cannot be compared.
    pub own_namespaces: Option<Vec<String>>,
    /// Whether it is the first process of a process namespace below the host's.
    pub is_first: bool,
    /// Its group on cgroup v2, or the longest of its groups on v1.
    pub cgroup: String,
}

impl Process {
    /// Whether it lives in a container: it has its own mounts and its own process numbers, or a group that an engine names.
    #[must_use]
    pub fn is_contained(&self) -> bool {
        let own =
            |name: &str| self.own_namespaces.as_ref().is_some_and(|own| own.iter().any(|have| have == name));
        (own("mnt") && own("pid")) || self.container().is_some()
    }

    /// The engine and the id of its container, by the name of its group.
    #[must_use]
    pub fn container(&self) -> Option<(&'static str, &str)> {
        const MARKS: [(&str, &str); 7] = [
            ("docker-", "docker"),
            ("/docker/", "docker"),
            ("libpod-", "podman"),
            ("/libpod_parent/libpod-", "podman"),
            ("cri-containerd-", "containerd"),
            ("crio-", "cri-o"),
            ("/cofferdam/", "cofferdam"),
        ];
        MARKS.iter().find_map(|(mark, engine)| {
            let rest = self.cgroup.split_once(mark)?.1;
            let id = rest.split(['.', '/']).next()?;
            (id.len() >= 12 && !id.starts_with("conmon")).then_some((*engine, id))
        })
    }
}

const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/// All processes that can be seen. Threads of the kernel's are left out.
pub(crate) fn gather(source: &Source) -> Fact<Vec<Process>> {
    if !source.is_running() {
        return Fact::unknown("no system runs in the tree");
    }
    read(source).into()
}

fn read(source: &Source) -> Result<Vec<Process>, Unknown> {
    let names = source.tree.list("/proc").get()?.clone();
    let names = names.ok_or_else(|| Unknown("/proc is not mounted".to_owned()))?;
    let pids = names.into_iter().filter_map(|name| name.to_str()?.parse::<u32>().ok());
    // The first process's may be closed to us; we stand outside of all containers ourselves.
    let first = namespaces(source, "1").or_else(|| namespaces(source, "self"));
    // A process that ends meanwhile is no process any more: nothing is unknown about it.
    Ok(pids.take(MOST_PROCESSES).filter_map(|pid| process(source, pid, first.as_deref())).collect())
}

/// The namespaces of a process, in the order of `NAMESPACES`; `None` without the right to see them.
fn namespaces(source: &Source, pid: &str) -> Option<Vec<String>> {
    let link = |name| source.tree.link(format!("/proc/{pid}/ns/{name}")).known().cloned().flatten();
    NAMESPACES.into_iter().map(link).collect()
}

fn process(source: &Source, pid: u32, first: Option<&[String]>) -> Option<Process> {
    let read = |file: &str| source.tree.bytes(format!("/proc/{pid}/{file}")).known().cloned().flatten();
    let status = parse_status(&read("status")?).ok()?;
    let line = read("cmdline").unwrap_or_default();
    let line = String::from_utf8_lossy(&line).into_owned();
    let words: Vec<String> =
        line.split('\0').filter(|word| !word.is_empty()).take(64).map(str::to_owned).collect();
    // The kernel's own threads have neither words nor a name of their own making; they are not processes of anybody's.
    if words.is_empty() && (status.ppid == 2 || pid == 2) {
        return None;
    }
    let own_namespaces = first.zip(namespaces(source, &pid.to_string())).map(|(first, own)| {
        let differing =
            NAMESPACES.iter().zip(first.iter().zip(&own)).filter(|(_, (first, own))| first != own);
        differing.map(|(name, _)| (*name).to_owned()).collect()
    });
    Some(Process {
        pid,
        name: String::from_utf8_lossy(&read("comm").unwrap_or_default()).trim().to_owned(),
        words,
        uid: status.uid.effective,
        capabilities: status.cap_effective,
        no_new_privs: status.no_new_privs,
        filtered: status.seccomp == SeccompMode::Filter,
        own_namespaces,
        is_first: status.ns_pid.len() > 1 && status.ns_pid.last() == Some(&1),
        cgroup: cgroup(&String::from_utf8_lossy(&read("cgroup").unwrap_or_default())),
    })
}

/// The path that says most: v2's, or the longest of v1's.
fn cgroup(text: &str) -> String {
    let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.max_by_key(|path| path.len()).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_by_the_name_of_their_group() {
        let mut process = Process {
            pid: 1,
            name: "x".into(),
            words: Vec::new(),
            uid: 0,
            capabilities: CapSet::EMPTY,
            no_new_privs: false,
            filtered: false,
            own_namespaces: None,
            is_first: false,
            cgroup: String::new(),
        };
        let id = "0123456789abcdef";
        for (group, engine) in [
            (format!("/system.slice/docker-{id}.scope"), Some("docker")),
            (format!("/docker/{id}"), Some("docker")),
            (format!("/machine.slice/libpod-{id}.scope/container"), Some("podman")),
            (format!("/kubepods.slice/cri-containerd-{id}.scope"), Some("containerd")),
            (format!("/cofferdam/{id}"), Some("cofferdam")),
            ("/system.slice/docker.service".to_owned(), None),
            ("/machine.slice/libpod-conmon-0123456789abcdef.scope".to_owned(), None),
        ] {
            process.cgroup = group;
            assert_eq!(process.container().map(|(engine, _)| engine), engine, "{}", process.cgroup);
        }
        assert_eq!(cgroup("12:pids:/\n1:name=systemd:/a/b\n0::/\n"), "/a/b");
    }
}
