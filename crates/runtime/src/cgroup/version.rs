//! What differs between the two versions of the interface: everything else about a group is the same.

use std::fmt;
use std::path::Path;

use cofferdam_confinement::resources::{DeviceRule, RdmaDevice, RdmaLimit, Resources};

use super::control_file::{self, keyed_number};
use super::error::{ApplyError, ControlError, ControlFileError, CreateError, Unenforceable};
use super::limits::Dialect;
use super::setting::Reading;
use super::stats::Stats;
use super::{Controller, Hierarchy, Observation, OomWatch, Setting};

/// One version of the cgroup interface, at work on the folder of one group in one hierarchy.
pub(super) trait Version: Dialect + fmt::Debug + Sync {
    /// `v1` or `v2`.
    fn name(&self) -> &'static str;

    /// Makes a new group at `path` usable: gives it processors and nodes (v1), or its controllers (v2).
    fn prepare(&self, hierarchy: &Hierarchy, path: &str, resources: &Resources) -> Result<(), CreateError>;

    /// Makes a new group that is to have children of ours ready for them.
    fn prepare_parent(&self, hierarchy: &Hierarchy, path: &str) -> Result<(), CreateError>;

    /// Limits the group to the devices that `rules` allow.
    fn filter_devices(&self, folder: &Path, rules: &[DeviceRule]) -> Result<(), ApplyError>;

    /// Compares the device filter in force with `rules`.
    fn observe_devices(&self, folder: &Path, rules: &[DeviceRule]) -> Result<Observation, ApplyError>;

    /// Freezes or thaws the group and waits until it is so.
    fn set_frozen(&self, folder: &Path, frozen: bool) -> Result<(), ControlError>;

    /// Whether the group is frozen or on its way there.
    fn is_frozen(&self, folder: &Path) -> Result<bool, ControlError>;

    /// Adds to `stats` what `controller` counts.
    fn read_stats(
        &self,
        controller: Controller,
        folder: &Path,
        stats: &mut Stats,
    ) -> Result<(), ControlFileError>;

    /// The file with the bytes of memory in use, and the one that counts processes killed for a lack of memory.
    fn memory_files(&self) -> MemoryFiles;

    /// Bytes of memory in use.
    fn memory_usage(&self, folder: &Path) -> Result<u64, ControlFileError> {
        let text = control_file::read(&folder.join(self.memory_files().usage))?;
        Ok(text.trim().parse().unwrap_or(u64::MAX))
    }

    /// Begins to watch the group for a lack of memory.
    fn watch_oom(&self, folder: &Path) -> Result<OomWatch, ControlError>;

    /// How many processes the kernel killed for a lack of memory.
    fn oom_kills(&self, folder: &Path) -> Result<u64, ControlFileError> {
        let text = control_file::read(&folder.join(self.memory_files().oom_kills))?;
        Ok(keyed_number(&text, "oom_kill").unwrap_or(0))
    }
}

/// The names of two files of the memory controller.
#[derive(Debug, Clone, Copy)]
pub(super) struct MemoryFiles {
    /// Bytes in use.
    pub(super) usage: &'static str,
    /// Lines of which one is `oom_kill NUMBER`.
    pub(super) oom_kills: &'static str,
}

/// A limit that neither version can enforce, or not this one.
pub(super) fn unenforceable(control: impl ToString, reason: &str, remedy: &str) -> Unenforceable {
    Unenforceable { control: control.to_string(), reason: reason.to_owned(), remedy: remedy.to_owned() }
}

/// The kernel counts memory in whole pages.
pub(super) fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

/// `rdma.max` is the same file in both versions.
pub(super) fn rdma_setting(device: &RdmaDevice, limit: &RdmaLimit) -> Setting {
    let mut words = vec![device.to_string()];
    let mut fields = Vec::new();
    for (field, number) in [("hca_handle", limit.hca_handles), ("hca_object", limit.hca_objects)] {
        if let Some(number) = number {
            words.push(format!("{field}={number}"));
            fields.push(field.to_owned());
        }
    }
    Setting::whole("rdma", Controller::Rdma, "rdma.max", words.join(" "))
        .read_as(Reading::Fields { key: device.to_string(), fields })
        .of(device)
}

/// OCI's `memory.swap` counts memory as well: it needs a limit, and is at least that.
pub(super) fn check_swap(resources: &Resources) -> Result<(), Unenforceable> {
    use cofferdam_confinement::resources::Limit;
    let memory = &resources.memory;
    match (memory.limit, memory.swap) {
        (Some(Limit::Value(limit)), Some(Limit::Value(swap))) if swap < limit => Err(unenforceable(
            "memory.swap",
            &format!("it counts memory and swap together, and {swap} is below memory.limit, {limit}"),
            "set it to at least memory.limit",
        )),
        (None | Some(Limit::Max), Some(Limit::Value(_))) => Err(unenforceable(
            "memory.swap",
            "it counts memory and swap together, and memory.limit is not set",
            "set memory.limit as well",
        )),
        _ => Ok(()),
    }
}
