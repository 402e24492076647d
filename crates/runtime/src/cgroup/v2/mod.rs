//! cgroup v2: one hierarchy (`Documentation/admin-guide/cgroup-v2.rst`).

mod device_program;
mod settings;
mod stats;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use cofferdam_confinement::resources::{DeviceRule, Resources};
use cofferdam_kernel::bpf;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};

pub(super) use self::settings::unified as unified_settings;
use super::control_file::{self, ControlFileError, keyed_number};
use super::device_rules::{allows, probes};
use super::error::{ApplyError, ControlError, CreateError};
use super::stats::Stats;
use super::version::{MemoryFiles, Version};
use super::{Controller, Hierarchy, Observation, OomWatch};

/// The v2 interface.
#[derive(Debug)]
pub(super) struct V2;

impl Version for V2 {
    fn name(&self) -> &'static str {
        "v2"
    }

    /// A group has the controllers that every group above it hands down (`cgroup.subtree_control`): those that the limits
    /// need, and those that count what `stats` shows.
    fn prepare(&self, hierarchy: &Hierarchy, path: &str, resources: &Resources) -> Result<(), CreateError> {
        let Wanted { needed, useful } = wanted(hierarchy, resources);
        if needed.is_empty() && useful.is_empty() {
            return Ok(());
        }
        let folder = hierarchy.root.join(path);
        let lacking = |wanted: &[&'static str]| -> Result<Vec<&'static str>, CreateError> {
            let text =
                control_file::read(&folder.join("cgroup.controllers")).map_err(CreateError::Prepare)?;
            let there: Vec<_> = text.split_whitespace().collect();
            Ok(wanted.iter().copied().filter(|name| !there.contains(name)).collect())
        };
        let missing = lacking(&[needed.as_slice(), &useful].concat())?;
        if missing.is_empty() {
            return Ok(());
        }
        let mut failure = hand_down(&hierarchy.root, &missing).err();
        for (end, _) in path.match_indices('/') {
            failure = hand_down(&hierarchy.root.join(&path[..end]), &missing).err().or(failure);
        }
        let missing = lacking(&needed)?;
        if missing.is_empty() {
            return Ok(());
        }
        Err(CreateError::Controllers { path: folder.clone(), missing: missing.join(", "), source: failure })
    }

    fn prepare_parent(&self, _: &Hierarchy, _: &str) -> Result<(), CreateError> {
        Ok(())
    }

    fn filter_devices(&self, folder: &Path, rules: &[DeviceRule]) -> Result<(), ApplyError> {
        let failed =
            |action| move |source| ApplyError::DeviceFilter { action, path: folder.to_owned(), source };
        let program = bpf::load_device_program(&device_program::compile(rules)).map_err(failed("load"))?;
        let group = open_folder(folder).map_err(failed("open the cgroup for"))?;
        let attached = bpf::device_programs(group.as_fd()).map_err(failed("find"))?;
        // One of ours from before is replaced in one step; a second one could only be someone else's, and stays.
        let old = match attached.as_slice() {
            [id] => Some(bpf::program_by_id(*id).map_err(failed("open"))?),
            _ => None,
        };
        bpf::attach_device_program(group.as_fd(), program.as_fd(), old.as_ref().map(AsFd::as_fd))
            .map_err(failed("attach"))
    }

    fn observe_devices(&self, folder: &Path, rules: &[DeviceRule]) -> Result<Observation, ApplyError> {
        let observed = observed_rules(folder, rules).map_err(|source| ApplyError::DeviceFilter {
            action: "read back",
            path: folder.to_owned(),
            source,
        })?;
        let planned = rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Ok(match observed {
            None => Observation { control: "devices".to_owned(), observed: planned.clone(), planned },
            Some(observed) => Observation { control: "devices".to_owned(), planned, observed },
        })
    }

    fn set_frozen(&self, folder: &Path, frozen: bool) -> Result<(), ControlError> {
        const WAIT: Duration = Duration::from_secs(2);
        let path = folder.join("cgroup.freeze");
        control_file::write_or_name(&path, if frozen { "1" } else { "0" })?;
        let wanted = u64::from(frozen);
        let done = wait_for_event(&folder.join("cgroup.events"), "frozen", wanted, WAIT)?;
        if done {
            return Ok(());
        }
        if frozen {
            control_file::write_or_name(&path, "0")?;
        }
        Err(ControlError::Timeout { path, wanted: if frozen { "frozen" } else { "thawed" }, waited: WAIT })
    }

    fn is_frozen(&self, folder: &Path) -> Result<bool, ControlError> {
        Ok(control_file::read(&folder.join("cgroup.freeze"))?.trim() == "1")
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
        MemoryFiles { usage: "memory.current", oom_kills: "memory.events" }
    }

    fn watch_oom(&self, folder: &Path) -> Result<OomWatch, ControlError> {
        let path = folder.join("memory.events");
        let file = rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| ControlError::Watch { path: path.clone(), source: errno.into() })?;
        let watch = OomWatch::File(file);
        // The kernel tells of changes since the last reading.
        watch.acknowledge().map_err(|source| ControlError::Watch { path, source })?;
        Ok(watch)
    }
}

