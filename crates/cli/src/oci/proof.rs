//! The gate of this face: reads back what confines a process before it runs, and keeps the receipt beside the container's
//! state.
//!
//! What can be known before the process stands at the gate is prepared while it is being made; `create` leaves it for the
//! `start` that follows in another process. What a foreign configuration may leave unknown: docs/decisions/receipts.md.

use std::io;
use std::path::{Path, PathBuf};

use cofferdam_confinement::{NamespaceSource, Plan, Process};
use cofferdam_kernel::proc::ProcFs;
use cofferdam_proof::{
    ContainerReading, Entrants, GateError, HostKey, ObserveError, Passed, Prepared, Receipt, Rule, Running,
    Statement, Terms, gate, verify_all,
};
use cofferdam_runtime::cgroup::Group;
use cofferdam_runtime::lifecycle::{Container, Gatekeeper, Lookup, Refusal, StateRoot};
use cofferdam_runtime::start::{Gated, Permit, Released};
use rustix::process::{Pid, Signal, pidfd_send_signal};

use super::error::CommandError;

/// Below the root of all containers; no container's id has an `@`.
const KEYS: &str = "@keys";
/// The receipt of a container's start, in its folder.
const RECEIPT: &str = "receipt.json";
/// What `create` prepared for `start`, in the container's folder.
const PREPARED: &str = "prepared.json";

fn cannot_prove(error: GateError) -> CommandError {
    CommandError::System {
        what: "cannot read the container's confinement back",
        source: io::Error::other(error),
    }
}

fn open_proc() -> Result<ProcFs, CommandError> {
    let failed = |error: cofferdam_kernel::proc::ProcError| error.into();
    ProcFs::open().map_err(|error| CommandError::system("cannot open /proc")(failed(error)))
}

fn open_key(root: &StateRoot) -> Result<HostKey, CommandError> {
    HostKey::open_or_create(&root.path().join(KEYS)).map_err(|error| CommandError::System {
        what: "cannot open the key that signs receipts",
        source: io::Error::other(error),
    })
}

/// Everything that the gate needs beside the process itself.
pub(super) struct Prover {
    proc: ProcFs,
    prepared: Prepared,
    preserved_fds: u32,
    /// What was read while the process executed its program.
    ahead: Option<Result<Option<ContainerReading>, ObserveError>>,
    /// What was found of the process that the gate let pass.
    found: Option<Statement>,
}

impl Prover {
    /// For a container that is being made: to be called while it is.
    pub(super) fn prepare(plan: &Plan, preserved_fds: u32) -> Result<Self, CommandError> {
        let proc = open_proc()?;
        let prepared = Prepared::new(&proc, plan).map_err(|error| cannot_prove(GateError::Prepare(error)))?;
        Ok(Self { proc, prepared, preserved_fds, ahead: None, found: None })
    }

    /// For a process that enters a container.
    pub(super) fn entering(plan: &Plan, first: Pid, preserved_fds: u32) -> Result<Self, CommandError> {
        let proc = open_proc()?;
        let prepared = Prepared::entering(&proc, plan, first)
            .map_err(|error| cannot_prove(GateError::Prepare(error)))?;
        Ok(Self { proc, prepared, preserved_fds, ahead: None, found: None })
    }

    /// For a container that an earlier command made: what that command prepared, since the host's folders and namespaces may
    /// have changed since.
    pub(super) fn of_created(container: &Container) -> Result<Self, CommandError> {
        let record = container.record();
        match read_prepared(container.path())? {
            Some(prepared) => {
                let proc = open_proc()?;
                Ok(Self { proc, prepared, preserved_fds: record.preserved_fds, ahead: None, found: None })
            }
            None => Self::prepare(&record.plan, record.preserved_fds),
        }
    }

    /// Leaves what was prepared for the command that starts the container.
    pub(super) fn leave(&self, folder: &Path) -> Result<(), CommandError> {
        let text = serde_json::to_vec(&self.prepared).map_err(io::Error::from);
        text.and_then(|text| std::fs::write(folder.join(PREPARED), text))
            .map_err(CommandError::system("cannot write what the start compares with"))
    }

    /// Reads the process back that is held at the gate; gives the permit if nothing keeps the gate shut.
    pub(super) fn examine(&mut self, plan: &Plan, gated: &Gated) -> Result<Permit, GateError> {
        let terms = Terms {
            plan,
            prepared: &self.prepared,
            group: gated.group().group(),
            preserved_fds: self.preserved_fds,
            rule: Rule::Foreign,
        };
        let ahead = self.ahead.take().transpose()?.flatten();
        match gate(&self.proc, gated, &terms, ahead) {
            Ok(Passed { permit, statement }) => {
                self.found = Some(statement);
                Ok(permit)
            }
            Err(error) => {
                if let GateError::Refused { statement, .. } = &error {
                    self.found = Some(Statement::clone(statement));
                }
                Err(error)
            }
        }
    }

