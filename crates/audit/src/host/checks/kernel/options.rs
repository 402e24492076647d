//! The kernel's configuration: memory safety, its own integrity, its security modules.
//!
//! What is looked at and the values are those of the Kernel Self Protection Project and of kernel-hardening-checker, where
//! containers do not need something else (see docs/audit-coverage.md).

use super::table::{ANY, ARM64, Theme, X86, theme};
use crate::control::{Gain, Severity};

const AREA: &str = "kernel options";
const KSPP: &str = "Kspp kernel options";
const KSPP_NIST: &str = "Kspp kernel options\nNist800190 4.5.3";

pub(super) fn themes() -> Vec<Theme> {
    vec![
        theme(
            AREA,
            "Containers share one heap in the kernel; a hardened allocator makes an overflow or a use after free in it much harder to turn into an escape.",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            ANY,
            "
            SLAB_FREELIST_HARDENED
            SLAB_FREELIST_RANDOM
            !SLAB_MERGE_DEFAULT
            RANDOM_KMALLOC_CACHES
            SLAB_BUCKETS
            SHUFFLE_PAGE_ALLOCATOR
            SLUB_DEBUG
            INIT_ON_ALLOC_DEFAULT_ON
            INIT_ON_FREE_DEFAULT_ON | PAGE_POISONING_ZERO
            KFENCE
            KFENCE_SAMPLE_INTERVAL=100 & KFENCE
            PAGE_TABLE_CHECK
            PAGE_TABLE_CHECK_ENFORCED
            RANDSTRUCT_FULL | GCC_PLUGIN_RANDSTRUCT",
        ),
        theme(
            AREA,
            "A system call that copies too much to or from a container's memory is a common way to read or overwrite the kernel; these options check the bounds.",
            (Severity::High, Gain::KernelReach),
            KSPP,
            ANY,
            "
            HARDENED_USERCOPY
            HARDENED_USERCOPY_DEFAULT_ON & HARDENED_USERCOPY | HARDENED_USERCOPY & <6.15.0
            HARDENED_USERCOPY_FALLBACK: !HARDENED_USERCOPY_FALLBACK & HARDENED_USERCOPY
            HARDENED_USERCOPY_PAGESPAN: !HARDENED_USERCOPY_PAGESPAN & HARDENED_USERCOPY
            FORTIFY_SOURCE",
        ),
        theme(
            AREA,
            "Kernel stacks that are guarded, moved and wiped leave a container's exploit less to overwrite and less to read.",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            ANY,
            "
            STACKPROTECTOR | CC_STACKPROTECTOR | CC_STACKPROTECTOR_REGULAR | CC_STACKPROTECTOR_AUTO | CC_STACKPROTECTOR_STRONG
            STACKPROTECTOR_STRONG | CC_STACKPROTECTOR_STRONG
            THREAD_INFO_IN_TASK
            VMAP_STACK
            SCHED_STACK_END_CHECK | VMAP_STACK
            INIT_STACK_ALL_ZERO | GCC_PLUGIN_STRUCTLEAK & GCC_PLUGIN_STRUCTLEAK_BYREF_ALL
            RANDOMIZE_KSTACK_OFFSET_DEFAULT
            KSTACK_ERASE | GCC_PLUGIN_STACKLEAK
            KSTACK_ERASE_METRICS: !KSTACK_ERASE_METRICS & !STACKLEAK_METRICS & KSTACK_ERASE | !KSTACK_ERASE_METRICS & !STACKLEAK_METRICS & GCC_PLUGIN_STACKLEAK
            KSTACK_ERASE_RUNTIME_DISABLE: !KSTACK_ERASE_RUNTIME_DISABLE & !STACKLEAK_RUNTIME_DISABLE & KSTACK_ERASE | !KSTACK_ERASE_RUNTIME_DISABLE & !STACKLEAK_RUNTIME_DISABLE & GCC_PLUGIN_STACKLEAK
            ZERO_CALL_USED_REGS
            GCC_PLUGIN_LATENT_ENTROPY & CC_IS_GCC",
        ),
        theme(
            AREA,
            "A kernel that finds its own data damaged should stop, not carry on in the hands of the container that damaged it.",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            ANY,
            "
            BUG
            BUG_ON_DATA_CORRUPTION
            LIST_HARDENED | DEBUG_LIST
            DEBUG_VIRTUAL
            DEBUG_SG
            DEBUG_CREDENTIALS | >=6.6.8
            DEBUG_NOTIFIERS | CFI_CLANG & !CFI_PERMISSIVE & CC_IS_CLANG
            REFCOUNT_FULL | >=5.4.208
            UBSAN_BOUNDS
            UBSAN_LOCAL_BOUNDS | UBSAN_BOUNDS & CC_IS_GCC
            UBSAN_TRAP & UBSAN_BOUNDS & !UBSAN_SHIFT & !UBSAN_DIV_ZERO & !UBSAN_UNREACHABLE & !UBSAN_SIGNED_WRAP & !UBSAN_INTEGER_WRAP & !UBSAN_BOOL & !UBSAN_ENUM & !UBSAN_ALIGNMENT
            UBSAN_SANITIZE_ALL | UBSAN_BOUNDS & >=6.9.0",
        ),
        theme(
            AREA,
            "Kernel code that cannot be written and data that cannot be run take away the last step of most kernel exploits.",
            (Severity::High, Gain::KernelReach),
            KSPP_NIST,
            ANY,
            "
            STRICT_KERNEL_RWX | DEBUG_RODATA
            STRICT_MODULE_RWX | DEBUG_SET_MODULE_RONX | !MODULES
            RANDOMIZE_BASE
            DEBUG_WX",
        ),
        theme(
            AREA,
            "Control-flow integrity keeps a damaged function pointer from leading an exploit to where it wants to go.",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            X86,
            "
            CFI_CLANG & CC_IS_CLANG | CFI & CC_IS_CLANG
            CFI_PERMISSIVE: !CFI_PERMISSIVE & CFI_CLANG & CC_IS_CLANG | !CFI_PERMISSIVE & CFI & CC_IS_CLANG
            CFI_AUTO_DEFAULT: !CFI_AUTO_DEFAULT & CFI_AUTO_DEFAULT?
            X86_KERNEL_IBT
            RANDOMIZE_MEMORY
            X86_SMAP | >=5.19.0
            X86_UMIP | X86_INTEL_UMIP
            WERROR
            X86_USER_SHADOW_STACK",
        ),
        theme(
            AREA,
            "The low pages stay unmapped, so that a null pointer in the kernel cannot be aimed at memory that a container filled.",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            X86,
            "
            DEFAULT_MMAP_MIN_ADDR=65536
            LSM_MMAP_MIN_ADDR=65536",
        ),
        theme(
            AREA,
            "Without these the kernel cannot keep the contents of other containers' memory from speculation on a shared processor.",
            (Severity::High, Gain::OtherTenants),
            KSPP,
            X86,
            "
            CPU_MITIGATIONS | SPECULATION_MITIGATIONS
            MICROCODE
            MICROCODE_INTEL | !CPU_SUP_INTEL | MICROCODE & >=6.6.0
            MICROCODE_AMD | !CPU_SUP_AMD | MICROCODE & >=6.6.0
            MITIGATION_SPECTRE_V1
            MITIGATION_SPECTRE_V2
            MITIGATION_SSB
            MITIGATION_RETPOLINE | RETPOLINE
            MITIGATION_GDS | !CPU_SUP_INTEL
            MITIGATION_RFDS | !CPU_SUP_INTEL
            MITIGATION_SPECTRE_BHI | !CPU_SUP_INTEL
            MITIGATION_MDS | !CPU_SUP_INTEL
            MITIGATION_TAA | !CPU_SUP_INTEL
            MITIGATION_MMIO_STALE_DATA | !CPU_SUP_INTEL
            MITIGATION_L1TF | !CPU_SUP_INTEL
            MITIGATION_RETBLEED | !CPU_SUP_INTEL
            MITIGATION_SRBDS | !CPU_SUP_INTEL
            MITIGATION_ITS | !CPU_SUP_INTEL
            MITIGATION_TSA | !CPU_SUP_AMD
            MITIGATION_VMSCAPE | !KVM
            MITIGATION_RETHUNK
            MITIGATION_PAGE_TABLE_ISOLATION | PAGE_TABLE_ISOLATION
            MITIGATION_UNRET_ENTRY | !CPU_SUP_AMD
            MITIGATION_CALL_DEPTH_TRACKING | !CPU_SUP_INTEL
            MITIGATION_IBPB_ENTRY | !CPU_SUP_AMD
            MITIGATION_IBRS_ENTRY | !CPU_SUP_INTEL
            MITIGATION_SRSO | CPU_SRSO | !CPU_SUP_AMD
            MITIGATION_SLS | SLS
            X86_INTEL_TSX_MODE_OFF | !CPU_SUP_INTEL",
        ),
        theme(
            AREA,
            "Core scheduling keeps two containers that do not trust each other off the two threads of one processor core.",
            (Severity::Low, Gain::OtherTenants),
            KSPP,
            ANY,
            "
            SCHED_CORE",
        ),
        theme(
            AREA,
            "A machine check that is not reported lets a container work on with damaged memory.",
            (Severity::Low, Gain::Denial),
            KSPP,
            X86,
            "
            X86_MCE
            X86_MCE_INTEL | !CPU_SUP_INTEL
            X86_MCE_AMD | !CPU_SUP_AMD",
        ),
        theme(
            AREA,
            "A device that is handed to a container can write to any memory of the host unless an IOMMU stands between.",
            (Severity::Medium, Gain::HostRoot),
            KSPP,
            X86,
            "
            IOMMU_SUPPORT
            !IOMMU_DEFAULT_PASSTHROUGH
            IOMMU_DEFAULT_DMA_STRICT
            !IOMMU_DEFAULT_DMA_LAZY
            INTEL_IOMMU & IOMMU_SUPPORT
            INTEL_IOMMU_DEFAULT_ON & IOMMU_SUPPORT
            INTEL_IOMMU_SVM & IOMMU_SUPPORT
            AMD_IOMMU & IOMMU_SUPPORT
            AMD_IOMMU_V2 | >=6.7.0
            EFI_DISABLE_PCI_DMA | !EFI
            RESET_ATTACK_MITIGATION | !EFI",
        ),
        theme(
            AREA,
            "Keys and addresses that are random from the start are what all other hiding rests on.",
            (Severity::Low, Gain::Information),
            KSPP,
            ANY,
            "
            HW_RANDOM_TPM",
        ),
        theme(
            AREA,
            "A module is kernel code: whoever can load an unsigned one owns every container on the host.",
            (Severity::High, Gain::HostRoot),
            KSPP_NIST,
            ANY,
            "
            MODULE_SIG | !MODULES
            MODULE_SIG_ALL | !MODULES
            MODULE_SIG_SHA512 | MODULE_SIG_SHA3_512 | !MODULES
            MODULE_SIG_FORCE | !MODULES
            !MODULE_FORCE_LOAD",
        ),
        theme(
            AREA,
            "A kernel without modules, or without names in it that modules could use, offers no way to add code to it.",
            (Severity::Low, Gain::HostRoot),
            KSPP,
            ANY,
            "
            !MODULES
            TRIM_UNUSED_KSYMS | !MODULES",
        ),
        theme(
            AREA,
            "Lockdown keeps even a process that has become root on the host from changing the kernel that walls the other containers off.",
            (Severity::Medium, Gain::HostRoot),
            KSPP_NIST,
            ANY,
            "
            SECURITY_LOCKDOWN_LSM
            LSM.lockdown: LSM~lockdown
            SECURITY_LOCKDOWN_LSM_EARLY
            LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY
            STATIC_USERMODEHELPER",
        ),
        theme(
            AREA,
            "The walls around a container are made of these; without them there is nothing to confine it with.",
            (Severity::Critical, Gain::HostRoot),
            "Kspp kernel options\nNist800190 4.4.3",
            ANY,
            "
            SECCOMP
            SECCOMP_FILTER
            SECURITY
            +NAMESPACES
            +PID_NS
            +NET_NS
            +IPC_NS
            +UTS_NS
            -USER_NS
            +CGROUPS
            +CGROUP_PIDS
            +MEMCG
            +CGROUP_DEVICE | CGROUP_BPF",
        ),
        theme(
            AREA,
            "A security module that is compiled in can hold a container where namespaces and capabilities fail.",
            (Severity::Medium, Gain::HostRoot),
            "Kspp kernel options\nNist800190 4.4.3\nCisDocker 1.2.1",
            ANY,
            "
            SECURITY_YAMA
            LSM.yama: LSM~yama
            SECURITY_LANDLOCK
            LSM.landlock: LSM~landlock
            SECURITY_SELINUX | SECURITY_APPARMOR | SECURITY_SMACK | SECURITY_TOMOYO
            LSM.selinux: LSM~selinux | LSM~apparmor | LSM~smack | LSM~tomoyo
            !SECURITY_SELINUX_DISABLE
            !SECURITY_SELINUX_BOOTPARAM
            !SECURITY_SELINUX_DEVELOP
            !SECURITY_WRITABLE_HOOKS
            !SECURITY_SELINUX_DEBUG",
        ),
        theme(
            AREA,
            "On ARM, these keep the kernel's and other containers' memory out of a container's reach.",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            ARM64,
            "
            ARM64_PAN
            ARM64_EPAN
            UNMAP_KERNEL_AT_EL0
            ARM64_E0PD
            RODATA_FULL_DEFAULT_ENABLED
            ARM64_PTR_AUTH
            ARM64_PTR_AUTH_KERNEL
            ARM64_BTI
            ARM64_BTI_KERNEL
            ARM64_GCS
            ARM64_MTE
            ARM64_SW_TTBR0_PAN
            ARM_SMMU
            ARM_SMMU_DISABLE_BYPASS_BY_DEFAULT
            ARM_SMMU_V3
            MITIGATE_SPECTRE_BRANCH_HISTORY
            HARDEN_BRANCH_PREDICTOR | >=5.10.0
            HARDEN_EL2_VECTORS | RANDOMIZE_BASE & >=5.9.0
            RANDOMIZE_MODULE_REGION_FULL
            STACKPROTECTOR_PER_TASK
            SHADOW_CALL_STACK
            KASAN_HW_TAGS",
        ),
        theme(
            AREA,
            "A process in a container should not be able to write into memory that it may only read, and should be placed at random.",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            ANY,
            "
            PROC_MEM_NO_FORCE
            ARCH_MMAP_RND_BITS=32 | arch:aarch64 & ARCH_MMAP_RND_BITS=33
            ARCH_MMAP_RND_COMPAT_BITS=16 | !COMPAT
            SYN_COOKIES",
        ),
    ]
}
