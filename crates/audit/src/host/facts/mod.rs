//! Facts about a host, each gathered once.

mod accounts;
mod cgroups;
mod engines;
mod kernel;
mod mounts;
mod packages;
mod parts;
mod processes;
mod rpm;
mod security;
mod services;
mod sockets;
mod source;
mod ssh;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::container::ContainerFacts;
use crate::fact::Fact;
use crate::survey::{Purpose, Survey};
use crate::tree::FileStatus;

pub use accounts::{Account, Accounts, Group, Password, PasswordKind, SudoRule};
pub use cgroups::Cgroups;
pub use engines::{Docker, DockerContainer, Engines, Kubelet};
pub use kernel::{Kernel, parse_command_line, parse_options};
pub use mounts::{Mount, Mounts};
pub use packages::Packages;
use parts::NOT_ASKED_FOR;
pub(crate) use parts::Parts;
pub use processes::Process;
pub use security::{Apparmor, Security, Selinux};
pub use services::Unit;
pub use sockets::{Listening, Protocol};
pub use source::{Source, View};
pub use ssh::{Setting, Sshd};

/// Everything that the checks on a host judge by.
#[derive(Debug, Serialize)]
pub struct HostFacts {
    /// Whether the system runs.
    pub view: View,
    /// Its name.
    pub name: Fact<String>,
    /// Its distribution (os-release(5)): fields by name.
    pub distribution: Fact<BTreeMap<String, String>>,
    /// Its kernel.
    pub kernel: Kernel,
    /// Its security modules and its processor.
    pub security: Security,
    /// Its mounts.
    pub mounts: Fact<Mounts>,
    /// Its control groups.
    pub cgroups: Fact<Cgroups>,
    /// Modules that are loaded.
    pub modules: Fact<Vec<String>>,
    /// Modules that the kernel could load; none where it takes no modules.
    #[serde(skip)]
    pub loadable_modules: Fact<BTreeSet<String>>,
    /// Modules that modprobe.d(5) bars: `install NAME /bin/false`, or blacklisted (`false`: by name only).
    pub barred_modules: Fact<BTreeMap<String, bool>>,
    /// Owner and mode of each path that a check asks about.
    pub files: BTreeMap<&'static str, Fact<Option<FileStatus>>>,
    /// Small files that a check reads as they are.
    pub texts: BTreeMap<&'static str, Fact<Option<String>>>,
    /// Who may log in.
    pub accounts: Accounts,
    /// The SSH server.
    pub ssh: Fact<Option<Sshd>>,
    /// Sockets that wait for somebody.
    pub sockets: Fact<Vec<Listening>>,
    /// Units of systemd.
    pub units: Fact<BTreeMap<String, Unit>>,
    /// Processes.
    pub processes: Fact<Vec<Process>>,
    /// Packages; `None` where no package manager is known.
    pub packages: Fact<Option<Packages>>,
    /// The container engines and their settings.
    pub engines: Engines,
    /// The containers that run, of whatever engine.
    pub containers: Fact<Vec<ContainerFacts>>,
    /// Programs that give rights, and what everybody may write: of a running system in its program folders and in /etc, of a tree
    /// at rest everywhere.
    pub survey: Fact<Survey>,
    /// The rules of the kernel's audit, as its files configure them: one line each.
    pub audit_rules: Fact<Vec<String>>,
    /// All of it as JSON, once somebody asked for that.
    #[serde(skip)]
    pub(crate) json: std::sync::OnceLock<Result<serde_json::Value, String>>,
}

/// What the checks ask about: gathered first, so that nothing is read that nobody judges.
pub(crate) struct Wanted {
    pub(crate) parts: Parts,
    pub(crate) parameters: BTreeSet<String>,
    pub(crate) files: Vec<&'static str>,
    pub(crate) texts: Vec<&'static str>,
}