    fn receipt(&mut self, root: &StateRoot) -> Result<Option<Receipt>, CommandError> {
        let Some(statement) = self.found.take() else { return Ok(None) };
        let key = open_key(root)?;
        Receipt::seal(statement, &key).map(Some).map_err(|error| cannot_prove(GateError::Json(error)))
    }

    /// Signs and keeps what was found of the container's first process.
    pub(super) fn keep(&mut self, root: &StateRoot, folder: &Path) -> Result<(), CommandError> {
        let Some(receipt) = self.receipt(root)? else { return Ok(()) };
        receipt.keep(&folder.join(RECEIPT)).map_err(CommandError::system("cannot keep the receipt"))
    }

    /// Signs and keeps what was found of a process that entered.
    pub(super) fn keep_entrant(
        &mut self,
        root: &StateRoot,
        container: &Container,
        process: &Process,
    ) -> Result<(), CommandError> {
        let Some(receipt) = self.receipt(root)? else { return Ok(()) };
        let kept = Entrants::of(container.path()).keep(process, &receipt, &self.proc);
        kept.map_err(CommandError::system("cannot keep the receipt"))
    }
}

impl Gatekeeper for Prover {
    fn look_ahead(&mut self, plan: &Plan, pid: Pid, group: Option<&Group>) {
        self.ahead = Some(ContainerReading::ahead(&self.proc, plan, pid, group, &self.prepared));
    }

    fn look(&mut self, plan: &Plan, gated: &Gated) -> Result<Permit, Refusal> {
        Ok(self.examine(plan, gated)?)
    }
}

/// Ends a process that runs and whose receipt cannot be kept: nothing would say how it was confined.
pub(super) fn end_unreceipted(released: &Released) {
    let _ = pidfd_send_signal(&released.pidfd, Signal::KILL);
}

fn read_prepared(folder: &Path) -> Result<Option<Prepared>, CommandError> {
    let text = match std::fs::read(folder.join(PREPARED)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(CommandError::system("cannot read what the creation prepared"))?,
    };
    let prepared = serde_json::from_slice(&text).map_err(io::Error::from);
    prepared.map(Some).map_err(CommandError::system("cannot understand what the creation prepared"))
}

/// Reads a running container back: its own receipt first, then one for each process that entered it.
pub(super) fn verify(root: &StateRoot, container: &Container) -> Result<Vec<Receipt>, CommandError> {
    let (first, _held) = container
        .init()
        .ok_or_else(|| CommandError::Refused("cannot verify a container that does not run".to_owned()))?;
    let (proc, key) = (open_proc()?, open_key(root)?);
    let plan = &container.record().plan;
    let prepared = match read_prepared(container.path())? {
        Some(prepared) => prepared,
        None => Prepared::new(&proc, plan).map_err(|error| cannot_prove(GateError::Prepare(error)))?,
    };
    // A group that cannot be opened is a finding, and not a reason to find nothing.
    let group = container.group().ok().flatten();
    let start = std::fs::read(receipt_file(container)).unwrap_or_default();
    let running = Running {
        plan,
        first,
        group: group.as_ref(),
        prepared: &prepared,
        start: &start,
        entrants: &Entrants::of(container.path()),
        guests: &|| guests(root, &proc, &key),
    };
    verify_all(&proc, &running, &key).map_err(cannot_prove)
}

/// The processes of containers that share another's pid namespace.
fn guests(root: &StateRoot, proc: &ProcFs, key: &HostKey) -> Vec<Pid> {
    let sharing = |id: cofferdam_names::ContainerId| {
        let container = Container::find(root, &id, Lookup::Look).ok()?;
        let joined = matches!(container.record().plan.namespaces.user, NamespaceSource::Join(_));
        let first = container.init()?.0;
        joined.then_some((container, first))
    };
    let processes = |(container, first): (Container, Pid)| {
        let entered = Entrants::of(container.path()).living(proc, key.public()).unwrap_or_default();
        entered.into_iter().map(|(pid, _)| pid).chain([first]).collect::<Vec<_>>()
    };
    root.ids().unwrap_or_default().into_iter().filter_map(sharing).flat_map(processes).collect()
}

fn receipt_file(container: &Container) -> PathBuf {
    container.path().join(RECEIPT)
}
