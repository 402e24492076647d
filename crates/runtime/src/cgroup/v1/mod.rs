//! cgroup v1: a hierarchy for each controller (`Documentation/admin-guide/cgroup-v1/`).

mod devices;
mod settings;
mod stats;

use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use cofferdam_confinement::resources::{DeviceRule, Resources};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, OFlags};

use self::devices::DeviceList;
use super::control_file::{self, ControlFileError};
use super::error::{ApplyError, ControlError, CreateError};
use super::stats::Stats;
use super::version::{MemoryFiles, Version};
use super::{Controller, Hierarchy, Observation, OomWatch};

/// The v1 interface.
#[derive(Debug)]
pub(super) struct V1;

impl Version for V1 {
    fn name(&self) -> &'static str {
        "v1"
    }

    /// A new cpuset without processors lets no process in. Below a parent of ours the kernel has filled it
    /// (`cgroup.clone_children`); below someone else's, it may be empty.
    fn prepare(&self, hierarchy: &Hierarchy, path: &str, _: &Resources) -> Result<(), CreateError> {
        if hierarchy.controllers.contains(&Controller::Cpuset) {
            fill_cpuset(&hierarchy.root, path).map_err(CreateError::Prepare)?;
        }
        Ok(())
    }

    fn prepare_parent(&self, hierarchy: &Hierarchy, path: &str) -> Result<(), CreateError> {
        if !hierarchy.controllers.contains(&Controller::Cpuset) {
            return Ok(());
        }
        fill_cpuset(&hierarchy.root, path)
            .and_then(|()| {
                control_file::write_or_name(&hierarchy.root.join(path).join("cgroup.clone_children"), "1")
            })
            .map_err(CreateError::Prepare)
    }

    fn filter_devices(&self, folder: &Path, rules: &[DeviceRule]) -> Result<(), ApplyError> {
        for (file, lines) in DeviceList::of(rules)?.writes() {
            control_file::write_each(&folder.join(file), &lines).map_err(|source| ApplyError::Set {
                control: "devices".to_owned(),
                value: lines.join(", "),
                source,
            })?;
        }
        Ok(())
    }

    fn observe_devices(&self, folder: &Path, rules: &[DeviceRule]) -> Result<Observation, ApplyError> {
        let list = DeviceList::of(rules)?;
        let text = control_file::read(&folder.join("devices.list"))
            .map_err(|source| ApplyError::ReadBack { control: "devices".to_owned(), source })?;
        let mut lines: Vec<_> = text.lines().map(str::trim).collect();
        lines.sort_unstable();
        let observed = if list.is_listed_whole() {
            lines.join(", ")
        } else {
            "unknown: cgroup v1 does not show exceptions to 'everything'".to_owned()
        };
        Ok(Observation { control: "devices".to_owned(), planned: list.listed().join(", "), observed })
    }

    /// The freezer works while processes fork: asking again catches what slipped through. Between tries it is thawed now
    /// and then, because a process that waits for a frozen one can never reach its own freezing point.
    fn set_frozen(&self, folder: &Path, frozen: bool) -> Result<(), ControlError> {
        const TRIES: u32 = 1000;
        const PAUSE: Duration = Duration::from_millis(1);
        let path = folder.join("freezer.state");
        if !frozen {
            return Ok(control_file::write_or_name(&path, "THAWED")?);
        }
        for attempt in 0..TRIES {
            if attempt % 50 == 49 {
                control_file::write_or_name(&path, "THAWED")?;
                std::thread::sleep(PAUSE);
            }
            control_file::write_or_name(&path, "FROZEN")?;
            if control_file::read(&path)?.trim() == "FROZEN" {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        control_file::write_or_name(&path, "THAWED")?;
        Err(ControlError::Timeout { path, wanted: "frozen", waited: PAUSE * TRIES })
    }

    fn is_frozen(&self, folder: &Path) -> Result<bool, ControlError> {
        Ok(control_file::read(&folder.join("freezer.state"))?.trim() != "THAWED")
    }

    fn read_stats(
        &self,
        controller: Controller,
        folder: &Path,
        stats: &mut Stats,
    ) -> Result<(), ControlFileError> {
        stats::read(controller, folder, stats)
    }

    fn memory_files(&self) -> MemoryFiles {
        MemoryFiles { usage: "memory.usage_in_bytes", oom_kills: "memory.oom_control" }
    }

    /// `Documentation/admin-guide/cgroup-v1/memory.rst`, "OOM Control": an event descriptor is registered.
    fn watch_oom(&self, folder: &Path) -> Result<OomWatch, ControlError> {
        let path = folder.join("memory.oom_control");
        let failed =
            |errno: rustix::io::Errno| ControlError::Watch { path: path.clone(), source: errno.into() };
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(failed)?;
        let control =
            rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        let registration = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
        control_file::write_or_name(&folder.join("cgroup.event_control"), &registration)?;
        Ok(OomWatch::Event(event))
    }
}

/// Gives a cpuset its parent's processors and nodes where it has none, after the parent itself.
fn fill_cpuset(root: &Path, path: &str) -> Result<(), ControlFileError> {
    let folder = root.join(path);
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if !control_file::read(&folder.join(file))?.trim().is_empty() {
            continue;
        }
        let parent = match path.rsplit_once('/') {
            Some((parent, _)) => {
                fill_cpuset(root, parent)?;
                root.join(parent)
            }
            None => root.to_owned(),
        };
        let inherited = control_file::read(&parent.join(file))?;
        control_file::write_or_name(&folder.join(file), inherited.trim())?;
    }
    Ok(())
}
