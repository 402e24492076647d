//! How a resolver's process is confined: a plan like a container's, carried out and read back by the same code.
//!
//! It parses what strangers send. So it has no user of the host's, no capability, no network of its own (its sockets were made
//! outside), no file but its own program, and a filter that ends it at the first call that answering does not need.

use std::collections::BTreeMap;
use std::path::Path;

use cofferdam_confinement::resources::Resources;
use cofferdam_confinement::resources::devices::DeviceRule;
use cofferdam_confinement::seccomp::{
    Action, Arch, ArgIndex, Comparison, Condition, Flags, NoSuchArgument, Profile, Rule,
};
use cofferdam_confinement::{
    Capabilities, Cgroup, CgroupPath, Flag, Hooks, IdMapping, IdMaps, InvalidCgroupPath, MapWriter, Mount,
    MountFlags, MountIdMap, MountKind, NamespaceSource, Namespaces, PivotMethod, Plan, Process, Propagation,
    Rlimit, Root, RootSource, SCHEMA_VERSION, Setgroups, User,
};
use cofferdam_kernel::capability::CapSet;
use cofferdam_names::{InvalidName, ZoneName};
use thiserror::Error;

/// The program's name in its root, by which it knows its part.
pub const PROGRAM: &str = "cofferdam-resolver";

/// Host ids of resolvers: behind the last range that containers are given (0x7fbf_ffff), before systemd's foreign ids.
const FIRST_ID: u32 = 0x7fc0_0000;
const IDS: u32 = 0x003e_0000;

