//! A plan for people: what the machine will do, section by section, each with what it is for.

use std::fmt;

use crate::resources::{Limit, Resources};
use crate::{
    Flag, IdMapping, Mount, MountFlags, MountIdMap, MountKind, NamespaceSource, Plan, RootSource, Setgroups,
};

/// The column at which values begin.
const VALUE_COLUMN: usize = 16;

/// Some controls that serve one purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetSection {
    /// What it is about.
    pub title: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Controls and their values, in a fixed order; a control without a name goes on with the one above it.
    pub rows: Vec<(String, String)>,
}

/// A plan as text. `Display` prints it in aligned lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// The container and its zone.
    pub heading: String,
    /// The sections.
    pub sections: Vec<SheetSection>,
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading)?;
        for section in &self.sections {
            writeln!(f, "\n{}: {}", section.title, section.purpose)?;
            for (name, value) in &section.rows {
                writeln!(f, "  {name:<VALUE_COLUMN$}{value}")?;
            }
        }
        Ok(())
    }
}

impl Plan {
    /// The plan for people.
    #[must_use]
    pub fn sheet(&self) -> Sheet {
        let zone = self.zone.as_ref().map_or_else(|| "no zone".to_owned(), |zone| format!("zone {zone}"));
        Sheet {
            heading: format!("Plan of container {} ({zone})", self.container),
            sections: vec![
                SheetSection { title: "Program", purpose: "what is run", rows: program(self) },
                SheetSection {
                    title: "Identity",
                    purpose: "who it is on the host if it gets out",
                    rows: identity(self),
                },
                SheetSection { title: "Namespaces", purpose: "what it can see", rows: namespaces(self) },
                SheetSection {
                    title: "Rights",
                    purpose: "what it may ask of the kernel",
                    rows: rights(self),
                },
                SheetSection { title: "Files", purpose: "what it can read and write", rows: files(self) },
                SheetSection { title: "Limits", purpose: "how much it can use up", rows: limits(self) },
            ],
        }
    }
}

fn row(name: &str, value: impl fmt::Display) -> (String, String) {
    (name.to_owned(), value.to_string())
}

/// One row for each value, the first with the name.
fn rows(name: &str, values: impl IntoIterator<Item = String>) -> Vec<(String, String)> {
    values
        .into_iter()
        .enumerate()
        .map(|(index, value)| row(if index == 0 { name } else { "" }, value))
        .collect()
}

fn yes(set: bool) -> &'static str {
    if set { "yes" } else { "no" }
}

/// An argument, quoted where it is more than one plain word.
fn quoted(argument: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+".contains(letter);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("{argument:?}")
    }
}

fn program(plan: &Plan) -> Vec<(String, String)> {
    let process = &plan.process;
    let args: Vec<String> = process.args.iter().map(|argument| quoted(argument)).collect();
    let mut table = vec![
        row("command", args.join(" ")),
        row("folder", &process.cwd),
        row("terminal", yes(process.terminal)),
    ];
    if let Some(hostname) = &plan.hostname {
        table.push(row("hostname", hostname));
    }
    table.extend(rows("environment", process.env.iter().map(|entry| quoted(entry))));
    table
}

fn identity(plan: &Plan) -> Vec<(String, String)> {
    let user = &plan.process.user;
    let mut table = vec![row("user", format!("{}:{}", user.uid, user.gid))];
    if !user.additional_gids.is_empty() {
        let groups: Vec<String> = user.additional_gids.iter().map(u32::to_string).collect();
        table.push(row("groups", groups.join(", ")));
    }
    let Some(maps) = &plan.namespaces.id_maps else {
        table.push(row("on the host", "the same ids"));
        return table;
    };
    if let Some(uid) = maps.host_uid(user.uid) {
        table.push(row("on the host", format!("user {uid}")));
    }
    let line = |line: &IdMapping| match line.size {
        1 => format!("{} is {}", line.container, line.host),
        size => format!(
            "{}-{} are {}-{}",
            line.container,
            u64::from(line.container) + u64::from(size) - 1,
            line.host,
            u64::from(line.host) + u64::from(size) - 1
        ),
    };
    table.extend(rows("users", maps.uids.iter().map(line)));
    table.extend(rows("group ids", maps.gids.iter().map(line)));
    if maps.setgroups == Setgroups::Deny {
        table.push(row("setgroups", "denied"));
    }
    table
}

fn namespaces(plan: &Plan) -> Vec<(String, String)> {
    let kinds = cofferdam_kernel::namespace::Namespace::ALL;
    let mut table: Vec<(String, String)> = kinds
        .into_iter()
        .map(|kind| {
            let source = match plan.namespaces.source(kind) {
                NamespaceSource::New => "its own".to_owned(),
                NamespaceSource::Host => "the host's".to_owned(),
                NamespaceSource::Join(path) => format!("shared: {}", path.display()),
            };
            row(kind.link_name(), source)
        })
        .collect();
    table.extend(rows("parameters", plan.sysctls.iter().map(|(name, value)| format!("{name}={value}"))));
    table
}

