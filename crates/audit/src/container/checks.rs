//! Checks on one container.

use crate::container::ContainerFacts;
use crate::control::{About, Body, Control, Dimension, Evidence, Gain, Judgement, Severity, Verdict};
use crate::line::referring;

const AREA: &str = "container";

fn about(id: &'static str, title: &'static str, why: &'static str, remedy: &'static str) -> About {
    About::new(AREA, id).title(title).why(why).remedy(remedy).dimension(Dimension::Processes)
}

/// All checks on a container.
#[must_use]
pub fn controls() -> Vec<Control<ContainerFacts>> {
    let mut controls = identity();
    controls.extend(walls());
    controls.extend(files());
    controls.extend(own_namespaces());
    controls.extend(CAPABILITIES.lines().filter_map(capability));
    controls.extend(reach());
    controls.extend(resources());
    controls
}

/// A pass or a failure.
fn judged(good: bool, seen: impl Into<String>) -> Judgement {
    let seen = seen.into();
    Ok(if good { Verdict::pass(seen) } else { Verdict::fail(seen) })
}

fn identity() -> Vec<Control<ContainerFacts>> {
    vec![
        Control::new(
            about(
                "container.user_namespace",
                "Root in the container is nobody on the host",
                "Without a user namespace a process that leaves the container as root is the host's root.",
                "run it with a user namespace: `userns-remap` in Docker's daemon.json, `--userns=auto` with Podman, `hostUsers: false` in Kubernetes",
            )
            .weight(Severity::High, Gain::HostRoot)
            .reference(Body::CisDocker, "2.9")
            .reference(Body::CisDocker, "5.31")
            .reference(Body::NsaCisa, "Kubernetes Pod security"),
            |facts: &ContainerFacts| match *facts.root_is.get()? {
                Some(0) => judged(false, "the container's root is the host's root"),
                Some(id) => judged(true, format!("the container's root is the host's user {id}")),
                None => judged(true, "the container has no root"),
            },
        ),
        Control::new(
            about(
                "container.not_root",
                "Its programs do not run as the host's root",
                "What runs as root has every file of the image and every bug of the kernel's root-only parts to work with.",
                "set a user in the image (USER) or at the start (`--user`)",
            )
            .weight(Severity::Medium, Gain::HostRoot)
            .reference(Body::CisDocker, "4.1")
            .reference(Body::Nist800190, "4.1.2")
            .reference(Body::PodSecurity, "runAsNonRoot"),
            |facts: &ContainerFacts| judged(facts.uid != 0, format!("its process is the host's user {}", facts.uid)),
        ),
    ]
}

fn walls() -> Vec<Control<ContainerFacts>> {
    vec![
        Control::new(
            about(
                "container.seccomp",
                "System calls are filtered",
                "Without a filter every system call of the kernel, and every bug behind one, is within the container's reach.",
                "remove `seccomp=unconfined` from its options",
            )
            .weight(Severity::High, Gain::KernelReach)
            .reference(Body::CisDocker, "5.22")
            .reference(Body::PodSecurity, "seccompProfile"),
            |facts: &ContainerFacts| {
                judged(facts.filtered, if facts.filtered { "a filter is in force" } else { "no filter" })
            },
        ),
        Control::new(
            about(
                "container.no_new_privs",
                "It cannot gain rights by executing a set-id program",
                "A set-id program that the image forgot makes root out of a user inside the container.",
                "run it with `--security-opt no-new-privileges` (`allowPrivilegeEscalation: false`)",
            )
            .weight(Severity::Medium, Gain::Foothold)
            .reference(Body::CisDocker, "2.14")
            .reference(Body::CisDocker, "5.26")
            .reference(Body::PodSecurity, "allowPrivilegeEscalation"),
            |facts: &ContainerFacts| {
                let seen = if facts.no_new_privs { "no_new_privs is set" } else { "no_new_privs is not set" };
                judged(facts.no_new_privs, seen)
            },
        ),
        Control::new(
            about(
                "container.label",
                "AppArmor or SELinux confines it",
                "The security module still stands where capabilities and namespaces were got around.",
                "remove `apparmor=unconfined` or `label=disable` from its options; enable a module on the host where none is",
            )
            .weight(Severity::High, Gain::HostRoot)
            .reference(Body::CisDocker, "5.2")
            .reference(Body::CisDocker, "5.3")
            .reference(Body::PodSecurity, "appArmorProfile"),
            |facts: &ContainerFacts| {
                Ok(match facts.label.get()?.as_deref() {
                    None => Verdict::not_applicable("no such module is active on this host"),
                    Some(label) if label.starts_with("unconfined") || label.contains(":unconfined_t:") || label == "kernel" => {
                        Verdict::fail(format!("its label is {label:?}"))
                    }
                    Some(label) => Verdict::pass(format!("its label is {label:?}")),
                })
            },
        ),
    ]
}

