//! The processor's weaknesses that cross from one container into another.

use crate::control::{About, Body, Control, Gain, Severity, Verdict};
use crate::host::HostFacts;

const AREA: &str = "processor";

/// The kernel's name for each, ours, and whether another container's memory can be read with it.
const WEAKNESSES: &[(&str, &str, Severity)] = &[
    ("meltdown", "Meltdown", Severity::Critical),
    ("spectre_v1", "Spectre 1", Severity::High),
    ("spectre_v2", "Spectre 2", Severity::High),
    ("spec_store_bypass", "Speculative Store Bypass", Severity::Medium),
    ("l1tf", "L1 Terminal Fault", Severity::High),
    ("mds", "Microarchitectural Data Sampling", Severity::High),
    ("tsx_async_abort", "TSX Asynchronous Abort", Severity::High),
    ("itlb_multihit", "iTLB multihit", Severity::Low),
    ("srbds", "Special Register Buffer Data Sampling", Severity::Medium),
    ("mmio_stale_data", "MMIO stale data", Severity::High),
    ("retbleed", "Retbleed", Severity::High),
    ("spec_rstack_overflow", "Inception", Severity::High),
    ("gather_data_sampling", "Downfall", Severity::High),
    ("reg_file_data_sampling", "Register File Data Sampling", Severity::High),
    ("ghostwrite", "GhostWrite", Severity::Critical),
    ("indirect_target_selection", "Indirect Target Selection", Severity::High),
    ("tsa", "Transient Scheduler Attack", Severity::Medium),
    ("vmscape", "VMScape", Severity::Medium),
    ("old_microcode", "Old microcode", Severity::High),
];

/// One check for each.
pub(super) fn weaknesses() -> impl Iterator<Item = Control<HostFacts>> {
    WEAKNESSES.iter().map(|(name, words, severity)| {
        let about = About::new(AREA, format!("cpu.{name}"))
            .title(format!("{words}: the processor is not affected, or the kernel mitigates it"))
            .why("Containers share processors; with this weakness one of them reads what another, or the kernel, leaves behind in them.")
            .remedy("install the newest microcode and kernel, and remove `mitigations=off` from the command line")
            .weight(*severity, Gain::OtherTenants)
            .reference(Body::Nist800190, "4.5.3");
        Control::new(about, move |facts: &HostFacts| {
            let weaknesses = facts.security.cpu.get()?;
            let Some(state) = weaknesses.get(*name) else {
                return Ok(Verdict::unknown("this kernel does not speak of it"));
            };
            Ok(if state.starts_with("Vulnerable") || state.starts_with("KVM: Vulnerable") {
                Verdict::fail(state.as_str())
            } else if state.starts_with("Not affected") || state.contains("Mitigation") {
                Verdict::pass(state.as_str())
            } else {
                Verdict::unknown(format!("the kernel says {state:?}"))
            })
        })
    })
}

/// Threads of one core on a processor that leaks between them.
pub(super) fn threads() -> Control<HostFacts> {
    let about = About::new(AREA, "cpu.smt")
        .title("No weakness of the processor crosses between two threads of a core")
        .why("The scheduler puts two containers on the two threads of one core, where these weaknesses leak from one to the other whatever the kernel does.")
        .remedy("boot with `mitigations=auto,nosmt`, or give each zone cores of its own")
        .weight(Severity::Medium, Gain::OtherTenants)
        .reference(Body::KernelHardeningChecker, "nosmt");
    Control::new(about, |facts: &HostFacts| {
        let smt = facts.security.smt.get()?.as_deref();
        if matches!(smt, Some("off" | "forceoff" | "notsupported" | "notimplemented")) {
            return Ok(Verdict::pass(format!("simultaneous multithreading is {}", smt.unwrap_or_default())));
        }
        let weaknesses = facts.security.cpu.get()?;
        let leaking: Vec<&str> = weaknesses
            .iter()
            .filter(|(_, state)| state.contains("SMT vulnerable"))
            .map(|(name, _)| name.as_str())
            .collect();
        Ok(if leaking.is_empty() {
            Verdict::pass("no listed weakness does")
        } else {
            Verdict::fail(format!("vulnerable between threads: {}", leaking.join(", ")))
        })
    })
}
