//! Facts about security modules, lockdown and the processor's weaknesses.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Source;
use crate::fact::{Fact, Unknown};

/// What guards beside the usual permissions.
#[derive(Debug, Clone, Serialize)]
pub struct Security {
    /// The active modules, in the order in which they are asked.
    pub modules: Fact<Vec<String>>,
    /// The lockdown level in force: `none`, `integrity` or `confidentiality`; `None` where the module is not active.
    pub lockdown: Fact<Option<String>>,
    /// SELinux, where it is active or configured.
    pub selinux: Fact<Option<Selinux>>,
    /// AppArmor, where it is active.
    pub apparmor: Fact<Option<Apparmor>>,
    /// What the kernel says of each weakness of the processor (`/sys/devices/system/cpu/vulnerabilities`).
    pub cpu: Fact<BTreeMap<String, String>>,
    /// Whether two threads share a core now (`on`, `off`, `forceoff`, `notsupported`).
    pub smt: Fact<Option<String>>,
}

/// SELinux's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Selinux {
    /// Whether the policy is enforced now; `None` for a tree at rest.
    pub enforcing: Option<bool>,
    /// What `/etc/selinux/config` asks for: `enforcing`, `permissive`, `disabled`.
    pub configured: Option<String>,
}

/// AppArmor's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Apparmor {
    /// Profiles that are enforced, as the kernel lists them; unknown without rights.
    pub enforced: Fact<usize>,
    /// Profiles that only complain.
    pub complaining: Fact<usize>,
}

impl Security {
    /// Looks at a running system or a tree at rest.
    pub(crate) fn gather(source: &Source) -> Self {
        if !source.is_running() {
            let reason = "no system runs in the tree";
            return Self {
                modules: Fact::unknown(reason),
                lockdown: Fact::unknown(reason),
                selinux: selinux(source, false),
                apparmor: Fact::unknown(reason),
                cpu: Fact::unknown(reason),
                smt: Fact::unknown(reason),
            };
        }
        let modules = modules(source);
        let active =
            |name: &str| modules.known().is_some_and(|list| list.iter().any(|module| module == name));
        Self {
            lockdown: lockdown(source, &modules),
            selinux: selinux(source, active("selinux")),
            apparmor: apparmor(source, &modules),
            cpu: vulnerabilities(source),
            smt: source.tree.value("/sys/devices/system/cpu/smt/control"),
            modules,
        }
    }
}

fn modules(source: &Source) -> Fact<Vec<String>> {
    match source.tree.value("/sys/kernel/security/lsm") {
        Fact::Known(Some(list)) => Fact::Known(list.split(',').map(str::to_owned).collect()),
        Fact::Known(None) => Fact::unknown("/sys/kernel/security is not mounted"),
        Fact::Unknown(reason) => Fact::Unknown(reason),
    }
}

fn lockdown(source: &Source, modules: &Fact<Vec<String>>) -> Fact<Option<String>> {
    match source.tree.value("/sys/kernel/security/lockdown") {
        // Without securityfs nobody can tell.
        Fact::Known(None) => modules.clone().map(|_| None),
        other => other.map(|text| {
            let text = text?;
            let level = text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
            level.map(str::to_owned)
        }),
    }
}

fn selinux(source: &Source, active: bool) -> Fact<Option<Selinux>> {
    let read = || -> Result<Option<Selinux>, Unknown> {
        let config = source.tree.text("/etc/selinux/config").get()?.clone();
        let configured = config.as_deref().and_then(|text| {
            let value = text.lines().find_map(|line| line.trim().strip_prefix("SELINUX="));
            value.map(|value| value.trim().to_ascii_lowercase())
        });
        let enforcing = if source.is_running() && active {
            source.tree.value("/sys/fs/selinux/enforce").get()?.as_deref().map(|text| text == "1")
        } else {
            None
        };
        Ok((active || configured.is_some()).then_some(Selinux { enforcing, configured }))
    };
    read().into()
}

fn apparmor(source: &Source, modules: &Fact<Vec<String>>) -> Fact<Option<Apparmor>> {
    let active = match modules {
        Fact::Known(list) => list.iter().any(|module| module == "apparmor"),
        Fact::Unknown(_) => {
            let enabled = source.tree.value("/sys/module/apparmor/parameters/enabled");
            enabled.known().cloned().flatten().as_deref() == Some("Y")
        }
    };
    if !active {
        return Fact::Known(None);
    }
    let profiles = source.tree.text("/sys/kernel/security/apparmor/profiles").map(Option::unwrap_or_default);
    let count = |mode: &str| {
        profiles.clone().map(|text| text.lines().filter(|line| line.trim_end().ends_with(mode)).count())
    };
    Fact::Known(Some(Apparmor { enforced: count("(enforce)"), complaining: count("(complain)") }))
}

fn vulnerabilities(source: &Source) -> Fact<BTreeMap<String, String>> {
    const FOLDER: &str = "/sys/devices/system/cpu/vulnerabilities";
    let names = match source.tree.names_with_ending(FOLDER, "") {
        Ok(names) if names.is_empty() => return Fact::unknown("the kernel does not list weaknesses"),
        Ok(names) => names,
        Err(reason) => return Fact::Unknown(reason),
    };
    let value = |name: String| {
        let text = source.tree.value(format!("{FOLDER}/{name}")).known().cloned().flatten();
        text.map(|text| (name, text))
    };
    Fact::Known(names.into_iter().filter_map(value).collect())
}
