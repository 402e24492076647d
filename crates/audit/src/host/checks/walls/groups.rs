//! Control groups: version 2, and version 1's way to run a program as the host's root.

use crate::control::{About, Body, Control, Evidence, Gain, Severity, Verdict};
use crate::host::HostFacts;

const AREA: &str = "control groups";

/// v1's `release_agent`.
pub(super) fn release_agent() -> Control<HostFacts> {
    let about = About::new(AREA, "cgroups.release_agent")
        .title("No control group runs a program when it becomes empty")
        .why("The program that a version 1 hierarchy runs for an empty group runs as the host's root outside all namespaces: a container that can write its name is out (CVE-2022-0492).")
        .remedy("boot with `systemd.unified_cgroup_hierarchy=1`, so that version 1 is not mounted; until then never give a container CAP_SYS_ADMIN")
        .weight(Severity::High, Gain::HostRoot)
        .reference(Body::CisDocker, "2.10");
    Control::new(about, |facts: &HostFacts| {
        let groups = facts.cgroups.get()?;
        let agents = groups.v1.iter().filter_map(|(point, agent)| {
            let agent = agent.as_ref()?;
            Some(Evidence::at(format!("{point} runs {agent}"), format!("{point}/release_agent"), None))
        });
        Ok(Verdict::none_of(agents, "no hierarchy has a release_agent"))
    })
}

/// Version 2 alone.
pub(super) fn unified() -> Control<HostFacts> {
    let about = About::new(AREA, "cgroups.unified")
        .title("Control groups are those of version 2 alone")
        .why("Version 1 cannot be handed to a container safely, has no rules for devices that a container's root could not undo, and keeps the release_agent within reach.")
        .remedy("boot with `systemd.unified_cgroup_hierarchy=1`, or mount only cgroup2 at /sys/fs/cgroup")
        .weight(Severity::Medium, Gain::HostRoot)
        .reference(Body::CisDocker, "5.25");
    Control::new(about, |facts: &HostFacts| {
        let groups = facts.cgroups.get()?;
        if !groups.v1.is_empty() {
            let points: Vec<&str> = groups.v1.iter().map(|(point, _)| point.as_str()).collect();
            return Ok(Verdict::fail(format!("version 1 is mounted at {}", points.join(", "))));
        }
        Ok(if groups.v2 {
            Verdict::pass("version 2 is mounted, version 1 is not")
        } else {
            Verdict::fail("no control groups are mounted: nothing limits a container")
        })
    })
}
