//! What a keeper that was killed has left: its resolvers died with it, their control groups and files stay.

use std::io;
use std::path::Path;

use cofferdam_confinement::Plan;
use cofferdam_runtime::cgroup::{Group, Layout};

/// What the name of a plan's file ends with.
pub(super) const PLAN: &str = ".plan.json";

/// Whether a folder has the plan of a resolver.
pub(super) fn are_there(folder: &Path) -> io::Result<bool> {
    match std::fs::read_dir(folder) {
        Ok(entries) => Ok(entries.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(PLAN))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes away what plans in a keeper's folder have left. Each plan is written before anything is made by it.
pub(super) fn sweep(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_none_or(|name| !name.to_string_lossy().ends_with(PLAN)) {
            continue;
        }
        // A file that was half written was followed by nothing.
        if let Ok(plan) = serde_json::from_slice::<Plan>(&std::fs::read(&path)?)
            && let Some(group) = &plan.cgroup.path
        {
            let layout = Layout::detect().map_err(io::Error::other)?;
            if let Some(group) = Group::open_remains(&layout, group) {
                group.kill_all().map_err(io::Error::other)?;
                group.destroy().map_err(io::Error::other)?;
            }
        }
        std::fs::remove_file(&path)?;
    }
    Ok(())
}