fn files() -> Vec<Control<ContainerFacts>> {
    vec![
        Control::new(
            about(
                "container.read_only_root",
                "Its root file system is read-only",
                "Where nothing can be written, nothing that breaks in can stay or replace a program.",
                "run it with `--read-only` and a tmpfs for what it must write",
            )
            .weight(Severity::Low, Gain::Foothold)
            .reference(Body::CisDocker, "5.13")
            .reference(Body::NsaCisa, "Kubernetes Pod security"),
            |facts: &ContainerFacts| {
                let read_only = *facts.root_read_only.get()?;
                judged(read_only, if read_only { "read-only" } else { "writable" })
            },
        ),
        Control::new(
            about(
                "container.mount_propagation",
                "Nothing that is mounted in it appears on the host",
                "A shared mount lets the container put a file system over a folder of the host's.",
                "use `rprivate` or `rslave` instead of `shared` for its volumes",
            )
            .weight(Severity::High, Gain::HostRoot)
            .reference(Body::CisDocker, "5.20"),
            |facts: &ContainerFacts| {
                let shared = facts.shared_mounts.get()?.iter();
                Ok(Verdict::none_of(shared.map(|point| Evidence::new(format!("{point} is shared"))), "no mount is shared"))
            },
        ),
        Control::new(
            about(
                "container.kernel_files",
                "It cannot write the kernel's own files",
                "Through /proc/sys and /sys a container sets core_pattern, uevent_helper and the like, which the kernel then runs as the host's root.",
                "remove `--privileged` or `systempaths=unconfined`; keep /proc/sys and /sys read-only",
            )
            .weight(Severity::Critical, Gain::HostRoot)
            .reference(Body::PodSecurity, "procMount"),
            |facts: &ContainerFacts| {
                let paths = facts.kernel_paths.get()?;
                if !facts.is_host_root()? && !paths.is_empty() {
                    return judged(true, "they are the host root's, whom the container cannot become");
                }
                Ok(Verdict::none_of(paths.iter().map(|path| Evidence::new(format!("{path} stands open"))), "they are read-only or hidden"))
            },
        ),
    ]
}

/// Namespaces that should be the container's own.
#[rustfmt::skip]
fn own_namespaces() -> Vec<Control<ContainerFacts>> {
    vec![
        own("pid", "processes", "A container that sees the host's processes reads their command lines, and as root their memory and files.", "--pid=host", Severity::High, Gain::HostRoot, "CisDocker 5.16\nPodSecurity hostPID"),
        own("net", "network", "On the host's network a container reaches everything that listens on 127.0.0.1 and every abstract socket (CVE-2020-15257).", "--network=host", Severity::High, Gain::OtherTenants, "CisDocker 5.10\nPodSecurity hostNetwork\nNist800190 4.4.2"),
        own("ipc", "shared memory", "Shared memory and queues of the host's programs can be read and changed.", "--ipc=host", Severity::Medium, Gain::OtherTenants, "CisDocker 5.17\nPodSecurity hostIPC"),
        own("uts", "host name", "With the right capability it renames the host.", "--uts=host", Severity::Low, Gain::Denial, "CisDocker 5.21"),
        own("mnt", "mounts", "It stands in the host's own file tree: there is no container.", "a chroot only", Severity::Critical, Gain::HostRoot, ""),
        own("cgroup", "view of control groups", "It sees the names of all groups on the host, and where they are writable can move into others.", "--cgroupns=host", Severity::Low, Gain::Information, "CisDocker 5.25"),
    ]
}

/// One of them; not inlined, as the compiler would make constants of the words: see [`crate::line`] why it should not.
#[inline(never)]
fn own(
    namespace: &'static str,
    what: &'static str,
    why: &'static str,
    flag: &'static str,
    severity: Severity,
    gain: Gain,
    references: &'static str,
) -> Control<ContainerFacts> {
    let about = About::new(AREA, format!("container.own_{namespace}"))
        .title(format!("It has its own {what}"))
        .why(why)
        .remedy(format!("remove {flag} from its options"))
        .dimension(Dimension::Processes)
        .weight(severity, gain);
    let about = references.lines().fold(about, referring);
    Control::new(about, move |facts: &ContainerFacts| {
        let shares = facts.shares(namespace)?;
        judged(!shares, if shares { "it shares the host's" } else { "its own" })
    })
}

