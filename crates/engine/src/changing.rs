//! `rename` and `update`: what can be changed of a container after it has been made.

use cofferdam_kernel::file_lock;
use cofferdam_names::{ContainerId, ContainerName};
use cofferdam_policy::{ResourceRequest, RestartPolicy, plan_limits};
use cofferdam_shim::{ContainerDir, Frame};

use crate::create::host_devices;
use crate::error::{Error, Result};
use crate::live::{Live, read_plan};
use crate::{Engine, UpdateRequest, facts, ownership};

impl Engine {
    /// Gives it another name.
    ///
    /// # Errors
    /// Another container has the name.
    pub fn rename(&self, id: &ContainerId, name: &ContainerName) -> Result<()> {
        let old = self.definition(id)?.record.name;
        let renamed = self.store.rename(id, name)?;
        if !renamed {
            return Err(ownership::gone(id));
        }
        self.tell_keeper(id, name)?;
        if self.settle(id)?.state.has_shim() {
            // Its events carry the name. One that ends meanwhile has no more of them.
            let _ = self.ask_shim(id, "tell the name to", &Frame::Rename(name.as_str()));
        }
        self.definition(id)?.tell(&self.paths, "rename", &[("oldName", format!("/{old}"))]);
        Ok(())
    }

    /// Changes its limits and its restart policy, also while it runs.
    ///
    /// # Errors
    /// Its zone does not allow it, or the kernel refuses a limit: then the definition stays as it was.
    pub fn update(&self, id: &ContainerId, request: &UpdateRequest) -> Result<()> {
        let running = self.settle(id)?.state.has_shim();
        // One who runs has its lock with its shim; the rest is only changed by who holds it.
        let _lock = if running { None } else { Some(ownership::take(&self.paths, id)?) };
        let _alone = one_at_a_time(&self.paths.container(id))?;
        let mut definition = self.definition(id)?;
        merge(&mut definition.request.resources, &request.resources);
        if let Some(restart) = request.restart {
            if definition.request.rm && restart != RestartPolicy::No {
                return Err(Error::RestartOfRemoved { id: id.clone() });
            }
            definition.request.restart = restart;
        }
        let dir = self.paths.container(id);
        let plan = read_plan(&dir)?;
        // The host is not judged anew (`[placement] require`): nothing is started here, and where a host has become weaker a
        // tighter limit must not be refused.
        let zone = self.zones().load(&definition.record.zone)?;
        let devices = host_devices(&definition.request, &zone);
        let planned = plan_limits(
            &zone,
            &definition.request,
            &facts::gather_for(&definition.request)?,
            &devices,
            &plan.cgroup,
        )?;
        if running && planned != plan.cgroup {
            self.limit_live(id, &planned)?;
        }
        change_plan(&dir, |plan| plan.cgroup = planned)?;
        let text = serde_json::to_string(&definition.request)
            .map_err(|error| Error::io("write", "the request", error.into()))?;
        self.store.set_request(id, &text)?;
        if running && let Some(restart) = &request.restart {
            self.ask_shim(id, "change the restart policy of", &Frame::Restart(&restart.to_string()))?;
        }
        definition.tell(&self.paths, "update", &[]);
        Ok(())
    }

    /// Changes the limits that the kernel enforces now. Limits that it refuses half-way are set back.
    fn limit_live(&self, id: &ContainerId, planned: &cofferdam_confinement::Cgroup) -> Result<()> {
        let live = Live::find(&self.paths, id)?;
        let Some(group) = live.group()? else { return Err(Error::NoCgroup { id: id.clone() }) };
        let before = &live.plan.cgroup.resources;
        group.update(before, &planned.resources).map_err(|source| {
            // The first error is the one to tell; what stays changed is found by `verify`.
            let _ = group.update(&planned.resources, before);
            Error::Cgroup { id: id.clone(), source: source.into() }
        })
    }
}

/// Held by who changes what a container was asked to be, from the look at it to the last word of it: of two such commands at once none
/// takes back what the other did.
pub(crate) fn one_at_a_time(dir: &ContainerDir) -> Result<std::fs::File> {
    let path = dir.path().join("changing");
    let failed = |source| Error::io("lock", path.display(), source);
    let file =
        std::fs::File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    file_lock::lock(&file).map_err(failed)?;
    Ok(file)
}

