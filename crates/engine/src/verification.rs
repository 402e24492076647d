//! `verify`: whether a running container is confined as planned, read back from the kernel now.

use cofferdam_kernel::proc::ProcFs;
use cofferdam_names::ContainerId;
use cofferdam_proof::{GateError, HostKey, Moment, Receipt, Subject, compare_group};

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
        let subject = Subject {
            plan: &live.plan,
            pid: live.pid,
            moment: Moment::Verify,
            preserved_fds: 0,
            filter_witness: None,
        };
        let receipt = cofferdam_proof::verify(&proc, &subject, &key).map_err(failed)?;
        // A group that cannot be opened is a finding, and not a reason to find nothing.
        let group = live.group().ok().flatten();
        let statement =
            receipt.statement.with_findings(compare_group(&live.plan.cgroup, group.as_ref(), live.pid));
        let envelope = statement.sign(&key).map_err(|error| failed(error.into()))?;
        Ok(Receipt { statement, envelope })
    }

    /// The ids of all containers that run, newest first.
    ///
    /// # Errors
    /// As [`Engine::list`].
    pub fn running(&self) -> Result<Vec<ContainerId>> {
        Ok(self.list(&ListFilters::default())?.into_iter().map(|container| container.id).collect())
    }
}