/// A plan that cannot be made.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages are their sources'")]
pub enum PlanError {
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error(transparent)]
    Cgroup(#[from] InvalidCgroupPath),
    #[error(transparent)]
    Argument(#[from] NoSuchArgument),
    #[error("plan a resolver: no limit is called {0}")]
    Limit(&'static str),
}

/// The plan of a zone's resolver. `realm` is the state folder, `root` an empty folder, `program` this program's file.
///
/// # Errors
/// [`PlanError`]
pub fn plan(realm: &str, zone: &ZoneName, root: &Path, program: &Path) -> Result<Plan, PlanError> {
    let mark = mark(realm, zone);
    let name = format!("resolver-{zone}-{mark:08x}");
    let own = rustix::process::geteuid();
    let (maps, cgroup) = if own.is_root() {
        let path = CgroupPath::try_from(format!("{}/{name}", CgroupPath::OWN_PARENT))?;
        let resources = Resources { devices: vec![DeviceRule::DENY_ALL], ..Resources::default() };
        let id = FIRST_ID + mark % IDS;
        (maps(id, id, Setgroups::Allow), Cgroup { path: Some(path), owner: None, resources })
    } else {
        // An ordinary user has no other ids to be, no device nodes that a filter would be for, and perhaps no cgroups.
        let group = rustix::process::getegid().as_raw();
        let none = Cgroup { path: None, owner: None, resources: Resources::default() };
        (maps(own.as_raw(), group, Setgroups::Deny), none)
    };
    Ok(Plan {
        schema: SCHEMA_VERSION,
        container: name.parse()?,
        zone: Some(zone.clone()),
        namespaces: namespaces(maps),
        root: Root {
            source: RootSource::Directory { path: root.to_owned() },
            readonly: true,
            propagation: Propagation::Rprivate,
            pivot: PivotMethod::PivotRoot,
        },
        mounts: vec![program_mount(program)?],
        devices: Vec::new(),
        masked_paths: Vec::new(),
        readonly_paths: Vec::new(),
        hostname: Some(PROGRAM.to_owned()),
        domainname: None,
        sysctls: BTreeMap::new(),
        loopback_up: false,
        network: None,
        net_devices: BTreeMap::new(),
        session_keyring: true,
        personality: None,
        memory_policy: None,
        cgroup,
        process: process()?,
        hooks: Hooks::default(),
        annotations: BTreeMap::new(),
    })
}

/// A number of the zone's own (FNV-1a): two zones with the same one would share an unprivileged user and nothing else.
fn mark(realm: &str, zone: &ZoneName) -> u32 {
    let bytes = realm.bytes().chain([0]).chain(zone.as_str().bytes());
    bytes.fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn maps(uid: u32, gid: u32, setgroups: Setgroups) -> IdMaps {
    let line = |host| vec![IdMapping { container: 0, host, size: 1 }];
    IdMaps { uids: line(uid), gids: line(gid), writer: MapWriter::Direct, setgroups }
}

fn namespaces(maps: IdMaps) -> Namespaces {
    Namespaces {
        user: NamespaceSource::New,
        id_maps: Some(maps),
        mount: NamespaceSource::New,
        pid: NamespaceSource::New,
        network: NamespaceSource::New,
        ipc: NamespaceSource::New,
        uts: NamespaceSource::New,
        cgroup: NamespaceSource::New,
        // A new one without offsets shows the same clocks.
        time: NamespaceSource::Host,
        monotonic_offset: None,
        boottime_offset: None,
    }
}

fn program_mount(program: &Path) -> Result<Mount, PlanError> {
    Ok(Mount {
        target: format!("/{PROGRAM}").parse()?,
        kind: MountKind::Bind {
            source: program.to_owned(),
            resolved: false,
            recursive: false,
            id_map: MountIdMap::None,
        },
        flags: MountFlags { readonly: Flag::Set, nosuid: Flag::Set, nodev: Flag::Set, ..MountFlags::KEEP },
        recursive_flags: MountFlags::KEEP,
        propagation: vec![Propagation::Rprivate],
    })
}

fn process() -> Result<Process, PlanError> {
    let limit = |name: &'static str, value: u64| {
        let resource = name.parse().map_err(|_| PlanError::Limit(name))?;
        Ok::<_, PlanError>(Rlimit { resource, soft: value, hard: value })
    };
    Ok(Process {
        args: vec![format!("/{PROGRAM}")],
        env: Vec::new(),
        cwd: "/".parse()?,
        create_cwd: false,
        terminal: false,
        window: None,
        user: User { uid: 0, gid: 0, additional_gids: Vec::new(), umask: None },
        capabilities: Capabilities::bounded(CapSet::EMPTY),
        no_new_privileges: true,
        // Two sockets for each of a thousand containers and family, questions under way, connections.
        rlimits: vec![limit("nofile", 8192)?, limit("as", 256 << 20)?, limit("core", 0)?, limit("fsize", 0)?],
        oom_score_adj: None,
        apparmor_profile: None,
        selinux_label: None,
        scheduler: None,
        io_priority: None,
        cpu_affinity: None,
        seccomp: Some(filter()?),
        signals_wait: false,
        interpreter: None,
    })
}

/// What answering takes, each with its reason.
const CALLS: [(&[&str], &str); 6] = [
    (
        &["recvmsg", "sendmsg", "recvfrom", "sendto", "accept4", "read", "write"],
        "questions and answers, on sockets that it was given",
    ),
    (
        &["epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll"],
        "waiting",
    ),
    (
        &["close", "lseek", "fstat", "newfstatat", "statx", "fcntl", "getrandom", "clock_gettime"],
        "its descriptors, chance, time",
    ),
    (&["brk", "munmap", "mremap", "madvise", "futex"], "memory"),
    (
        &[
            "exit",
            "exit_group",
            "rt_sigreturn",
            "rt_sigaction",
            "rt_sigprocmask",
            "sigaltstack",
            "restart_syscall",
        ],
        "its end, and signals",
    ),
    (
        &[
            "execve",
            "arch_prctl",
            "set_tid_address",
            "set_robust_list",
            "rseq",
            "prlimit64",
            "sched_getaffinity",
            "getpid",
            "gettid",
            "tgkill",
            "prctl",
        ],
        "its beginning: the filter is in force before its program is executed, and its root has no other program",
    ),
];

/// Calls of a C library's beginning that it does without: they fail.
const DONE_WITHOUT: [&str; 4] = ["readlink", "readlinkat", "open", "openat"];

/// `EPERM`
const EPERM: u16 = 1;
/// `PROT_EXEC`
const EXECUTABLE: u64 = 4;
/// `FIONBIO`: the one ioctl(2), on sockets.
const NONBLOCKING: u64 = 0x5421;

fn filter() -> Result<Profile, PlanError> {
    let rule = |names: &[&str], action, args| Rule {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        action,
        args,
    };
    let when = |index: u32, comparison| {
        Ok::<_, PlanError>(vec![Condition { index: ArgIndex::try_from(index)?, comparison }])
    };
    let mut rules: Vec<Rule> =
        CALLS.iter().map(|(names, _)| rule(names, Action::Allow, Vec::new())).collect();
    // No new code: memory is never executable.
    let not_executable = Comparison::MaskedEqual { mask: EXECUTABLE, value: 0 };
    rules.push(rule(&["mmap", "mprotect"], Action::Allow, when(2, not_executable)?));
    rules.push(rule(&["ioctl"], Action::Allow, when(1, Comparison::Equal(NONBLOCKING))?));
    rules.push(rule(&DONE_WITHOUT, Action::Errno(EPERM), Vec::new()));
    Ok(Profile {
        default_action: Action::KillProcess,
        architectures: vec![Arch::X86_64, Arch::Aarch64],
        flags: Flags::default(),
        listener: None,
        rules,
    })
}

#[cfg(test)]
mod tests {
    use cofferdam_confinement::seccomp::{SeccompData, compile, is_syscall, syscall_number};

    use super::*;

    fn made() -> Plan {
        plan("/state", &"blue".parse().unwrap(), Path::new("/run/x"), Path::new("/usr/bin/cofferdam"))
            .unwrap()
    }

    #[test]
    fn the_filter_has_no_way_to_a_new_socket_file_or_process() {
        let compiled = compile(&made().process.seccomp.unwrap(), Arch::X86_64).unwrap();
        assert!(compiled.unknown_names.is_empty());
        let answer = |name: &str, args: [u64; 6]| {
            let number = syscall_number(Arch::X86_64, name).unwrap();
            compiled.program.run(&SeccompData::new(Arch::X86_64, number, args)).unwrap()
        };
        for name in [
            "socket",
            "socketpair",
            "connect",
            "bind",
            "listen",
            "setsockopt",
            "clone",
            "clone3",
            "fork",
            "vfork",
            "ptrace",
            "mount",
            "unshare",
            "setns",
            "bpf",
            "io_uring_setup",
            "userfaultfd",
            "keyctl",
            "kill",
            "process_vm_writev",
            "memfd_create",
            "pidfd_open",
            "shmget",
            "execveat",
            "seccomp",
        ] {
            assert_eq!(answer(name, [0; 6]), Action::KillProcess, "{name}");
        }
        assert_eq!(answer("openat", [0; 6]), Action::Errno(1));
        assert_eq!(answer("mmap", [0, 4096, 3, 0x22, 0, 0]), Action::Allow);
        assert_eq!(answer("mmap", [0, 4096, 7, 0x22, 0, 0]), Action::KillProcess);
        assert_eq!(answer("mprotect", [0, 4096, 5, 0, 0, 0]), Action::KillProcess);
        assert_eq!(answer("ioctl", [3, 0x5421, 0, 0, 0, 0]), Action::Allow);
        assert_eq!(answer("ioctl", [3, 0x5412, 0, 0, 0, 0]), Action::KillProcess);
        assert!(CALLS.iter().flat_map(|(names, _)| *names).all(|name| is_syscall(name)));
    }

    #[test]
    fn zones_have_different_users_behind_every_containers() {
        let id = |realm: &str, zone: &str| {
            let made = plan(realm, &zone.parse().unwrap(), Path::new("/r"), Path::new("/p")).unwrap();
            made.namespaces.id_maps.unwrap().uids[0].host
        };
        let ids = [id("/state", "blue"), id("/state", "green"), id("/other", "blue")];
        assert!(ids.iter().all(|id| (0x7fc0_0000..0x7ffe_0000).contains(id)), "{ids:x?}");
        assert!(ids[0] != ids[1] && ids[0] != ids[2]);
    }
}