/// Controllers by their names in v2.
struct Wanted {
    needed: Vec<&'static str>,
    useful: Vec<&'static str>,
}

fn wanted(hierarchy: &Hierarchy, resources: &Resources) -> Wanted {
    const COUNTING: [Controller; 4] =
        [Controller::Memory, Controller::Cpu, Controller::Pids, Controller::BlockIo];
    let mut wanted = Wanted { needed: Vec::new(), useful: Vec::new() };
    for controller in &hierarchy.controllers {
        let named =
            || resources.unified.keys().any(|file| Controller::named(file.controller()) == Some(*controller));
        if !controller.controls(resources).is_empty() || named() {
            wanted.needed.push(controller.v2_name());
        } else if COUNTING.contains(controller) {
            wanted.useful.push(controller.v2_name());
        }
    }
    wanted
}

/// Hands controllers down from one group to its children: all at once, or one by one if one of them is refused.
fn hand_down(folder: &Path, names: &[&str]) -> io::Result<()> {
    let path = folder.join("cgroup.subtree_control");
    let all = names.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(" ");
    let Err(refused) = control_file::write(&path, &all) else { return Ok(()) };
    if names.len() == 1 {
        return Err(refused);
    }
    names.iter().map(|name| control_file::write(&path, &format!("+{name}"))).fold(Ok(()), Result::and)
}

fn open_folder(folder: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// What the attached programs do otherwise than the rules; none if they do the same.
fn observed_rules(folder: &Path, rules: &[DeviceRule]) -> io::Result<Option<String>> {
    let group = open_folder(folder)?;
    let ids = bpf::device_programs(group.as_fd())?;
    if ids.is_empty() {
        return Ok(Some("no device filter is attached".to_owned()));
    }
    let programs = ids
        .iter()
        .map(|id| bpf::instructions(bpf::program_by_id(*id)?.as_fd()))
        .collect::<io::Result<Vec<_>>>()?;
    // Usually it is ours, untouched. Else its meaning counts: the kernel may have dropped dead code.
    if programs == [device_program::compile(rules)] {
        return Ok(None);
    }
    for probe in probes(rules) {
        let planned = allows(rules, &probe);
        // An access needs the consent of every program.
        let answers: Option<Vec<bool>> =
            programs.iter().map(|program| device_program::run(program, &probe)).collect();
        match answers {
            None => {
                return Ok(Some("unknown: a device filter that is not Cofferdam's is attached".to_owned()));
            }
            Some(answers) if answers.iter().all(|answer| *answer) != planned => {
                let verb = if planned { "denies" } else { "allows" };
                return Ok(Some(format!("the filter {verb} {probe}")));
            }
            Some(_) => {}
        }
    }
    Ok(None)
}

/// Waits until a line `KEY NUMBER` of `cgroup.events` has this number; false if it does not come to that in time.
fn wait_for_event(path: &Path, key: &str, wanted: u64, wait: Duration) -> Result<bool, ControlError> {
    let failed = |errno: rustix::io::Errno| ControlFileError::reading(path, errno.into());
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    let end = Instant::now() + wait;
    loop {
        let mut buffer = [0; 256];
        let count = rustix::io::pread(&file, &mut buffer, 0).map_err(failed)?;
        let text = String::from_utf8_lossy(&buffer[..count]);
        if keyed_number(&text, key) == Some(wanted) {
            return Ok(true);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let timeout = left.try_into().map_err(|_| failed(rustix::io::Errno::OVERFLOW))?;
        match poll(&mut [PollFd::new(&file, PollFlags::PRI)], Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(failed(errno).into()),
        }
    }
}
