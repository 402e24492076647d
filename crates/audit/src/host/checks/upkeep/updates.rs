//! Updates: what is known to be broken and not mended here.

use crate::control::{About, Body, Control, Dimension, Evidence, Gain, Severity, Verdict};
use crate::host::HostFacts;

fn about(id: &'static str) -> About {
    About::new("updates", id).dimension(Dimension::ControlPlane).reference(Body::Nist800190, "4.5.3")
}

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    vec![pending(), pending_for_walls(), fresh_lists(), reboot()]
}

/// Packages that the walls of containers are made of.
const WALLS: [&str; 9] = [
    "linux-image",
    "linux-headers",
    "runc",
    "crun",
    "containerd",
    "docker",
    "podman",
    "libseccomp",
    "systemd",
];

fn outdated(facts: &HostFacts, wanted: fn(&str) -> bool, otherwise: &str) -> crate::control::Judgement {
    let Some(packages) = facts.packages.get()? else {
        return Ok(Verdict::not_applicable("no package manager is known here"));
    };
    let found = packages.outdated.get()?.iter().filter(|(name, _, _)| wanted(name));
    let seen = found.map(|(name, own, newer)| Evidence::new(format!("{name} is {own}, mended in {newer}")));
    Ok(Verdict::none_of(seen, otherwise))
}

fn pending() -> Control<HostFacts> {
    let about = about("updates.security")
        .title("No security fix waits to be installed")
        .why("What was mended is described in the advisory, for whoever gets a foot into a container.")
        .remedy("run `apt-get update && apt-get upgrade` (`dnf upgrade --security`), and let unattended-upgrades or dnf-automatic do it from then on")
        .weight(Severity::High, Gain::Foothold)
        .reference(Body::Lynis, "PKGS-7392")
        .reference(Body::CisLinux, "1.2.2.1");
    Control::new(about, |facts: &HostFacts| outdated(facts, |_| true, "none is known to the package manager"))
}

fn pending_for_walls() -> Control<HostFacts> {
    let about = about("updates.walls")
        .title("No fix waits for the kernel, the runtimes or the engines")
        .why("These are the walls between the containers: a known hole in one of them is a way out of all.")
        .remedy("install the newer versions now, and reboot for a kernel")
        .weight(Severity::Critical, Gain::HostRoot)
        .reference(Body::CisDocker, "1.2.2");
    let wall: fn(&str) -> bool = |name| WALLS.iter().any(|wall| name.starts_with(wall));
    Control::new(about, move |facts: &HostFacts| {
        outdated(facts, wall, "none is known to the package manager")
    })
}

fn fresh_lists() -> Control<HostFacts> {
    let about = about("updates.fresh")
        .title("The list of security fixes is at most a week old")
        .why("Fixes that nobody has heard of are not installed.")
        .remedy("run `apt-get update` daily (apt-daily.timer), or `dnf makecache` (dnf-makecache.timer)")
        .weight(Severity::Low, Gain::Foothold)
        .reference(Body::Lynis, "PKGS-7390");
    Control::new(about, |facts: &HostFacts| {
        let Some(packages) = facts.packages.get()? else {
            return Ok(Verdict::not_applicable("no package manager is known here"));
        };
        let age = *packages.list_age.get()?;
        let seen = format!("{age} days old");
        Ok(if age <= 7 { Verdict::pass(seen) } else { Verdict::fail(seen) })
    })
}

fn reboot() -> Control<HostFacts> {
    let about = about("updates.reboot")
        .title("No update waits for a reboot")
        .why("A kernel or library that was replaced on disk still runs with its holes.")
        .remedy("reboot")
        .weight(Severity::Medium, Gain::KernelReach)
        .reference(Body::Lynis, "KRNL-5830");
    Control::new(about, |facts: &HostFacts| {
        Ok(match facts.file("/run/reboot-required")? {
            Some(_) => Verdict::fail("an update asks for a reboot").at("/run/reboot-required", None),
            None => Verdict::pass("none asks for one"),
        })
    })
}

#[cfg(test)]
pub(in crate::host::checks) mod tests {
    use super::*;
    use crate::control::Outcome;
    use crate::fact::Fact;
    use crate::host::Packages;
    use crate::host::checks::planted::{Plant, nothing, verdict};

    #[test]
    pub(in crate::host::checks) fn every_check_can_fail_and_can_pass() {
        let judge = |control: Control<HostFacts>, name: Option<&str>, age| {
            let mut facts = nothing();
            let outdated = name.map(|name| (name.to_owned(), "1".to_owned(), "2".to_owned()));
            facts.packages = Fact::Known(Some(Packages {
                installed: 1,
                outdated: Fact::Known(outdated.into_iter().collect()),
                list_age: Fact::Known(age),
            }));
            control.judge(&facts).outcome
        };
        assert_eq!(judge(pending(), Some("bash"), 0), Outcome::Fail);
        assert_eq!(judge(pending(), None, 0), Outcome::Pass);
        assert_eq!(judge(pending_for_walls(), Some("linux-image-amd64"), 0), Outcome::Fail);
        assert_eq!(judge(pending_for_walls(), Some("bash"), 0), Outcome::Pass);
        assert_eq!(judge(fresh_lists(), None, 8), Outcome::Fail);
        assert_eq!(judge(fresh_lists(), None, 7), Outcome::Pass);
        let asked = Plant::File("run/reboot-required", "x");
        assert_eq!(verdict("updates.reboot", &[asked]).outcome, Outcome::Fail);
        assert_eq!(verdict("updates.reboot", &[]).outcome, Outcome::Pass);
    }
}
