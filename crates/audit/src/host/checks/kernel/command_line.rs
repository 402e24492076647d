//! The kernel's command line: what switches protections off, and what switches more of them on.

use super::table::{ANY, ARM64, Theme, X86, theme};
use crate::control::{Gain, Severity};

const AREA: &str = "boot parameters";
const KSPP: &str = "Kspp command line";

pub(super) fn themes() -> Vec<Theme> {
    vec![
        theme(
            AREA,
            "Somebody has switched off, at boot, what keeps a container's code from finding or running things in the kernel.",
            (Severity::High, Gain::KernelReach),
            KSPP,
            ANY,
            "
            cmd:!nokaslr
            cmd:!no_hash_pointers
            cmd:!norandmaps
            cmd:rodata: cmd:!rodata | cmd:rodata=on | cmd:rodata=full
            cmd:!slab_merge
            cmd:!slub_merge
            cmd:slab_common.usercopy_fallback: cmd:!slab_common.usercopy_fallback & !HARDENED_USERCOPY_FALLBACK
            cmd:!sysrq_always_enabled",
        ),
        theme(
            AREA,
            "Somebody has switched off, at boot, a protection of the processor that containers rely on without knowing it.",
            (Severity::High, Gain::OtherTenants),
            KSPP,
            X86,
            "
            cmd:!nosmep
            cmd:!nosmap
            cmd:!dis_ucode_ldr
            cmd:!setcpuid
            cmd:!clearcpuid
            cmd:!nopti
            cmd:!nospec_store_bypass_disable
            cmd:!nospectre_v1
            cmd:!nospectre_v2
            cmd:spectre_v2: cmd:spectre_v2!=off | cmd:!spectre_v2 & cmd:!mitigations | cmd:!spectre_v2 & cmd:mitigations!=off
            cmd:spectre_v2_user: cmd:spectre_v2_user!=off | cmd:!spectre_v2_user & cmd:!mitigations | cmd:!spectre_v2_user & cmd:mitigations!=off
            cmd:spectre_bhi: cmd:spectre_bhi!=off | cmd:!spectre_bhi & cmd:!mitigations | cmd:!spectre_bhi & cmd:mitigations!=off
            cmd:spec_store_bypass_disable: cmd:spec_store_bypass_disable!=off | cmd:!spec_store_bypass_disable & cmd:!mitigations | cmd:!spec_store_bypass_disable & cmd:mitigations!=off
            cmd:l1tf: cmd:l1tf!=off | cmd:!l1tf & cmd:!mitigations | cmd:!l1tf & cmd:mitigations!=off
            cmd:mds: cmd:mds!=off | cmd:!mds & cmd:!mitigations | cmd:!mds & cmd:mitigations!=off
            cmd:tsx_async_abort: cmd:tsx_async_abort!=off | cmd:!tsx_async_abort & cmd:!mitigations | cmd:!tsx_async_abort & cmd:mitigations!=off
            cmd:srbds: cmd:srbds!=off | cmd:!srbds & cmd:!mitigations | cmd:!srbds & cmd:mitigations!=off
            cmd:mmio_stale_data: cmd:mmio_stale_data!=off | cmd:!mmio_stale_data & cmd:!mitigations | cmd:!mmio_stale_data & cmd:mitigations!=off
            cmd:retbleed: cmd:retbleed!=off | cmd:!retbleed & cmd:!mitigations | cmd:!retbleed & cmd:mitigations!=off
            cmd:spec_rstack_overflow: cmd:spec_rstack_overflow!=off | cmd:!spec_rstack_overflow & cmd:!mitigations | cmd:!spec_rstack_overflow & cmd:mitigations!=off
            cmd:gather_data_sampling: cmd:gather_data_sampling!=off | cmd:!gather_data_sampling & cmd:!mitigations | cmd:!gather_data_sampling & cmd:mitigations!=off
            cmd:reg_file_data_sampling: cmd:reg_file_data_sampling!=off | cmd:!reg_file_data_sampling & cmd:!mitigations | cmd:!reg_file_data_sampling & cmd:mitigations!=off
            cmd:tsa: cmd:tsa!=off | cmd:!tsa & cmd:!mitigations | cmd:!tsa & cmd:mitigations!=off
            cmd:indirect_target_selection: cmd:indirect_target_selection!=off | cmd:!indirect_target_selection & cmd:!mitigations | cmd:!indirect_target_selection & cmd:mitigations!=off
            cmd:vmscape: cmd:vmscape!=off | cmd:!vmscape & cmd:!mitigations | cmd:!vmscape & cmd:mitigations!=off
            cmd:tsx: cmd:tsx=off | X86_INTEL_TSX_MODE_OFF & cmd:!tsx | !CPU_SUP_INTEL & cmd:!tsx",
        ),
        theme(
            AREA,
            "Two threads of one core share what speculation leaves behind; without simultaneous multithreading a container cannot listen to its neighbour there.",
            (Severity::Low, Gain::OtherTenants),
            KSPP,
            X86,
            "
            cmd:mitigations~nosmt
            cmd:nosmt
            cmd:pti=on & cmd:!nopti",
        ),
        theme(
            AREA,
            "Somebody has switched off, at boot, a protection of the ARM processor that containers rely on without knowing it.",
            (Severity::High, Gain::OtherTenants),
            KSPP,
            ARM64,
            "
            cmd:!nospectre_bhb
            cmd:!arm64.nobti
            cmd:!arm64.nopauth
            cmd:!arm64.nomte
            cmd:!arm64.nogcs
            cmd:kpti: cmd:!kpti | cmd:kpti=on
            cmd:ssbd: cmd:!ssbd | cmd:ssbd=kernel | cmd:ssbd=force-on",
        ),
        theme(
            AREA,
            "The kernel's heap is handed out and cleared more carefully when it is asked to, which spoils most exploits of a container.",
            (Severity::Medium, Gain::KernelReach),
            KSPP,
            ANY,
            "
            cmd:page_alloc.shuffle=1
            cmd:slab_nomerge | !SLAB_MERGE_DEFAULT & cmd:!slab_merge & cmd:!slub_merge
            cmd:init_on_alloc=1 | INIT_ON_ALLOC_DEFAULT_ON & cmd:!init_on_alloc
            cmd:init_on_free=1 | INIT_ON_FREE_DEFAULT_ON & cmd:!init_on_free | cmd:page_poison=1 & PAGE_POISONING_ZERO & cmd:slub_debug=P
            cmd:hardened_usercopy=1 | HARDENED_USERCOPY_DEFAULT_ON & cmd:!hardened_usercopy | HARDENED_USERCOPY & <6.15.0 & cmd:!hardened_usercopy
            cmd:kfence.sample_interval=100 | KFENCE_SAMPLE_INTERVAL=100 & cmd:!kfence.sample_interval
            cmd:randomize_kstack_offset=1 | RANDOMIZE_KSTACK_OFFSET_DEFAULT & cmd:!randomize_kstack_offset
            cmd:hash_pointers=always
            cmd:cfi=kcfi | !CFI_AUTO_DEFAULT & CFI_AUTO_DEFAULT? & cmd:!cfi
            cmd:proc_mem.force_override=never | PROC_MEM_NO_FORCE & cmd:!proc_mem.force_override",
        ),
        theme(
            AREA,
            "Root that was won on the host should not be able to change the kernel under the other containers.",
            (Severity::Medium, Gain::HostRoot),
            KSPP,
            ANY,
            "
            cmd:lockdown=confidentiality | LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY & cmd:!lockdown
            cmd:module.sig_enforce=1 | MODULE_SIG_FORCE | !MODULES
            cmd:debugfs=off | !DEBUG_FS
            cmd:bdev_allow_write_mounted=0 | !BLK_DEV_WRITE_MOUNTED & cmd:!bdev_allow_write_mounted",
        ),
        theme(
            AREA,
            "Without an IOMMU that is on and strict, a device handed to a container reaches all memory.",
            (Severity::Low, Gain::HostRoot),
            KSPP,
            X86,
            "
            cmd:intel_iommu=on | INTEL_IOMMU_DEFAULT_ON & cmd:!intel_iommu
            cmd:amd_iommu: cmd:amd_iommu!=off | cmd:!amd_iommu
            cmd:iommu=force
            cmd:iommu.strict=1 | IOMMU_DEFAULT_DMA_STRICT & cmd:!iommu.strict
            cmd:iommu.passthrough: cmd:iommu.passthrough=0 | !IOMMU_DEFAULT_PASSTHROUGH & cmd:!iommu.passthrough
            cmd:efi~disable_early_pci_dma | !EFI | EFI_DISABLE_PCI_DMA & cmd:!efi",
        ),
        theme(
            AREA,
            "Old interfaces for old programs widen what a container can call and leave code at known addresses.",
            (Severity::Low, Gain::KernelReach),
            KSPP,
            X86,
            "
            cmd:vsyscall=none | !X86_VSYSCALL_EMULATION | LEGACY_VSYSCALL_NONE & cmd:!vsyscall
            cmd:vdso32=0 | !COMPAT_VDSO & cmd:!vdso32
            cmd:ia32_emulation=0 | !IA32_EMULATION | IA32_EMULATION_DEFAULT_DISABLED & cmd:!ia32_emulation",
        ),
    ]
}
