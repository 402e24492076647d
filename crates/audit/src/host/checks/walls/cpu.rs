//! The processor's weaknesses that cross from one container into another.

use crate::control::{About, Body, Control, Gain, Severity, Verdict};
use crate::host::HostFacts;

const AREA: &str = "processor";

/// The kernel's name for each, how bad it is, our name: whether another container's memory can be read with it.
const WEAKNESSES: &str = "\
meltdown critical Meltdown
spectre_v1 high Spectre 1
spectre_v2 high Spectre 2
spec_store_bypass medium Speculative Store Bypass
l1tf high L1 Terminal Fault
mds high Microarchitectural Data Sampling
tsx_async_abort high TSX Asynchronous Abort
itlb_multihit low iTLB multihit
srbds medium Special Register Buffer Data Sampling
mmio_stale_data high MMIO stale data
retbleed high Retbleed
spec_rstack_overflow high Inception
gather_data_sampling high Downfall
reg_file_data_sampling high Register File Data Sampling
ghostwrite critical GhostWrite
indirect_target_selection high Indirect Target Selection
tsa medium Transient Scheduler Attack
vmscape medium VMScape
old_microcode high Old microcode
";

/// One check for each.
pub(super) fn weaknesses() -> impl Iterator<Item = Control<HostFacts>> {
    WEAKNESSES.lines().filter_map(|line| {
        let mut words = line.splitn(3, ' ');
        let (name, severity, words) = (words.next()?, Severity::of_word(words.next()?)?, words.next()?);
        let about = About::new(AREA, format!("cpu.{name}"))
            .title(format!("{words}: the processor is not affected, or the kernel mitigates it"))
            .why("Containers share processors; with this weakness one of them reads what another, or the kernel, leaves behind in them.")
            .remedy("install the newest microcode and kernel, and remove `mitigations=off` from the command line")
            .weight(severity, Gain::OtherTenants)
            .reference(Body::Nist800190, "4.5.3");
        Some(Control::new(about, move |facts: &HostFacts| {
            let weaknesses = facts.security.cpu.get()?;
            let Some(state) = weaknesses.get(name) else {
                return Ok(Verdict::unknown("this kernel does not speak of it"));
            };
            Ok(if state.starts_with("Vulnerable") || state.starts_with("KVM: Vulnerable") {
                Verdict::fail(state.as_str())
            } else if state.starts_with("Not affected") || state.contains("Mitigation") {
                Verdict::pass(state.as_str())
            } else {
                Verdict::unknown(format!("the kernel says {state:?}"))
            })
        }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_understood() {
        assert_eq!(weaknesses().count(), WEAKNESSES.lines().count());
    }
}
