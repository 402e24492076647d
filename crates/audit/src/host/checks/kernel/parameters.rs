//! Parameters below `/proc/sys`.

use super::table::{ANY, Theme, theme};
use crate::control::{Gain, Severity};

const AREA: &str = "kernel parameters";
const KSPP: &str = "Kspp sysctls\nLynis KRNL-6000";
const NET: &str = "CisLinux 3.3\nLynis KRNL-6000";

pub(super) fn themes() -> Vec<Theme> {
    vec![
        theme(
            AREA,
            "Unprivileged eBPF has been a way out of containers more than once (CVE-2020-8835, CVE-2021-3490, CVE-2022-23222).",
            (Severity::High, Gain::KernelReach),
            KSPP,
            ANY,
            "
            sys:kernel.unprivileged_bpf_disabled>=1 | sys:!kernel.unprivileged_bpf_disabled",
        ),
        theme(
            AREA,
            "The compiler of BPF programs is a place where a container can put code of its own into the kernel, unless constants are blinded.",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            ANY,
            "
            sys:net.core.bpf_jit_harden=2 | sys:!net.core.bpf_jit_harden",
        ),
        theme(
            AREA,
            "io_uring reaches much of the kernel past the system call filter, and carried many of the escapes of recent years.",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            ANY,
            "
            sys:kernel.io_uring_disabled>=1 | !IO_URING",
        ),
        theme(
            AREA,
            "With userfaultfd a process holds the kernel still in the middle of a copy, which makes races in it easy to win.",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            ANY,
            "
            sys:vm.unprivileged_userfaultfd=0 | sys:!vm.unprivileged_userfaultfd",
        ),
        theme(
            AREA,
            "Addresses of the kernel, which its log and its symbols give away, are what an exploit from a container needs first.",
            (Severity::Medium, Gain::Information),
            KSPP,
            ANY,
            "
            sys:kernel.kptr_restrict>=1
            sys:kernel.dmesg_restrict=1
            sys:kernel.randomize_va_space=2",
        ),
        theme(
            AREA,
            "Performance counters let a process watch others and reach a large, bug-prone part of the kernel.",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            ANY,
            "
            sys:kernel.perf_event_paranoid>=2 | sys:!kernel.perf_event_paranoid",
        ),
        theme(
            AREA,
            "A process that may trace its siblings takes over everything else that runs as the same user, outside the container as well.",
            (Severity::Medium, Gain::Foothold),
            KSPP,
            ANY,
            "
            sys:kernel.yama.ptrace_scope>=1",
        ),
        theme(
            AREA,
            "A line discipline that loads itself, or a terminal that takes pushed input, turns a terminal in a container against the host (CVE-2017-2636).",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            ANY,
            "
            sys:dev.tty.ldisc_autoload=0
            sys:dev.tty.legacy_tiocsti=0 | !LEGACY_TIOCSTI & LEGACY_TIOCSTI?",
        ),
        theme(
            AREA,
            "Whoever becomes root on the host could start a kernel of their own, or load code into this one.",
            (Severity::Medium, Gain::HostRoot),
            KSPP,
            ANY,
            "
            sys:kernel.kexec_load_disabled=1 | sys:!kernel.kexec_load_disabled",
        ),
        theme(
            AREA,
            "A host that has all its modules loaded can close the door behind them: nothing that escapes can add kernel code any more.",
            (Severity::Low, Gain::HostRoot),
            KSPP,
            ANY,
            "
            sys:kernel.modules_disabled=1 | sys:!kernel.modules_disabled",
        ),
        theme(
            AREA,
            "An exploit that may crash the kernel's threads again and again wins its race in the end; a limit stops the host instead.",
            (Severity::Low, Gain::KernelReach),
            KSPP,
            ANY,
            "
            sys:kernel.oops_limit<=100 & sys:kernel.oops_limit>=1 | sys:kernel.panic_on_oops=1
            sys:kernel.warn_limit<=100 & sys:kernel.warn_limit>=1 | sys:kernel.panic_on_warn=1",
        ),
        theme(
            AREA,
            "The magic keys kill, dump and reboot without a login.",
            (Severity::Low, Gain::Denial),
            KSPP,
            ANY,
            "
            sys:kernel.sysrq=0 | sys:kernel.sysrq=4 | sys:kernel.sysrq=16 | sys:!kernel.sysrq",
        ),
        theme(
            AREA,
            "Links, FIFOs and files that another user planted in a shared folder are a classic way to make a host's root process write where a container wants.",
            (Severity::High, Gain::HostRoot),
            KSPP,
            ANY,
            "
            sys:fs.protected_symlinks=1
            sys:fs.protected_hardlinks=1
            sys:fs.protected_fifos>=1
            sys:fs.protected_regular>=1",
        ),
        theme(
            AREA,
            "The core dump of a set-id program holds secrets; where it is written as root, a container can place it.",
            (Severity::Medium, Gain::OtherTenants),
            KSPP,
            ANY,
            "
            sys:fs.suid_dumpable=0 | sys:fs.suid_dumpable=2",
        ),
        theme(
            AREA,
            "Memory that is placed at random, and nothing at the bottom of it, keeps an exploit guessing.",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            ANY,
            "
            sys:vm.mmap_min_addr>=65536
            sys:vm.mmap_rnd_bits>=32 | sys:!vm.mmap_rnd_bits
            sys:vm.mmap_rnd_compat_bits>=16 | sys:!vm.mmap_rnd_compat_bits | !COMPAT",
        ),
        theme(
            AREA,
            "AppArmor can keep unconfined programs from reaching what only a user namespace opens to them, such as a container's own.",
            (Severity::Low, Gain::KernelReach),
            "",
            ANY,
            "
            sys:kernel.apparmor_restrict_unprivileged_unconfined=1 | sys:!kernel.apparmor_restrict_unprivileged_unconfined
            +sys:kernel.apparmor_restrict_unprivileged_userns=1 | sys:!kernel.apparmor_restrict_unprivileged_userns",
        ),
        theme(
            "network parameters",
            "A container on the host's network, or a neighbour on its wire, could otherwise bend where the host's packets go.",
            (Severity::Medium, Gain::OtherTenants),
            NET,
            ANY,
            "
            sys:net.ipv4.icmp_ignore_bogus_error_responses=1
            sys:net.ipv4.icmp_echo_ignore_broadcasts=1
            sys:net.ipv4.conf.all.accept_redirects=0
            sys:net.ipv4.conf.default.accept_redirects=0
            sys:net.ipv6.conf.all.accept_redirects=0 | sys:!net.ipv6.conf.all.accept_redirects
            sys:net.ipv6.conf.default.accept_redirects=0 | sys:!net.ipv6.conf.default.accept_redirects
            sys:net.ipv4.conf.all.accept_source_route=0
            sys:net.ipv4.conf.default.accept_source_route=0
            sys:net.ipv6.conf.all.accept_source_route<=0 | sys:net.ipv6.conf.all.accept_source_route=-1 | sys:!net.ipv6.conf.all.accept_source_route
            sys:net.ipv6.conf.default.accept_source_route<=0 | sys:net.ipv6.conf.default.accept_source_route=-1 | sys:!net.ipv6.conf.default.accept_source_route
            sys:net.ipv6.conf.all.accept_ra=0 | sys:!net.ipv6.conf.all.accept_ra
            sys:net.ipv6.conf.default.accept_ra=0 | sys:!net.ipv6.conf.default.accept_ra
            sys:net.ipv4.tcp_syncookies=1
            +sys:net.ipv4.conf.all.send_redirects=0
            +sys:net.ipv4.conf.default.send_redirects=0
            +sys:net.ipv4.conf.all.secure_redirects=0
            +sys:net.ipv4.conf.default.secure_redirects=0
            +sys:net.ipv4.conf.all.rp_filter>=1
            +sys:net.ipv4.conf.all.bootp_relay=0
            +sys:net.ipv4.conf.all.proxy_arp=0
            +sys:net.ipv4.conf.all.log_martians=1
            +sys:net.ipv4.conf.default.log_martians=1
            +sys:net.ipv4.conf.all.mc_forwarding=0 | sys:!net.ipv4.conf.all.mc_forwarding",
        ),
        theme(
            "network parameters",
            "A route to 127.0.0.0/8 from outside opens services that only listen to the host itself to containers (CVE-2020-8558).",
            (Severity::High, Gain::HostRoot),
            "",
            ANY,
            "
            +sys:net.ipv4.conf.all.route_localnet=0
            +sys:net.ipv4.conf.default.route_localnet=0",
        ),
        theme(
            "network parameters",
            "Bridged traffic between containers passes the host's packet filter only if the bridge is told to show it.",
            (Severity::Low, Gain::OtherTenants),
            "CisDocker 2.2",
            ANY,
            "
            +sys:net.bridge.bridge-nf-call-iptables=1 | sys:!net.bridge.bridge-nf-call-iptables
            +sys:net.bridge.bridge-nf-call-ip6tables=1 | sys:!net.bridge.bridge-nf-call-ip6tables",
        ),
        theme(
            AREA,
            "Programs that open or map without end should meet a limit before they take the host from the other containers.",
            (Severity::Low, Gain::Denial),
            "Nist800190 4.4.3",
            ANY,
            "
            +sys:kernel.pid_max>=32768
            +sys:fs.mount-max<=100000
            +sys:kernel.keys.maxkeys<=2000 | sys:!kernel.keys.maxkeys
            +sys:kernel.panic>=1",
        ),
    ]
}
