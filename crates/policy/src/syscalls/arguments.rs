//! Calls that are allowed or refused by their arguments.
//!
//! The kernel takes an `int` from the lower half of an argument and ignores the upper one, so every comparison masks with
//! [`INT`]: otherwise a program gets past a refused value by setting a bit that the kernel does not see.

use cofferdam_confinement::seccomp::{Action, ArgIndex, Comparison, Condition, Rule};
use cofferdam_kernel::capability::CapSet;

/// The part of an argument that an `int` is taken from.
const INT: u64 = 0xFFFF_FFFF;

const EPERM: Action = Action::Errno(1);
/// What the kernel says of an address family that it lacks: programs take it as that.
const EAFNOSUPPORT: Action = Action::Errno(97);
/// What the kernel says of a protocol that it lacks; libaudit takes it as "no audit here" and goes on.
const EPROTONOSUPPORT: Action = Action::Errno(93);

/// `(argument & mask) = value`
fn masked(index: u32, mask: u64, value: u64) -> Option<Condition> {
    let index = ArgIndex::try_from(index).ok()?;
    Some(Condition { index, comparison: Comparison::MaskedEqual { mask, value } })
}

/// A rule for one call; each condition is argument, mask, value.
fn rule(name: &str, action: Action, conditions: &[(u32, u64, u64)]) -> Rule {
    let args = conditions.iter().filter_map(|(index, mask, value)| masked(*index, *mask, *value)).collect();
    Rule { names: vec![name.to_owned()], action, args }
}

/// Address families of socket(2).
mod family {
    pub const UNIX: u64 = 1;
    pub const INET: u64 = 2;
    pub const INET6: u64 = 10;
    pub const NETLINK: u64 = 16;
    pub const PACKET: u64 = 17;
}

/// The type in socket(2)'s second argument: without SOCK_NONBLOCK and SOCK_CLOEXEC, as the kernel masks it.
const SOCKET_TYPE: u64 = 0xF;
const STREAM: u64 = 1;
const DATAGRAM: u64 = 2;
const RAW: u64 = 3;

/// Netlink protocols: routes and addresses to read (to change them needs CAP_NET_ADMIN), sockets to list (`ss`), and
/// events of devices. Packet filters (12, CVE-2024-1086), audit, crypto, IPsec and generic netlink's many families are not.
const NETLINK_FOR_ALL: [u64; 3] = [0, 4, 15];
/// For who administers a network namespace: packet filters, IPsec, generic netlink (WireGuard, ethtool, wireless).
const NETLINK_FOR_ADMINS: [u64; 3] = [12, 6, 16];

/// The transports that programs mean by "the network": the default one, TCP and MPTCP. SCTP, SMC, L2TP and DCCP load
/// kernel modules that few need and that had their holes.
const STREAM_PROTOCOLS: [u64; 3] = [0, 6, 262];
/// The default one, UDP, and ping's ICMP.
const DATAGRAM_PROTOCOLS: [u64; 4] = [0, 17, 1, 58];

/// socket(2) and socketpair(2) of the default profile.
///
/// AF_ALG (CVE-2026-31431), AF_PACKET (CVE-2020-14386), AF_VSOCK (it leads out of a virtual machine) and all other
/// families are as if the kernel lacked them.
pub(super) fn sockets(capabilities: CapSet) -> Vec<Rule> {
    let has = |name: &str| name.parse().is_ok_and(|capability| capabilities.contains(capability));
    let mut rules = local_sockets();
    for inet in [family::INET, family::INET6] {
        let of = |kind| [(0, INT, inet), (1, SOCKET_TYPE, kind)];
        let transports = STREAM_PROTOCOLS.map(|p| (STREAM, p)).into_iter();
        for (kind, protocol) in transports.chain(DATAGRAM_PROTOCOLS.map(|p| (DATAGRAM, p))) {
            let [family, kind] = of(kind);
            rules.push(rule("socket", Action::Allow, &[family, kind, (2, INT, protocol)]));
        }
        let raw = if has("CAP_NET_RAW") { Action::Allow } else { EPERM };
        rules.push(rule("socket", raw, &of(RAW)));
        // Also type 10, which the kernel takes for AF_PACKET.
        rules.push(rule("socket", EPROTONOSUPPORT, &[(0, INT, inet)]));
    }
    let admins = NETLINK_FOR_ADMINS.into_iter().filter(|_| has("CAP_NET_ADMIN"));
    for protocol in NETLINK_FOR_ALL.into_iter().chain(admins) {
        rules.push(rule("socket", Action::Allow, &[(0, INT, family::NETLINK), (2, INT, protocol)]));
    }
    rules.push(rule("socket", EPROTONOSUPPORT, &[(0, INT, family::NETLINK)]));
    // Both: what a container gets for sending pings should not bring packet sockets along.
    if has("CAP_NET_ADMIN") && has("CAP_NET_RAW") {
        rules.push(rule("socket", Action::Allow, &[(0, INT, family::PACKET)]));
    }
    rules.push(rule("socket", EAFNOSUPPORT, &[]));
    rules
}