impl HostFacts {
    /// Looks once at what is asked for.
    pub(crate) fn gather(source: &Source, wanted: &Wanted) -> Self {
        let parts = wanted.parts;
        let kernel = Kernel::gather(source, &wanted.parameters, parts);
        let mounts = parts.fact(Parts::MOUNTS, || mounts::gather(source));
        let processes = parts.fact(Parts::PROCESSES, || processes::gather(source));
        let status = |path: &&'static str| (*path, source.status(path));
        let read = |path: &&'static str| (*path, text(source, path));
        let (files, texts) = (parts.has(Parts::FILES), parts.has(Parts::TEXTS));
        Self {
            view: source.view,
            name: name(source),
            distribution: distribution(source),
            security: Security::gather(source),
            cgroups: cgroups::gather(source, &mounts),
            loadable_modules: parts.fact(Parts::MODULES, || loadable_modules(source, &kernel)),
            kernel,
            modules: parts.fact(Parts::MODULES, || loaded_modules(source)),
            barred_modules: parts.fact(Parts::MODULES, || barred_modules(source)),
            files: wanted.files.iter().filter(|_| files).map(status).collect(),
            texts: wanted.texts.iter().filter(|_| texts).map(read).collect(),
            accounts: if parts.has(Parts::ACCOUNTS) {
                Accounts::gather(source)
            } else {
                Accounts::unknown(NOT_ASKED_FOR)
            },
            ssh: parts.fact(Parts::SSH, || ssh::gather(source)),
            sockets: parts.fact(Parts::SOCKETS, || sockets::gather(source)),
            units: parts.fact(Parts::UNITS, || services::gather(source)),
            packages: parts.fact(Parts::PACKAGES, || packages::gather(source)),
            engines: Engines::gather(source, &processes),
            containers: crate::container::all(source, &processes, &mounts),
            audit_rules: parts.fact(Parts::TEXTS, || audit_rules(source)),
            json: std::sync::OnceLock::new(),
            survey: parts.fact(Parts::SURVEY, || Fact::Known(survey(source))),
            processes,
            mounts,
        }
    }

    /// The facts as JSON, for rules of one's own; made once.
    pub(crate) fn as_json(&self) -> Result<&serde_json::Value, crate::fact::Unknown> {
        let made = self.json.get_or_init(|| serde_json::to_value(self).map_err(|error| error.to_string()));
        made.as_ref()
            .map_err(|error| crate::fact::Unknown(format!("cannot write the facts as JSON: {error}")))
    }

    /// The status of a path that a check has asked for.
    pub fn file(&self, path: &str) -> Result<Option<FileStatus>, crate::fact::Unknown> {
        match self.files.get(path) {
            Some(fact) => fact.get().copied(),
            None => Err(crate::fact::Unknown(format!("{path} was not looked at"))),
        }
    }

    /// The text of a file that a check has asked for.
    pub fn text(&self, path: &str) -> Result<Option<&str>, crate::fact::Unknown> {
        match self.texts.get(path) {
            Some(fact) => Ok(fact.get()?.as_deref()),
            None => Err(crate::fact::Unknown(format!("{path} was not read"))),
        }
    }
}

/// The text of a file, with that of its drop-ins behind it where its program reads drop-ins.
fn text(source: &Source, path: &str) -> Fact<Option<String>> {
    const WITH_DROP_INS: [(&str, &str); 3] = [
        ("/etc/systemd/journald.conf", "/etc/systemd/journald.conf.d"),
        ("/etc/systemd/coredump.conf", "/etc/systemd/coredump.conf.d"),
        ("/etc/security/limits.conf", "/etc/security/limits.d"),
    ];
    let Some((_, folder)) = WITH_DROP_INS.iter().find(|(main, _)| *main == path) else {
        return source.text(path);
    };
    let read = || {
        let mut all = source.text(path).get()?.clone();
        for name in source.tree.names_with_ending(folder, ".conf")? {
            if let Some(more) = source.text(&format!("{folder}/{name}")).get()? {
                let all = all.get_or_insert_default();
                all.push('\n');
                all.push_str(more);
            }
        }
        Ok(all)
    };
    read().into()
}

/// Where a running system's programs and settings are: a walk through its data would take longer than all else.
const SYSTEM: [&str; 12] = [
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/libexec",
    "/usr/local",
    "/etc",
    "/opt",
    "/boot",
];

fn survey(source: &Source) -> Survey {
    let roots: &[&str] = if source.is_running() { &SYSTEM } else { &["/"] };
    Survey::of(&source.tree, roots, Purpose::Rights)
}