/// Capabilities that should not count on the host: how bad it is, what is gained, why, and who asks for it.
const CAPABILITIES: &str = "\
CAP_SYS_ADMIN critical host-root | It mounts, unmounts and steers namespaces: most of what root is. | CisDocker 5.5 | CisDocker 5.4 | CisDocker C.5.3.3 | PodSecurity capabilities
CAP_SYS_MODULE critical host-root | It loads a module, which is kernel code. | CisDocker C.5.3.2 | PodSecurity capabilities
CAP_SYS_RAWIO critical host-root | It writes the machine's ports and memory. | PodSecurity capabilities
CAP_SYS_PTRACE high host-root | It takes over every process that it can see. | CisDocker C.5.3.4 | PodSecurity capabilities
CAP_DAC_READ_SEARCH high host-root | It opens any file of the host's by its number, past the container's root (the Shocker exploit). | CisDocker C.5.3.1 | PodSecurity capabilities
CAP_BPF high kernel-reach | It loads programs that run in the kernel. | PodSecurity capabilities
CAP_PERFMON medium other-tenants | It watches every process on the machine. | PodSecurity capabilities
CAP_SYS_BOOT high denial | It reboots the host or starts another kernel. | PodSecurity capabilities
CAP_SYS_TIME medium concealment | It sets the clock of every container, and with it the validity of certificates and logs. | PodSecurity capabilities
CAP_SYSLOG medium information | It reads the kernel's log and addresses. | PodSecurity capabilities
CAP_NET_ADMIN medium other-tenants | It changes addresses, routes and packet rules of its network. | CisDocker 5.4 | PodSecurity capabilities
CAP_NET_RAW low other-tenants | It sends packets in its neighbours' names. | CisDocker 5.4 | PodSecurity capabilities
CAP_MKNOD low host-root | It makes nodes of the host's devices, and opens them where no device rule stands before. | PodSecurity capabilities
CAP_SYS_CHROOT low kernel-reach | It leaves roots that were only changed (chroot). | PodSecurity capabilities
CAP_AUDIT_CONTROL high concealment | It switches the host's audit log off. | PodSecurity capabilities
CAP_MAC_ADMIN high host-root | It changes the policy of the security module. | PodSecurity capabilities
CAP_CHECKPOINT_RESTORE medium kernel-reach | It writes the state of processes, their links in /proc among it. | PodSecurity capabilities
";

fn capability(line: &'static str) -> Option<Control<ContainerFacts>> {
    let mut parts = line.split(" | ");
    let mut words = parts.next()?.split(' ');
    let name = words.next()?;
    let (severity, gain) = (Severity::of_word(words.next()?)?, Gain::of_word(words.next()?)?);
    let why = parts.next()?;
    let about = About::new(AREA, format!("container.without_{}", name.to_ascii_lowercase()))
        .title(format!("It does not have {name} on the host"))
        .why(why)
        .remedy(format!("remove --privileged, and add `--cap-drop {}`", name.trim_start_matches("CAP_")))
        .dimension(Dimension::Processes)
        .weight(severity, gain);
    let about = parts.fold(about, referring);
    Some(Control::new(about, move |facts: &ContainerFacts| {
        let has = facts.has_on_host(name)?;
        judged(
            !has,
            if has {
                "it has it, with no user namespace between"
            } else {
                "it has it not, or only in a user namespace"
            },
        )
    }))
}

/// The sockets of engines: whoever speaks to one is root on the host.
const SOCKETS: &str = "docker.sock podman.sock containerd.sock crio.sock dockershim.sock cri-dockerd.sock lxd/unix.socket incus/unix.socket kubelet.sock libvirt-sock";

/// Folders of the host that decide who is root on it.
const SENSITIVE: &str = "/ /etc /boot /usr /lib /bin /sbin /root /var /var/lib /run /var/run /home";

/// Whether a path of the host's is one of those, or lies below one that always is.
pub(crate) fn is_sensitive(path: &str) -> bool {
    const BELOW: [&str; 6] = ["/etc/", "/boot/", "/root/", "/usr/", "/var/lib/docker", "/var/lib/kubelet"];
    // Files that every engine binds into a container, from copies of its own or the host's.
    const USUAL: [&str; 5] =
        ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/etc/localtime", "/etc/timezone"];
    (SENSITIVE.split(' ').any(|folder| folder == path) || BELOW.iter().any(|folder| path.starts_with(folder)))
        && !USUAL.contains(&path)
}

/// Whether it matters that the container sees the path: the host's programs may be read by everybody.
pub(crate) fn is_exposed(path: &str, writable: bool) -> bool {
    const PUBLIC: [&str; 4] = ["/usr", "/lib", "/bin", "/sbin"];
    let public = PUBLIC
        .iter()
        .any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    is_sensitive(path) && (writable || !public)
}