/// Changes a container's plan where it lies: whoever does that holds its folder's lock, so that nobody's change is lost.
pub(crate) fn change_plan(
    dir: &ContainerDir,
    change: impl FnOnce(&mut cofferdam_confinement::Plan),
) -> Result<cofferdam_confinement::Plan> {
    let _alone = locked_folder(dir)?;
    let old = read_plan(dir)?;
    let mut plan = old.clone();
    change(&mut plan);
    if plan != old {
        write_plan(dir, &plan)?;
    }
    Ok(plan)
}

/// The lock of a container's folder, held by who reads one of its files and replaces it.
pub(crate) fn locked_folder(dir: &ContainerDir) -> Result<std::fs::File> {
    let path = dir.path();
    let failed = |source| Error::io("lock", path.display(), source);
    let folder = std::fs::File::open(path).map_err(failed)?;
    let locked = rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive);
    locked.map_err(|error| failed(error.into()))?;
    Ok(folder)
}

/// Replaces the plan as a whole: a reader sees the old one or the new one.
pub(crate) fn write_plan(dir: &ContainerDir, plan: &cofferdam_confinement::Plan) -> Result<()> {
    let path = dir.plan();
    let failed = |source| Error::io("write", path.display(), source);
    let text = serde_json::to_vec(plan).map_err(|error| failed(error.into()))?;
    let next = path.with_extension("next");
    std::fs::write(&next, text).and_then(|()| std::fs::rename(&next, &path)).map_err(failed)
}

/// Takes over what a change gives; what it does not give stays.
fn merge(old: &mut ResourceRequest, new: &ResourceRequest) {
    // Taken apart, so that a field that is added later cannot be forgotten here.
    let ResourceRequest {
        cpus,
        cpu_shares,
        cpu_period,
        cpu_quota,
        cpu_rt_period,
        cpu_rt_runtime,
        cpuset_cpus,
        cpuset_mems,
        memory,
        memory_swap,
        memory_reservation,
        memory_swappiness,
        oom_kill_disable,
        pids_limit,
        blkio_weight,
        blkio_weight_devices,
        device_read_bps,
        device_write_bps,
        device_read_iops,
        device_write_iops,
    } = new;
    fn one<T: Clone>(old: &mut Option<T>, new: &Option<T>) {
        if new.is_some() {
            old.clone_from(new);
        }
    }
    fn all<T: Clone>(old: &mut Vec<T>, new: &[T]) {
        if !new.is_empty() {
            *old = new.to_vec();
        }
    }
    // Both say how much processor time there is: the newer one counts.
    if cpus.is_some() {
        (old.cpu_period, old.cpu_quota) = (None, None);
    }
    if cpu_period.is_some() || cpu_quota.is_some() {
        old.cpus = None;
    }
    one(&mut old.cpus, cpus);
    one(&mut old.cpu_shares, cpu_shares);
    one(&mut old.cpu_period, cpu_period);
    one(&mut old.cpu_quota, cpu_quota);
    one(&mut old.cpu_rt_period, cpu_rt_period);
    one(&mut old.cpu_rt_runtime, cpu_rt_runtime);
    one(&mut old.cpuset_cpus, cpuset_cpus);
    one(&mut old.cpuset_mems, cpuset_mems);
    one(&mut old.memory, memory);
    one(&mut old.memory_swap, memory_swap);
    one(&mut old.memory_reservation, memory_reservation);
    one(&mut old.memory_swappiness, memory_swappiness);
    one(&mut old.pids_limit, pids_limit);
    one(&mut old.blkio_weight, blkio_weight);
    old.oom_kill_disable |= oom_kill_disable;
    all(&mut old.blkio_weight_devices, blkio_weight_devices);
    all(&mut old.device_read_bps, device_read_bps);
    all(&mut old.device_write_bps, device_write_bps);
    all(&mut old.device_read_iops, device_read_iops);
    all(&mut old.device_write_iops, device_write_iops);
}

#[cfg(test)]
mod tests {
    use cofferdam_policy::ByteSize;

    use super::*;

    #[test]
    fn what_an_update_does_not_give_stays() {
        let mut old = ResourceRequest {
            memory: Some(ByteSize(1 << 20)),
            cpu_quota: Some(1000),
            cpuset_cpus: Some("0".to_owned()),
            ..ResourceRequest::default()
        };
        let new = ResourceRequest {
            memory: Some(ByteSize(2 << 20)),
            cpus: Some("1.5".parse().unwrap()),
            ..ResourceRequest::default()
        };
        merge(&mut old, &new);
        assert_eq!(old.memory, Some(ByteSize(2 << 20)));
        assert_eq!(old.cpuset_cpus.as_deref(), Some("0"));
        assert_eq!((old.cpus, old.cpu_quota), (new.cpus, None));
    }
}
