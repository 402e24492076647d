//! The calls that a container gets together with a capability. Without it the kernel would refuse them too, mostly;
//! the filter keeps their code out of reach.

use super::calls::{Calls, calls};

/// Calls that are allowed beside a capability.
pub(super) struct Grant {
    pub capability: &'static str,
    /// What they are for.
    pub reason: &'static str,
    pub calls: Calls,
}

pub(super) const GRANTS: &[Grant] = &[
    Grant {
        capability: "CAP_SYS_ADMIN",
        reason: "Mount file systems, enter namespaces, name the machine, set quotas, watch whole file systems.",
        calls: calls![
            "bpf",
            "fanotify_init",
            "fanotify_mark",
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "listmount",
            "mount",
            "mount_setattr",
            "move_mount",
            "open_tree",
            "open_tree_attr",
            "perf_event_open",
            "pivot_root",
            "quotactl",
            "quotactl_fd",
            "setdomainname",
            "sethostname",
            "setns",
            "statmount",
            "syslog",
            "umount",
            "umount2",
        ],
    },
    Grant {
        capability: "CAP_SYS_PTRACE",
        reason: "Look into other processes without stopping them.",
        calls: calls!["kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev"],
    },
    Grant {
        capability: "CAP_DAC_READ_SEARCH",
        reason: "Open files by handle. With it a container without a user namespace reads any file of the file system.",
        calls: calls!["name_to_handle_at", "open_by_handle_at"],
    },
    Grant { capability: "CAP_SYS_CHROOT", reason: "Change the root folder.", calls: calls!["chroot"] },
    Grant {
        capability: "CAP_SYS_NICE",
        reason: "Memory policy and moving pages between nodes.",
        calls: calls![
            "get_mempolicy",
            "mbind",
            "migrate_pages",
            "move_pages",
            "set_mempolicy",
            "set_mempolicy_home_node",
        ],
    },
    Grant {
        capability: "CAP_SYS_TIME",
        reason: "Set the clock.",
        calls: calls!["clock_settime", "clock_settime64", "settimeofday", "stime"],
    },
    Grant {
        capability: "CAP_SYS_BOOT",
        reason: "End the pid namespace as a machine is rebooted: what a system container's init does.",
        calls: calls!["reboot"],
    },
    Grant {
        capability: "CAP_SYS_MODULE",
        reason: "Load kernel modules: only for the host's own user namespace.",
        calls: calls!["delete_module", "finit_module", "init_module"],
    },
    Grant { capability: "CAP_SYS_PACCT", reason: "Process accounting.", calls: calls!["acct"] },
    Grant { capability: "CAP_SYS_RAWIO", reason: "I/O ports.", calls: calls!["ioperm", "iopl"] },
    Grant { capability: "CAP_SYS_TTY_CONFIG", reason: "Hang up the terminal.", calls: calls!["vhangup"] },
    Grant { capability: "CAP_SYSLOG", reason: "Read the kernel's log.", calls: calls!["syslog"] },
    Grant { capability: "CAP_BPF", reason: "Load BPF programs.", calls: calls!["bpf"] },
    Grant { capability: "CAP_PERFMON", reason: "Performance counters.", calls: calls!["perf_event_open"] },
];
