//! `verify`: whether a running container is confined as planned, read back from the kernel now.

use cofferdam_confinement::{NamespaceSource, Plan};
use cofferdam_kernel::proc::ProcFs;
use cofferdam_names::{ContainerId, ZoneName};
use cofferdam_proof::{Entrants, GateError, HostKey, Prepared, Receipt, Running, verify_all};
use cofferdam_runtime::cgroup::{Group, Layout};
use rustix::process::Pid;

use crate::error::{Error, Result};
use crate::live::Live;
use crate::users_network::in_network;
use crate::{Engine, ListFilters};

impl Engine {
    /// Reads all controls of a running container back and signs what was found, whatever that is: the container's receipt
    /// first, then one for each process that entered it, then that of its zone's resolver.
    ///
    /// # Errors
    /// It does not run, or cannot be looked at.
    pub fn verify(&self, id: &ContainerId) -> Result<Vec<Receipt>> {
        self.settle(id)?;
        let live = Live::find(&self.paths, id)?;
        if live.plan.network.is_none() {
            return self.verify_here(id);
        }
        // Its links and rules can be read only where they are.
        let found = in_network(&self.paths, || self.verify_here(id))?;
        found.ok_or_else(|| {
            let why = "no shim of a container with a link is in it";
            Error::io("look at", "this user's network", std::io::Error::other(why))
        })
    }

    fn verify_here(&self, id: &ContainerId) -> Result<Vec<Receipt>> {
        let live = Live::find(&self.paths, id)?;
        let failed = |source: GateError| Error::Verify { id: id.clone(), source: source.into() };
        let key = HostKey::open_or_create(&self.paths.state().join("keys"))
            .map_err(|source| Error::Verify { id: id.clone(), source: source.into() })?;
        let proc = ProcFs::open().map_err(|error| Error::io("open", "/proc", error.into()))?;
        let start = std::fs::read(self.paths.container(id).receipt()).unwrap_or_default();
        let prepared = Prepared::new(&proc, &live.plan).map_err(|error| failed(error.into()))?;
        // A group that cannot be opened is a finding, and not a reason to find nothing.
        let group = live.group().ok().flatten();
        let running = Running {
            plan: &live.plan,
            first: live.pid,
            group: group.as_ref(),
            prepared: &prepared,
            start: &start,
            entrants: &Entrants::of(live.dir.small()),
            guests: &|| self.guests(&proc, &key),
        };
        let mut receipts = verify_all(&proc, &running, &key).map_err(failed)?;
        if let (Some(network), Some(zone)) = (&live.plan.network, &live.plan.zone)
            && network.resolver
        {
            receipts.extend(self.verify_resolver(&proc, zone, &key).map_err(failed)?);
        }
        Ok(receipts)
    }

    /// Reads back how a zone's resolver is confined; none where nobody has asked it anything, so that it does not run.
    fn verify_resolver(
        &self,
        proc: &ProcFs,
        zone: &ZoneName,
        key: &HostKey,
    ) -> std::result::Result<Vec<Receipt>, GateError> {
        let Some((pid, place)) = self.resolver_of(zone).map_err(GateError::Entrants)? else {
            return Ok(Vec::new());
        };
        let read = std::fs::read(place.plan(zone)).and_then(|text| Ok(serde_json::from_slice(&text)?));
        let plan: Plan = read.map_err(GateError::Entrants)?;
        let prepared = Prepared::new(proc, &plan)?;
        let group = plan.cgroup.path.as_ref().zip(Layout::detect().ok());
        let group = group.and_then(|(path, layout)| Group::open(&layout, path).ok());
        let running = Running {
            plan: &plan,
            first: pid,
            group: group.as_ref(),
            prepared: &prepared,
            start: &std::fs::read(place.receipt(zone)).unwrap_or_default(),
            entrants: &Entrants::of(&place.folder),
            guests: &Vec::new,
        };
        verify_all(proc, &running, key)
    }

    /// The processes of containers that share another's namespaces, its user namespace among them. A container that cannot be looked at has none: its
    /// processes are strangers to the other then.
    fn guests(&self, proc: &ProcFs, key: &HostKey) -> Vec<Pid> {
        let sharing = |id: ContainerId| {
            let live = Live::find(&self.paths, &id).ok()?;
            matches!(live.plan.namespaces.user, NamespaceSource::Join(_)).then_some(live)
        };
        let processes = |live: Live| {
            let entered = Entrants::of(live.dir.small()).living(proc, key.public()).unwrap_or_default();
            entered.into_iter().map(|(pid, _)| pid).chain([live.pid]).collect::<Vec<_>>()
        };
        self.running().unwrap_or_default().into_iter().filter_map(sharing).flat_map(processes).collect()
    }

    /// The ids of all containers that run, newest first.
    ///
    /// # Errors
    /// As [`Engine::list`].
    pub fn running(&self) -> Result<Vec<ContainerId>> {
        Ok(self.list(&ListFilters::default())?.into_iter().map(|container| container.id).collect())
    }
}