/// AF_UNIX: all that the strict profile has.
pub(super) fn local_sockets_only() -> Vec<Rule> {
    let mut rules = local_sockets();
    rules.push(rule("socket", EAFNOSUPPORT, &[]));
    rules
}

fn local_sockets() -> Vec<Rule> {
    vec![
        rule("socket", Action::Allow, &[(0, INT, family::UNIX)]),
        rule("socketpair", Action::Allow, &[(0, INT, family::UNIX)]),
        rule("socketpair", EAFNOSUPPORT, &[]),
    ]
}

/// `CLONE_NEWUSER`
const NEW_USER: u64 = 0x1000_0000;
/// `CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET`
const OTHER_NEW: u64 = 0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x2000_0000 | 0x4000_0000;
/// `CLONE_NEWTIME`, which clone(2) takes for a part of the exit signal.
const NEW_TIME: u64 = 0x80;

/// `CLONE_PARENT`: the child of a process that entered the container (`exec`) would be the host's `cofferdam exec`'s or, after
/// that, the host's first process's, from where its end is told and its parent looks like one that put it there. No C library
/// and no language's runtime makes such children. clone3(2), whose flags a filter cannot see, is refused as if the kernel
/// lacked it.
const SIBLING: u64 = 0x8000;

/// clone(2) and unshare(2): new namespaces go with CAP_SYS_ADMIN, and a new user namespace never. It hands out all
/// capabilities over new namespaces, and with them the code that most escapes through the kernel began in.
pub(super) fn namespaces(capabilities: CapSet) -> Vec<Rule> {
    let admin = "CAP_SYS_ADMIN".parse().is_ok_and(|capability| capabilities.contains(capability));
    let (clone, unshare) =
        if admin { (NEW_USER, NEW_USER) } else { (NEW_USER | OTHER_NEW, NEW_USER | OTHER_NEW | NEW_TIME) };
    vec![
        rule("clone", Action::Allow, &[(0, clone | SIBLING, 0)]),
        // Own descriptor table, own working directory: what threads of file servers do.
        rule("unshare", Action::Allow, &[(0, unshare, 0)]),
    ]
}

/// ioctl(2) requests that put input into a terminal whose other end may be a host's shell, or load the kernel's line disciplines
/// (CVE-2017-2636, CVE-2023-6546).
const TERMINAL_INPUT: [u64; 3] = [
    0x5412, // TIOCSTI
    0x541C, // TIOCLINUX
    0x5423, // TIOCSETD
];

/// ioctl(2) but for [`TERMINAL_INPUT`]. What else there is depends on the devices, which the device cgroup bounds.
pub(super) fn ioctl() -> Vec<Rule> {
    let refused = TERMINAL_INPUT.map(|request| rule("ioctl", EPERM, &[(1, INT, request)]));
    refused.into_iter().chain([rule("ioctl", Action::Allow, &[])]).collect()
}

/// personality(2): Linux (0), `setarch`'s 32-bit variant (8), 2.6 version numbers (0x20000), both, and the question.
/// Not those that make memory executable or fixed in place.
pub(super) fn personality() -> Vec<Rule> {
    [0, 8, 0x2_0000, 0x2_0008, INT]
        .map(|persona| rule("personality", Action::Allow, &[(0, INT, persona)]))
        .into_iter()
        .collect()
}

/// `S_IFMT`, in the 16 bits that the kernel takes of a mode.
const FILE_TYPE: u64 = 0xF000;

/// mknod(2): files, pipes and sockets; of devices only overlayfs's whiteout, 0:0, unless the container has CAP_MKNOD.
pub(super) fn mknod(capabilities: CapSet) -> Vec<Rule> {
    if "CAP_MKNOD".parse().is_ok_and(|capability| capabilities.contains(capability)) {
        return vec![rule("mknod", Action::Allow, &[]), rule("mknodat", Action::Allow, &[])];
    }
    let mut rules = Vec::new();
    for (name, mode) in [("mknod", 1), ("mknodat", 2)] {
        for plain in [0, 0x8000, 0x1000, 0xC000] {
            rules.push(rule(name, Action::Allow, &[(mode, FILE_TYPE, plain)]));
        }
        rules.push(rule(name, Action::Allow, &[(mode, FILE_TYPE, 0x2000), (mode + 1, INT, 0)]));
    }
    rules
}
