//! What the machine holds before the tests and after them: anything new is a leak.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// Folders in which an entry stands for something that a container left. Keys, zones and images may stay.
const STATE_FOLDERS: [&str; 3] = ["/run/cofferdam", "/var/lib/cofferdam/containers", "/run/netns"];

/// Everything on this machine that a container could leave behind, one line each.
pub(super) struct Snapshot(BTreeSet<String>);

impl Snapshot {
    /// Looks at mounts, cgroups, network namespaces with a name, our processes and our state folders.
    pub(super) fn take(workspace: &Workspace) -> Result<Self> {
        let mut lines = BTreeSet::new();
        mounts(&mut lines)?;
        cgroups(Path::new("/sys/fs/cgroup"), &mut lines);
        processes(workspace, &mut lines)?;
        for folder in STATE_FOLDERS {
            for entry in entries(Path::new(folder)) {
                lines.insert(format!("file {}", entry.display()));
            }
        }
        Ok(Self(lines))
    }

    /// What is here now and was not there in `before`.
    pub(super) fn since(&self, before: &Self) -> Vec<String> {
        self.0.difference(&before.0).cloned().collect()
    }
}

fn mounts(lines: &mut BTreeSet<String>) -> Result<()> {
    let text = fs::read_to_string("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
    for line in text.lines() {
        if let Some(point) = line.split(' ').nth(4) {
            lines.insert(format!("mount {point}"));
        }
    }
    Ok(())
}

fn cgroups(folder: &Path, lines: &mut BTreeSet<String>) {
    for entry in entries(folder) {
        if entry.is_dir() && !entry.is_symlink() {
            lines.insert(format!("cgroup {}", entry.display()));
            cgroups(&entry, lines);
        }
    }
}

/// Processes that run a program of ours, and processes in a pid namespace that is not this one's.
fn processes(workspace: &Workspace, lines: &mut BTreeSet<String>) -> Result<()> {
    let own = std::process::id().to_string();
    let own_namespace = fs::read_link("/proc/self/ns/pid").context("read /proc/self/ns/pid")?;
    for entry in entries(Path::new("/proc")) {
        let Some(pid) = entry.file_name().and_then(|name| name.to_str()) else { continue };
        if pid == own || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let name = fs::read_to_string(entry.join("comm")).unwrap_or_default();
        let ours = fs::read_link(entry.join("exe")).is_ok_and(|exe| exe.starts_with(&workspace.target))
            || name.starts_with("cofferdam");
        let elsewhere = fs::read_link(entry.join("ns/pid")).is_ok_and(|namespace| namespace != own_namespace);
        if ours || elsewhere {
            lines.insert(format!("process {pid} {}", name.trim()));
        }
    }
    Ok(())
}

/// The entries of a folder; none when it cannot be read, as when it does not exist.
fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(listing) = fs::read_dir(folder) else { return Vec::new() };
    listing.filter_map(|entry| Some(entry.ok()?.path())).collect()
}
