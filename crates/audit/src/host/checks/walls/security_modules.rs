//! Security modules: what `setenforce 1` is about.

use crate::control::{About, Body, Control, Fix, Gain, Severity, Verdict};
use crate::host::{HostFacts, View};

const AREA: &str = "security modules";
/// Modules whose policy binds root as well.
const MANDATORY: [&str; 4] = ["selinux", "apparmor", "smack", "tomoyo"];

/// Any mandatory module.
pub(super) fn mandatory() -> Control<HostFacts> {
    let about = About::new(AREA, "lsm.mandatory")
        .title("A mandatory access control module is active (SELinux, AppArmor, SMACK or TOMOYO)")
        .why("It is the wall that still stands when a process in a container has become root on the host: its policy binds root as well.")
        .remedy("install and enable AppArmor or SELinux, and see that `lsm=` on the kernel's command line names it")
        .weight(Severity::High, Gain::HostRoot)
        .reference(Body::CisDocker, "5.2")
        .reference(Body::CisLinux, "1.3.1")
        .reference(Body::Lynis, "MACF-6290")
        .reference(Body::Nist800190, "4.4.3")
        .reference(Body::NsaCisa, "Kubernetes Pod security");
    Control::new(about, |facts: &HostFacts| {
        let modules = facts.security.modules.get()?;
        let found = modules.iter().find(|module| MANDATORY.contains(&module.as_str()));
        Ok(match found {
            Some(module) => Verdict::pass(format!("{module} is active")),
            None => Verdict::fail(format!("active are only {}", modules.join(", "))),
        })
    })
}

/// SELinux enforces.
pub(super) fn selinux() -> Control<HostFacts> {
    let about = About::new(AREA, "lsm.selinux.enforcing")
        .title("SELinux enforces its policy, now and after a reboot")
        .why("A permissive SELinux writes down what a container does and stops none of it: `setenforce 1` is the difference.")
        .remedy("run `setenforce 1`, and write SELINUX=enforcing to /etc/selinux/config")
        .weight(Severity::Critical, Gain::HostRoot)
        .reference(Body::CisDocker, "5.3")
        .reference(Body::Lynis, "MACF-6232")
        .reference(Body::Lynis, "MACF-6234")
        .reference(Body::Stig, "selinux_state");
    Control::new(about, |facts: &HostFacts| {
        let Some(selinux) = facts.security.selinux.get()? else {
            return Ok(Verdict::not_applicable("SELinux is neither active nor configured"));
        };
        let configured = selinux.configured.as_deref();
        Ok(match (selinux.enforcing, configured, facts.view) {
            (Some(false), ..) => Verdict::fail("SELinux is permissive"),
            (None, _, View::Running) => {
                Verdict::not_applicable("SELinux is configured, but not active in this kernel")
            }
            (_, Some("enforcing"), _) => Verdict::pass("enforcing"),
            (_, Some(other), _) => {
                Verdict::fail(format!("the configuration asks for {other}")).at("/etc/selinux/config", None)
            }
            (_, None, _) => {
                Verdict::fail("enforcing now, but no configuration asks for it at the next start")
            }
        })
    })
}

/// AppArmor has profiles.
pub(super) fn apparmor() -> Control<HostFacts> {
    let about = About::new(AREA, "lsm.apparmor.profiles")
        .title("AppArmor enforces profiles")
        .why("An AppArmor without enforced profiles confines no container.")
        .remedy("install apparmor-profiles and the engine's profile, and set complaining ones to enforce with aa-enforce")
        .weight(Severity::High, Gain::HostRoot)
        .reference(Body::CisDocker, "5.2")
        .reference(Body::CisLinux, "1.3.1.4")
        .reference(Body::Lynis, "MACF-6204")
        .reference(Body::Lynis, "MACF-6208");
    Control::new(about, |facts: &HostFacts| {
        let Some(apparmor) = facts.security.apparmor.get()? else {
            return Ok(Verdict::not_applicable("AppArmor is not active"));
        };
        let (enforced, complaining) = (apparmor.enforced.get()?, apparmor.complaining.get()?);
        let seen = format!("{enforced} profiles are enforced, {complaining} complain");
        Ok(if *enforced > 0 { Verdict::pass(seen) } else { Verdict::fail(seen) })
    })
}

/// Lockdown is in force.
pub(super) fn lockdown() -> Control<HostFacts> {
    let mut about = About::new(AREA, "lsm.lockdown")
        .title("The kernel is locked down, at least for integrity")
        .why("Under lockdown even root on the host cannot patch the running kernel, so an escape does not own the other containers' walls at once.")
        .remedy("add `lockdown=integrity` to the kernel's command line (it needs signed modules)")
        .weight(Severity::Medium, Gain::HostRoot)
        .reference(Body::Kspp, "command line");
    about.fix = Some(Fix::BootWord { word: "lockdown=integrity".to_owned() });
    Control::new(about, |facts: &HostFacts| {
        Ok(match facts.security.lockdown.get()?.as_deref() {
            Some(level @ ("integrity" | "confidentiality")) => Verdict::pass(format!("lockdown is {level}")),
            Some(level) => Verdict::fail(format!("lockdown is {level}")),
            None => Verdict::fail("the lockdown module is not active"),
        })
    })
}

/// The small modules that stack.
pub(super) fn stacked() -> Control<HostFacts> {
    let about = About::new(AREA, "lsm.stacked")
        .title("Yama and Landlock are active beside the main module")
        .why("Yama keeps processes of one user from tracing each other, and Landlock lets a program in a container wall itself in: both cost nothing.")
        .remedy("name `landlock` and `yama` in `lsm=` on the kernel's command line")
        .weight(Severity::Low, Gain::Foothold)
        .reference(Body::Kspp, "kernel options");
    Control::new(about, |facts: &HostFacts| {
        let modules = facts.security.modules.get()?;
        let missing =
            ["yama", "landlock"].into_iter().filter(|name| !modules.iter().any(|have| have == name));
        let missing: Vec<&str> = missing.collect();
        Ok(if missing.is_empty() {
            Verdict::pass("both are active")
        } else {
            Verdict::fail(format!("{} is not active", missing.join(" and ")))
        })
    })
}
