//! `verify`: whether a running container is confined as planned, read back from the kernel now.

use cofferdam_kernel::proc::ProcFs;
use cofferdam_names::ContainerId;
use cofferdam_proof::{
    GateError, HostKey, Moment, Prepared, Receipt, Subject, compare_group, examine, witness_of_start,
};

use crate::error::{Error, Result};
use crate::live::Live;
use crate::{Engine, ListFilters};

impl Engine {
    /// Reads all controls of a running container back and signs what was found, whatever that is.
    ///
    /// # Errors
    /// It does not run, or cannot be looked at.
    pub fn verify(&self, id: &ContainerId) -> Result<Receipt> {
        self.settle(id)?;
        let live = Live::find(&self.paths, id)?;
        let failed = |source: GateError| Error::Verify { id: id.clone(), source: source.into() };
        let key = HostKey::open_or_create(&self.paths.state().join("keys"))
            .map_err(|source| Error::Verify { id: id.clone(), source: source.into() })?;
        let proc = ProcFs::open().map_err(|error| Error::io("open", "/proc", error.into()))?;
        // Where the filter cannot be read back, the start's own signed receipt says what was seen.
        let start = std::fs::read(self.paths.container(id).receipt()).unwrap_or_default();
        let filter_witness = witness_of_start(&start, key.public(), &proc, live.pid);
        let subject = Subject {
            plan: &live.plan,
            pid: live.pid,
            moment: Moment::Verify,
            preserved_fds: 0,
            filter_witness,
        };
        let prepared = Prepared::new(&proc, &live.plan).map_err(|error| failed(error.into()))?;
        let found = examine(&proc, &subject, &prepared).map_err(|error| failed(error.into()))?;
        // A group that cannot be opened is a finding, and not a reason to find nothing.
        let group = live.group().ok().flatten();
        let statement = found.with_findings(compare_group(&live.plan.cgroup, group.as_ref(), live.pid));
        Receipt::seal(statement, &key).map_err(|error| failed(error.into()))
    }

    /// The ids of all containers that run, newest first.
    ///
    /// # Errors
    /// As [`Engine::list`].
    pub fn running(&self) -> Result<Vec<ContainerId>> {
        Ok(self.list(&ListFilters::default())?.into_iter().map(|container| container.id).collect())
    }
}
