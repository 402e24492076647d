//! A container with every control in its plan, made by the runtime from the machine's own `/usr`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use cofferdam_confinement::resources::Resources;
use cofferdam_confinement::seccomp::{Action, Arch, Flags, Profile, Rule};
use cofferdam_confinement::{
    Capabilities, Cgroup, Device, DeviceKind, Flag, Hooks, IdMapping, IdMaps, MapWriter, Mount, MountFlags,
    MountIdMap, MountKind, NamespaceSource, Namespaces, PivotMethod, Plan, Process, Propagation, Rlimit,
    Root, RootSource, SCHEMA_VERSION, Setgroups, User,
};
use cofferdam_kernel::capability::CapSet;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::ProcFs;
use cofferdam_proof::{GateError, HostKey, Moment, Passed, Prepared, Receipt, Subject, Terms, examine};
use cofferdam_runtime::start::{Gated, StartIo, Stdio, Supervision, create};
use rustix::process::Pid;

/// The first host id of the container's range: nobody's on this machine.
pub const FIRST_ID: u32 = 1_700_000_000;

/// A folder for one container's root, and a key.
pub struct Bench {
    folder: tempfile::TempDir,
    pub proc: ProcFs,
    pub key: HostKey,
}

impl Bench {
    pub fn new() -> Self {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let root = folder.path().join("root");
        for name in ["usr", "proc", "dev", "tmp", "etc"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            symlink(format!("usr/{name}"), root.join(name)).unwrap();
        }
        let key = HostKey::open_or_create(&folder.path().join("keys")).unwrap();
        Self { folder, proc: ProcFs::open().unwrap(), key }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn plan(&self) -> Plan {
        plan(&self.path().join("root"))
    }

    /// Starts the plan's program as far as the gate.
    pub fn start(&self, plan: &Plan) -> Gated {
        let null = || File::options().read(true).write(true).open("/dev/null").unwrap().into();
        let io = StartIo {
            stdio: Some(Stdio { stdin: null(), stdout: null(), stderr: null() }),
            preserved_fds: 0,
            supervision: Supervision::DieWithParent,
            start_socket: None,
            bundle: PathBuf::from("/"),
        };
        create(plan, io).unwrap().exec_to_gate().unwrap()
    }
}

pub fn subject(plan: &Plan, pid: Pid, moment: Moment) -> Subject<'_> {
    Subject { plan, pid, moment, group: None, preserved_fds: 0, filter_witness: None, population: None }
}

/// What is found of a process, signed.
pub fn verify(bench: &Bench, subject: &Subject<'_>) -> Receipt {
    let prepared = Prepared::new(&bench.proc, subject.plan).unwrap();
    Receipt::seal(examine(&bench.proc, subject, &prepared).unwrap(), &bench.key).unwrap()
}

/// Whether the gate lets the process pass under the plan.
pub fn gate(
    bench: &Bench,
    gated: &Gated,
    plan: &Plan,
    rule: cofferdam_proof::Rule,
) -> Result<Passed, GateError> {
    let prepared = Prepared::new(&bench.proc, plan).unwrap();
    let group = gated.group().group();
    let terms = Terms { plan, prepared: &prepared, group, preserved_fds: 0, rule };
    cofferdam_proof::gate(&bench.proc, gated, &terms, None)
}