/// Whether the host path is an engine's socket, or a folder with one in it.
pub(crate) fn holds_socket(path: &str) -> bool {
    SOCKETS.split(' ').any(|socket| path.ends_with(socket))
        || ["/", "/run", "/var/run", "/run/docker", "/run/podman", "/run/containerd", "/run/crio"]
            .contains(&path)
}

fn reach() -> Vec<Control<ContainerFacts>> {
    vec![
        Control::new(
            about("container.no_engine_socket", "It does not reach an engine's socket", "Whoever speaks to the engine starts a container that is the host's root; a read-only mount changes nothing about that.", "remove the socket from its volumes; give it an interface with rights of its own instead")
                .weight(Severity::Critical, Gain::HostRoot)
                .reference(Body::CisDocker, "5.32")
                .reference(Body::Nist800190, "4.4.3"),
            |facts: &ContainerFacts| {
                let found = facts.host_paths.get()?.iter().filter(|path| holds_socket(&path.host));
                Ok(Verdict::none_of(found.map(|path| Evidence::new(format!("{} is the host's {}", path.inside, path.host))), "none is in reach"))
            },
        ),
        Control::new(
            about("container.no_host_folders", "It sees none of the host's own folders", "From /etc, /boot or /root of the host a container reads its secrets, or writes itself in.", "give it a volume, or the one folder below that it needs, read-only")
                .weight(Severity::High, Gain::HostRoot)
                .reference(Body::CisDocker, "5.6")
                .reference(Body::PodSecurity, "hostPath"),
            |facts: &ContainerFacts| {
                let found = facts.host_paths.get()?.iter().filter(|path| is_exposed(&path.host, path.writable));
                let words = |path: &super::HostPath| {
                    let how = if path.writable { "writable" } else { "read-only" };
                    Evidence::new(format!("{} is the host's {}, {how}", path.inside, path.host))
                };
                Ok(Verdict::none_of(found.map(words), "none"))
            },
        ),
        Control::new(
            about("container.no_host_devices", "It has none of the host's devices", "Through a disk's device a container reads and writes every file of the host's.", "remove --device and --privileged")
                .weight(Severity::High, Gain::HostRoot)
                .reference(Body::CisDocker, "5.18"),
            |facts: &ContainerFacts| {
                const USUAL: [&str; 7] = ["null", "zero", "full", "random", "urandom", "tty", "console"];
                let found = facts.host_paths.get()?.iter().filter(|path| {
                    path.host.strip_prefix("/dev").is_some_and(|name| !USUAL.contains(&name.trim_start_matches('/')) && !name.starts_with("/shm") && !name.starts_with("/mqueue") && !name.starts_with("/pts"))
                });
                Ok(Verdict::none_of(found.map(|path| Evidence::new(format!("{} is the host's {}", path.inside, path.host))), "none but the usual"))
            },
        ),
        Control::new(
            about("container.no_sshd", "No SSH server runs in it", "A second way in with keys and passwords of its own, that nobody's policy for the host covers.", "use the engine's exec, and remove the server from the image")
                .weight(Severity::Low, Gain::Foothold)
                .reference(Body::CisDocker, "5.7")
                .reference(Body::Nist800190, "4.1.2"),
            |facts: &ContainerFacts| {
                let found = facts.programs.iter().filter(|name| matches!(name.as_str(), "sshd" | "dropbear" | "telnetd"));
                Ok(Verdict::none_of(found.map(|name| Evidence::new(format!("{name} runs"))), "none"))
            },
        ),
    ]
}

fn resources() -> Vec<Control<ContainerFacts>> {
    vec![
        Control::new(
            about("container.memory_limit", "Its memory is limited", "A container without a limit takes the host's memory, and the kernel then kills somebody else.", "run it with `--memory`")
                .weight(Severity::Medium, Gain::Denial)
                .reference(Body::CisDocker, "5.11")
                .reference(Body::Nist800190, "4.4.3"),
            |facts: &ContainerFacts| match facts.limits.get()?.memory {
                Some(bytes) => judged(true, format!("{} MiB", bytes >> 20)),
                None => judged(false, "no limit"),
            },
        ),
        Control::new(
            about("container.process_limit", "The number of its processes is limited", "A fork bomb in a container without a limit takes the host's process numbers with it.", "run it with `--pids-limit`")
                .weight(Severity::Medium, Gain::Denial)
                .reference(Body::CisDocker, "5.29")
                .reference(Body::CisKubernetes, "4.2.13"),
            |facts: &ContainerFacts| match facts.limits.get()?.processes {
                Some(most) => judged(true, format!("at most {most}")),
                None => judged(false, "no limit"),
            },
        ),
    ]
}
