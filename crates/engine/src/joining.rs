//! Namespaces of another container. Its processes have other numbers and its namespaces are new after each of its starts, so
//! they are found anew for every start of a container that shares them.

use std::collections::BTreeMap;

use cofferdam_confinement::{NamespaceSource, Plan};
use cofferdam_kernel::namespace::Namespace;
use cofferdam_names::ContainerId;
use cofferdam_policy::{ContainerRequest, JoinedContainer, NamespaceMode, NetworkMode};
use cofferdam_shim::{Joined, ShimSpec};

use crate::changing::change_plan;
use crate::error::{Error, Result};
use crate::live::Live;
use crate::paths::Paths;

/// The file of a namespace of the container's first process.
pub(crate) fn namespace_file(live: &Live, kind: Namespace) -> std::path::PathBuf {
    format!("/proc/{}/ns/{}", live.pid.as_raw_nonzero(), kind.link_name()).into()
}

/// The request with the other containers' ids in the place of what was typed: a name can be given to another later.
pub(crate) fn with_ids(
    request: &ContainerRequest,
    joined: &BTreeMap<String, JoinedContainer>,
) -> ContainerRequest {
    let mut request = request.clone();
    let id = |word: &str| joined.get(word).map(|other| other.id.to_string());
    let names = &mut request.namespaces;
    let modes = [&mut names.pid, &mut names.ipc, &mut names.uts, &mut names.userns, &mut names.cgroupns];
    for mode in modes.into_iter().flatten() {
        if let Some(id) = mode.container().and_then(id) {
            *mode = NamespaceMode::Container(id);
        }
    }
    if let Some(NetworkMode::Container(word)) = &mut request.network.mode
        && let Some(id) = id(word)
    {
        *word = id;
    }
    request
}

fn failed(other: &ContainerId, why: String) -> Error {
    Error::io("join the namespaces of container", other.short(), std::io::Error::other(why))
}

/// The container whose namespaces are to be joined, which must run.
///
/// # Errors
/// It does not, or it cannot be told.
pub(crate) fn joined_one(paths: &Paths, other: &ContainerId) -> Result<Live> {
    Live::find(paths, other).map_err(|error| match error {
        Error::NotRunning { .. } => failed(other, "it does not run; start it first".to_owned()),
        error => error,
    })
}

/// Points a plan at the namespaces of the container that it shares them with, as that runs now, and writes it down. What
/// comes back names that container's first process: the shim looks whether it still is that one once it has joined.
///
/// # Errors
/// The other container does not run, or is in another zone.
pub(crate) fn rejoin(paths: &Paths, other: &ContainerId, plan: &mut Plan) -> Result<Joined> {
    let live = joined_one(paths, other)?;
    if live.plan.zone != plan.zone {
        return Err(failed(other, "it is in another zone".to_owned()));
    }
    let stat = live.process()?.stat().map_err(|error| failed(other, error.to_string()))?;
    for kind in Namespace::ALL {
        if let NamespaceSource::Join(path) = plan.namespaces.source_mut(kind) {
            *path = namespace_file(&live, kind);
        }
    }
    plan.namespaces.id_maps.clone_from(&live.plan.namespaces.id_maps);
    change_plan(&paths.container(&plan.container), |there| there.namespaces.clone_from(&plan.namespaces))?;
    Ok(Joined { container: other.clone(), pid: live.pid.as_raw_nonzero().get(), start_time: stat.start_time })
}

/// The same for a shim that starts its container again.
pub(crate) fn rejoin_for(paths: &Paths, spec: &mut ShimSpec, plan: &mut Plan) -> Result<()> {
    if let Some(joined) = &mut spec.joined {
        *joined = rejoin(paths, &joined.container, plan)?;
    }
    Ok(())
}