fn filesystem(target: &str, fstype: &str, options: &[&str], flags: MountFlags) -> Mount {
    Mount {
        target: target.parse().unwrap(),
        kind: MountKind::Filesystem {
            fstype: fstype.to_owned(),
            source: fstype.to_owned(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            copy_up: false,
        },
        flags,
        recursive_flags: MountFlags::KEEP,
        propagation: Vec::new(),
    }
}

fn bind(source: &str, target: &str) -> Mount {
    Mount {
        target: target.parse().unwrap(),
        kind: MountKind::Bind {
            source: PathBuf::from(source),
            resolved: false,
            recursive: false,
            id_map: MountIdMap::Container { recursive: false },
        },
        flags: MountFlags { readonly: Flag::Set, nosuid: Flag::Set, nodev: Flag::Set, ..MountFlags::KEEP },
        recursive_flags: MountFlags::KEEP,
        propagation: vec![Propagation::Rprivate],
    }
}

fn device(path: &str, minor: u32) -> Device {
    Device {
        path: path.parse().unwrap(),
        host_path: PathBuf::from(path),
        kind: DeviceKind::Character,
        major: 1,
        minor,
        mode: 0o666,
        uid: 0,
        gid: 0,
    }
}

fn plan(root: &Path) -> Plan {
    let mut namespaces = Namespaces::host();
    for kind in Namespace::ALL {
        *namespaces.source_mut(kind) = NamespaceSource::New;
    }
    let range = vec![IdMapping { container: 0, host: FIRST_ID, size: 65_536 }];
    namespaces.id_maps = Some(IdMaps {
        uids: range.clone(),
        gids: range,
        writer: MapWriter::Direct,
        setgroups: Setgroups::Allow,
    });
    let inert = MountFlags::inert();
    let tmp = MountFlags { nosuid: Flag::Set, nodev: Flag::Set, ..MountFlags::KEEP };
    let dev = MountFlags { nosuid: Flag::Set, noexec: Flag::Set, ..MountFlags::KEEP };
    Plan {
        schema: SCHEMA_VERSION,
        container: "proof-test".parse().unwrap(),
        zone: Some("test".parse().unwrap()),
        namespaces,
        root: Root {
            source: RootSource::Directory { path: root.to_owned() },
            readonly: true,
            propagation: Propagation::Rprivate,
            pivot: PivotMethod::PivotRoot,
        },
        mounts: vec![
            filesystem("/proc", "proc", &[], inert),
            filesystem("/dev", "tmpfs", &["mode=755", "size=64k"], dev),
            filesystem("/dev/pts", "devpts", &["newinstance", "ptmxmode=0666", "mode=0620"], dev),
            filesystem("/dev/mqueue", "mqueue", &[], inert),
            filesystem("/tmp", "tmpfs", &["mode=1777", "size=1m"], tmp),
            bind("/usr", "/usr"),
        ],
        devices: vec![device("/dev/null", 3), device("/dev/zero", 5), device("/dev/urandom", 9)],
        masked_paths: ["/proc/kcore", "/proc/filesystems", "/proc/irq", "/proc/no-such-file"]
            .map(|path| path.parse().unwrap())
            .to_vec(),
        readonly_paths: ["/proc/sys", "/proc/bus"].map(|path| path.parse().unwrap()).to_vec(),
        hostname: Some("inside".to_owned()),
        domainname: Some("domain.example".to_owned()),
        sysctls: BTreeMap::from([
            ("kernel.msgmax".to_owned(), "4096".to_owned()),
            ("net.ipv4.ip_unprivileged_port_start".to_owned(), "100".to_owned()),
            ("net.ipv4.ping_group_range".to_owned(), "0 100".to_owned()),
        ]),
        loopback_up: true,
        network: None,
        net_devices: BTreeMap::new(),
        session_keyring: true,
        personality: Some(0),
        memory_policy: None,
        cgroup: Cgroup { path: None, owner: None, resources: Resources::default() },
        process: process(),
        hooks: Hooks::default(),
        annotations: BTreeMap::new(),
    }
}

fn process() -> Process {
    let set: CapSet = ["CAP_KILL", "CAP_CHOWN"].iter().map(|name| name.parse().unwrap()).collect();
    Process {
        args: vec!["/bin/sleep".to_owned(), "1000".to_owned()],
        env: vec!["PATH=/usr/bin".to_owned()],
        cwd: "/tmp".parse().unwrap(),
        create_cwd: false,
        terminal: false,
        window: None,
        user: User { uid: 0, gid: 0, additional_gids: vec![7, 8], umask: Some(0o027) },
        capabilities: Capabilities::bounded(set),
        no_new_privileges: true,
        rlimits: vec![Rlimit { resource: "nofile".parse().unwrap(), soft: 500, hard: 1000 }],
        oom_score_adj: Some(300),
        apparmor_profile: None,
        selinux_label: None,
        scheduler: None,
        io_priority: None,
        cpu_affinity: None,
        signals_wait: false,
        interpreter: None,
        seccomp: Some(profile()),
    }
}

pub fn profile() -> Profile {
    Profile {
        default_action: Action::Allow,
        architectures: vec![Arch::X86_64, Arch::X86],
        flags: Flags::default(),
        listener: None,
        rules: vec![Rule {
            names: ["mount", "bpf", "keyctl"].map(str::to_owned).to_vec(),
            action: Action::Errno(1),
            args: Vec::new(),
        }],
    }
}
