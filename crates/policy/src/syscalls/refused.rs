//! Calls that are refused with more than the default's EPERM, or that are worth a word on why they are missing.

use super::calls::{Calls, calls};

/// What a refused call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// As a kernel without the call: programs fall back to an older one.
    Enosys,
    /// As for a call without permission.
    Eperm,
}

/// Calls that are refused, whatever a container may do otherwise.
pub(super) struct Refusal {
    pub answer: Answer,
    pub reason: &'static str,
    pub calls: Calls,
}

pub(super) const REFUSALS: &[Refusal] = &[
    Refusal {
        answer: Answer::Enosys,
        reason: "Its arguments are in memory, where a filter can't look: it would make any socket (32-bit entry only). \
                 C libraries of the last ten years call socket itself.",
        calls: calls!["socketcall"],
    },
    Refusal {
        answer: Answer::Enosys,
        reason: "Its flags are in memory: it would make user namespaces. C libraries fall back to clone.",
        calls: calls!["clone3"],
    },
    Refusal {
        answer: Answer::Enosys,
        reason: "Its requests run past the filter, and it had more holes of the kernel than any other interface of its age.",
        calls: calls!["io_uring_enter", "io_uring_register", "io_uring_setup"],
    },
    Refusal {
        answer: Answer::Enosys,
        reason: "Pages that are handed to pipes and secret memory: little used, and pipe pages have been a way to write to \
                 other people's files (CVE-2022-0847).",
        calls: calls!["memfd_secret", "vmsplice"],
    },
    Refusal {
        answer: Answer::Enosys,
        reason: "New forms of old calls that no C library needs yet: less code to reach.",
        calls: calls![
            "cachestat",
            "futex_requeue",
            "futex_wait",
            "futex_wake",
            "getxattrat",
            "listxattrat",
            "removexattrat",
            "setxattrat",
        ],
    },
    Refusal {
        answer: Answer::Enosys,
        reason: "New questions about mounts and security modules; libraries fall back to /proc.",
        calls: calls![
            "listmount",
            "listns",
            "lsm_get_self_attr",
            "lsm_list_modules",
            "lsm_set_self_attr",
            "statmount",
        ],
    },
    Refusal {
        answer: Answer::Enosys,
        reason: "The new mount interface: unprivileged in a user namespace, and the way in of CVE-2022-0185. mount(8) falls \
                 back to mount(2), which is refused too.",
        calls: calls![
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "mount_setattr",
            "move_mount",
            "open_tree",
            "open_tree_attr",
        ],
    },
    Refusal {
        answer: Answer::Eperm,
        reason: "Keyrings are not kept apart by namespaces.",
        calls: calls!["add_key", "keyctl", "request_key"],
    },
    Refusal {
        answer: Answer::Eperm,
        reason: "Page faults handled by the program: the tool that makes races in the kernel winnable.",
        calls: calls!["userfaultfd"],
    },
    Refusal {
        answer: Answer::Eperm,
        reason: "Programs and counters inside the kernel.",
        calls: calls!["bpf", "perf_event_open"],
    },
    Refusal {
        answer: Answer::Eperm,
        reason: "Descriptor tables and 16-bit code of another time; their checks were wrong more than once.",
        calls: calls!["modify_ldt", "vm86", "vm86old"],
    },
    Refusal {
        answer: Answer::Eperm,
        reason: "A new kernel, and swap space: the host's alone, whatever the capabilities.",
        calls: calls!["kexec_file_load", "kexec_load", "swapoff", "swapon"],
    },
];