fn rights(plan: &Plan) -> Vec<(String, String)> {
    let process = &plan.process;
    let names = |set: cofferdam_kernel::capability::CapSet| {
        let names: Vec<&str> = set.iter().map(|one| one.name().trim_start_matches("CAP_")).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(" ") }
    };
    let sets = &process.capabilities;
    let mut table = vec![row("capabilities", names(sets.effective))];
    if sets.bounding != sets.effective {
        table.push(row("at most", names(sets.bounding)));
    }
    table.push(row(
        "new privileges",
        if process.no_new_privileges { "never" } else { "by set-user-id programs" },
    ));
    let filter = match &process.seccomp {
        None => "none: every call".to_owned(),
        Some(profile) => {
            let allowed = profile.rules.iter().filter(|rule| rule.action == crate::seccomp::Action::Allow);
            let names: std::collections::BTreeSet<&str> =
                allowed.flat_map(|rule| rule.names.iter().map(String::as_str)).collect();
            format!("{} allowed, some by their arguments", names.len())
        }
    };
    table.push(row("system calls", filter));
    let label = process.apparmor_profile.as_ref().or(process.selinux_label.as_ref());
    table.push(row("label", label.map_or("none", String::as_str)));
    table.push(row("keyring", if plan.session_keyring { "its own" } else { "its caller's" }));
    table
}

fn files(plan: &Plan) -> Vec<(String, String)> {
    let root = match &plan.root.source {
        RootSource::Directory { path } => path.display().to_string(),
        RootSource::Overlay { lower, .. } => {
            let layers: Vec<String> = lower.iter().map(|path| path.display().to_string()).collect();
            format!("{} under a private layer", layers.join(", "))
        }
    };
    let access = if plan.root.readonly { "read-only" } else { "writable" };
    let mut table = vec![row("root", format!("{root}, {access}"))];
    table.extend(rows("mounts", plan.mounts.iter().map(mount)));
    table.extend(rows("devices", plan.devices.iter().map(|device| device.path.to_string())));
    table.extend(rows("hidden", plan.masked_paths.iter().map(ToString::to_string)));
    table.extend(rows("read-only", plan.readonly_paths.iter().map(ToString::to_string)));
    table
}

fn mount(mount: &Mount) -> String {
    let what = match &mount.kind {
        MountKind::Bind { source, id_map, .. } => {
            let ids = match id_map {
                MountIdMap::None => "",
                MountIdMap::Container { .. } | MountIdMap::Own { .. } => ", ids mapped",
            };
            format!("host {}{ids}", source.display())
        }
        MountKind::Filesystem { fstype, options, .. } if options.is_empty() => fstype.clone(),
        MountKind::Filesystem { fstype, options, .. } => format!("{fstype} {}", options.join(",")),
        MountKind::Cgroup => "its cgroup".to_owned(),
        MountKind::Remount => "what is there".to_owned(),
    };
    format!("{} <- {what}{}", mount.target, flags(&mount.flags))
}

fn flags(flags: &MountFlags) -> String {
    [
        (flags.readonly, "read-only"),
        (flags.nosuid, "nosuid"),
        (flags.nodev, "nodev"),
        (flags.noexec, "noexec"),
        (flags.nosymfollow, "nosymfollow"),
    ]
    .into_iter()
    .filter(|(flag, _)| *flag == Flag::Set)
    .map(|(_, name)| format!(", {name}"))
    .collect()
}

fn limits(plan: &Plan) -> Vec<(String, String)> {
    let path = plan.cgroup.path.as_ref().map_or("its caller's", |path| path.as_str());
    let mut table = vec![row("cgroup", path)];
    table.extend(cgroup_limits(&plan.cgroup.resources));
    let written = |limit: u64| if limit == u64::MAX { "unlimited".to_owned() } else { limit.to_string() };
    table.extend(rows(
        "ulimits",
        plan.process.rlimits.iter().map(|limit| {
            let name = limit.resource.name().trim_start_matches("RLIMIT_").to_ascii_lowercase();
            format!("{name} {}:{}", written(limit.soft), written(limit.hard))
        }),
    ));
    if let Some(score) = plan.process.oom_score_adj {
        table.push(row("oom score", format!("{score:+}")));
    }
    table
}

fn cgroup_limits(resources: &Resources) -> Vec<(String, String)> {
    let mut table = Vec::new();
    let unlimited = || "unlimited".to_owned();
    let bytes = |limit: Limit| limit.value().map_or_else(unlimited, |bytes| format!("{bytes} bytes"));
    table.push(row("memory", resources.memory.limit.map_or_else(unlimited, bytes)));
    if let Some(swap) = resources.memory.swap {
        table.push(row("with swap", bytes(swap)));
    }
    let cpu = &resources.cpu;
    let quota = match cpu.quota {
        None | Some(Limit::Max) => unlimited(),
        Some(Limit::Value(quota)) => {
            format!("{quota} of each {} microseconds", cpu.period.unwrap_or(100_000))
        }
    };
    table.push(row("processors", quota));
    table.extend(cpu.shares.map(|shares| row("shares", shares.get())));
    table.extend(cpu.cpus.as_ref().map(|cpus| row("on processors", cpus)));
    table.push(row("tasks", resources.pids.and_then(Limit::value).map_or_else(unlimited, |n| n.to_string())));
    table.extend(rows("device access", resources.devices.iter().map(ToString::to_string)));
    table
}
