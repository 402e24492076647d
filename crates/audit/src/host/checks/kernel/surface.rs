//! The kernel's configuration: parts that a container host seldom needs and an attacker often does.

use super::table::{ANY, Theme, X86, theme};
use crate::control::{Gain, Severity};

const AREA: &str = "kernel surface";
const KSPP: &str = "Kspp kernel options";

pub(super) fn themes() -> Vec<Theme> {
    vec![
        theme(
            AREA,
            "Each of these lets root on the host read or write the kernel's memory, and so undo every wall between containers.",
            (Severity::Medium, Gain::HostRoot),
            KSPP,
            ANY,
            "
            !DEVKMEM
            !DEVMEM
            !DEVPORT
            STRICT_DEVMEM | !DEVMEM
            IO_STRICT_DEVMEM | !DEVMEM
            !ACPI_CUSTOM_METHOD
            !ACPI_TABLE_UPGRADE
            !ACPI_CONFIGFS
            !EFI_CUSTOM_SSDT_OVERLAYS
            !EFI_TEST
            !PROC_KCORE
            !PROC_VMCORE
            !PROVIDE_OHCI1394_DMA_INIT
            !BLK_DEV_WRITE_MOUNTED",
        ),
        theme(
            AREA,
            "Each of these replaces the running kernel or its image with another one.",
            (Severity::Low, Gain::HostRoot),
            KSPP,
            ANY,
            "
            !KEXEC
            !KEXEC_FILE
            !HIBERNATION
            !LIVEPATCH
            !CRASH_DUMP
            !CRASH_DM_CRYPT",
        ),
        theme(
            AREA,
            "Unprivileged eBPF has been a way out of containers more than once; only privileged programs should be let in.",
            (Severity::High, Gain::KernelReach),
            KSPP,
            ANY,
            "
            BPF_UNPRIV_DEFAULT_OFF | !BPF_SYSCALL",
        ),
        theme(
            AREA,
            "These system calls and interfaces carry a large part of the kernel bugs that containers were escaped with, and few programs need them.",
            (Severity::Low, Gain::KernelReach),
            KSPP,
            ANY,
            "
            !IO_URING
            !USERFAULTFD
            -BPF_SYSCALL: !BPF_SYSCALL | BPF_UNPRIV_DEFAULT_OFF
            !AIO
            !KCMP
            !RSEQ
            !CACHESTAT_SYSCALL
            !USELIB
            !BINFMT_MISC
            !BINFMT_AOUT
            !CRYPTO_USER_API
            !CRYPTO_USER_API_ENABLE_OBSOLETE
            !CRYPTO_USER_API_AEAD
            !CRYPTO_USER_API_HASH
            !CRYPTO_USER_API_RNG
            !CRYPTO_USER_API_RNG_CAVP
            !CRYPTO_USER_API_SKCIPHER
            !INET_DIAG
            !MPTCP
            !TLS
            !TIPC
            !IP_SCTP
            !IP_DCCP
            !SMB_SERVER
            !BLK_DEV_UBLK
            !KSM
            -CHECKPOINT_RESTORE: !CHECKPOINT_RESTORE | SECCOMP_FILTER",
        ),
        theme(
            AREA,
            "Old terminal interfaces let a process put words into the terminal of whoever looks at the container.",
            (Severity::Medium, Gain::Foothold),
            KSPP,
            ANY,
            "
            !LEGACY_TIOCSTI
            !LEGACY_PTYS
            LDISC_AUTOLOAD: !LDISC_AUTOLOAD & LDISC_AUTOLOAD?
            !N_GSM
            !VT
            !FB",
        ),
        theme(
            AREA,
            "A second set of system calls for older programs doubles what a container can aim at, and filters have missed it before.",
            (Severity::Low, Gain::KernelReach),
            KSPP,
            X86,
            "
            !COMPAT
            !IA32_EMULATION
            !X86_X32
            !X86_X32_ABI
            !OABI_COMPAT
            !MODIFY_LDT_SYSCALL
            !X86_16BIT
            X86_VSYSCALL_EMULATION: !X86_VSYSCALL_EMULATION | LEGACY_VSYSCALL_NONE
            !COMPAT_VDSO
            !COMPAT_BRK
            !X86_MSR
            !X86_CPUID
            !X86_IOPL_IOPERM
            !M486",
        ),
        theme(
            AREA,
            "The kernel's log and its addresses tell a container's exploit where to aim.",
            (Severity::Medium, Gain::Information),
            KSPP,
            ANY,
            "
            SECURITY_DMESG_RESTRICT",
        ),
        theme(
            AREA,
            "Interfaces for tracing and debugging show and change what the kernel does, for all containers at once.",
            (Severity::Low, Gain::Information),
            KSPP,
            ANY,
            "
            !DEBUG_FS
            !KALLSYMS
            !KPROBES
            !KPROBE_EVENTS
            !UPROBE_EVENTS
            !FTRACE
            !FUNCTION_TRACER
            !GENERIC_TRACER
            !STACK_TRACER
            !HIST_TRIGGERS
            !PREEMPTIRQ_TRACEPOINTS
            !ENABLE_DEFAULT_TRACERS
            !BLK_DEV_IO_TRACE
            !MMIOTRACE
            !PROC_PAGE_MONITOR
            !MEM_SOFT_DIRTY
            !LATENCYTOP
            !SUNRPC_DEBUG
            !ZSMALLOC_STAT
            !XFS_ONLINE_SCRUB_STATS
            !SECCOMP_CACHE_DEBUG
            !PTDUMP_DEBUGFS
            !X86_PTDUMP
            !ARM_PTDUMP_DEBUGFS
            !ARM_PTDUMP
            !CORESIGHT
            !COREDUMP",
        ),
        theme(
            AREA,
            "Parts made for testing the kernel break its rules on purpose; on a host that runs other people's containers they are loaded weapons.",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            ANY,
            "
            !LKDTM
            !FAULT_INJECTION
            !FAIL_FUTEX
            !NOTIFIER_ERROR_INJECTION
            !HWPOISON_INJECT
            !KCOV
            !KGDB
            !DEBUG_KMEMLEAK
            !PROVE_LOCKING
            !TEST_DEBUG_VIRTUAL
            !MMIOTRACE_TEST
            !DEBUG_CLOSURES
            !BCACHE_CLOSURES_DEBUG
            !EDAC_DEBUG
            !PUNIT_ATOM_DEBUG
            !DRM_I915_DEBUG
            !INPUT_EVBUG
            !VIDEO_VIVID",
        ),
        theme(
            AREA,
            "Drivers that nobody keeps in order any more are attack surface that a container host has no use for.",
            (Severity::Low, Gain::KernelReach),
            KSPP,
            ANY,
            "
            !STAGING
            !DRM_LEGACY
            !NOUVEAU_LEGACY_CTX_SUPPORT
            !BLK_DEV_FD
            !BLK_DEV_FD_RAWCMD
            !DVB_C8SECTPFE
            !MTD_SLRAM
            !MTD_PHRAM
            !XFS_SUPPORT_V4",
        ),
        theme(
            AREA,
            "The magic keys kill, dump and reboot; from a serial console they need no login.",
            (Severity::Low, Gain::Denial),
            KSPP,
            ANY,
            "
            MAGIC_SYSRQ: !MAGIC_SYSRQ | MAGIC_SYSRQ_DEFAULT_ENABLE=0x0
            MAGIC_SYSRQ_SERIAL: !MAGIC_SYSRQ_SERIAL | MAGIC_SYSRQ_DEFAULT_ENABLE=0x0",
        ),
    ]
}