fn name(source: &Source) -> Fact<String> {
    let path = if source.is_running() { "/proc/sys/kernel/hostname" } else { "/etc/hostname" };
    match source.tree.value(path) {
        Fact::Known(Some(name)) => Fact::Known(name),
        Fact::Known(None) => Fact::unknown(format!("{path} does not exist")),
        Fact::Unknown(reason) => Fact::Unknown(reason),
    }
}

pub(crate) fn distribution(source: &Source) -> Fact<BTreeMap<String, String>> {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        if let Fact::Known(Some(text)) = source.tree.text(path) {
            let field = |line: &str| {
                let (name, value) = line.split_once('=')?;
                Some((name.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned()))
            };
            return Fact::Known(text.lines().filter_map(field).collect());
        }
    }
    Fact::unknown("the tree has no os-release")
}

/// The mounts alone, for an audit of one container.
pub(crate) fn gather_mounts(source: &Source) -> Fact<Mounts> {
    mounts::gather(source)
}

/// The processes alone.
pub(crate) fn gather_processes(source: &Source) -> Fact<Vec<Process>> {
    processes::gather(source)
}

/// The rules in `/etc/audit`; empty where the audit is not installed.
fn audit_rules(source: &Source) -> Fact<Vec<String>> {
    let read = || {
        let mut files = vec!["/etc/audit/audit.rules".to_owned()];
        let drop_ins = source.tree.names_with_ending("/etc/audit/rules.d", ".rules")?;
        files.extend(drop_ins.into_iter().map(|name| format!("/etc/audit/rules.d/{name}")));
        let mut rules = Vec::new();
        for path in files {
            let text = source.tree.text(&path).get()?.clone().unwrap_or_default();
            let lines = text.lines().map(str::trim).filter(|line| line.starts_with('-'));
            rules.extend(lines.map(str::to_owned));
        }
        Ok(rules)
    };
    read().into()
}

fn loaded_modules(source: &Source) -> Fact<Vec<String>> {
    if !source.is_running() {
        return Fact::unknown("no system runs in the tree");
    }
    // A kernel without modules has no such file.
    source.tree.text("/proc/modules").map(|text| {
        let text = text.unwrap_or_default();
        text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    })
}

/// The names in the kernel's own list of modules, and none for a kernel that loads none.
fn loadable_modules(source: &Source, kernel: &Kernel) -> Fact<BTreeSet<String>> {
    let bare = kernel.option("MODULES").is_ok_and(|value| value.as_deref() != Some("y"));
    if bare || kernel.word("nomodule").is_ok_and(|word| word.is_some()) {
        return Fact::Known(BTreeSet::new());
    }
    let release = match kernel.release.get() {
        Ok(release) => release,
        Err(reason) => return Fact::Unknown(reason),
    };
    match source.tree.bytes_up_to(format!("/lib/modules/{release}/modules.dep"), 16 << 20) {
        Fact::Known(Some(bytes)) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let name = |line: &str| {
                let file = line.split(':').next()?.rsplit('/').next()?;
                Some(file.split_once(".ko")?.0.replace('-', "_"))
            };
            Fact::Known(text.lines().filter_map(name).collect())
        }
        Fact::Known(None) => Fact::unknown(format!("/lib/modules/{release}/modules.dep does not exist")),
        Fact::Unknown(reason) => Fact::Unknown(reason),
    }
}

fn barred_modules(source: &Source) -> Fact<BTreeMap<String, bool>> {
    let read = || {
        let mut barred: BTreeMap<String, bool> = BTreeMap::new();
        for folder in ["/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"] {
            for name in source.tree.names_with_ending(folder, ".conf")? {
                let text = source.tree.text(format!("{folder}/{name}")).get()?.clone().unwrap_or_default();
                for line in text.lines() {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    match words.as_slice() {
                        ["install", module, program, ..]
                            if ["/bin/false", "/bin/true", "/usr/bin/false", "/usr/bin/true"]
                                .contains(program) =>
                        {
                            barred.insert(module.replace('-', "_"), true);
                        }
                        ["blacklist", module] => {
                            barred.entry(module.replace('-', "_")).or_insert(false);
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(barred)
    };
    read().into()
}
