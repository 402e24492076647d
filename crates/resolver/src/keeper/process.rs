//! One resolver's process: started by its plan, read back before its first instruction.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cofferdam_confinement::Plan;
use cofferdam_kernel::proc::ProcFs;
use cofferdam_names::ZoneName;
use cofferdam_proof::{GateError, HostKey, Prepared, Receipt, Rule, Terms, gate};
use cofferdam_runtime::start::{OwnedGroup, StartIo, Stdio, Supervision, begin};
use cofferdam_runtime::step::StepError;
use rustix::io::DupFlags;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::control::{Control, Order};
use crate::plan::{PROGRAM, PlanError, plan};

/// Where things are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The state folder, which tells zones of one name apart.
    pub realm: String,
    /// A folder of the run state's for the keeper alone: roots, plans and receipts are below it.
    pub folder: PathBuf,
    /// This program's file.
    pub program: PathBuf,
    /// The host's key.
    pub keys: PathBuf,
    /// The host's resolv.conf(5).
    pub resolv_conf: PathBuf,
}

impl Place {
    /// The plan that a zone's resolver was started by.
    #[must_use]
    pub fn plan(&self, zone: &ZoneName) -> PathBuf {
        self.folder.join(format!("{zone}{}", super::remains::PLAN))
    }

    /// The receipt of its start.
    #[must_use]
    pub fn receipt(&self, zone: &ZoneName) -> PathBuf {
        self.folder.join(format!("{zone}.receipt.json"))
    }
}

/// A resolver cannot be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// It has no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A step of its start failed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// It is not confined as planned.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Something around it failed.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

fn during(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::Io { what, source }
}

/// The number at which a resolver finds its socket.
pub(crate) const CONTROL: i32 = 3;

/// The keeper's own descriptor 3, which a new process inherits: /dev/null, but while one is started.
#[derive(Debug)]
pub(super) struct Slot(OwnedFd);

impl Slot {
    /// Takes the number, which must be free.
    pub(super) fn take() -> io::Result<Self> {
        let null = File::open("/dev/null")?;
        let held = rustix::io::fcntl_dupfd_cloexec(&null, CONTROL)?;
        if held.as_raw_fd() == CONTROL || null.as_raw_fd() == CONTROL {
            // Whichever has it: the other one is closed here.
            let slot = if null.as_raw_fd() == CONTROL { OwnedFd::from(null) } else { held };
            return Ok(Self(slot));
        }
        Err(io::Error::other("descriptor 3 is in use"))
    }

    fn fill(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        Ok(rustix::io::dup3(socket, &mut self.0, DupFlags::empty())?)
    }

    fn empty(&mut self) -> io::Result<()> {
        let null = File::open("/dev/null")?;
        Ok(rustix::io::dup3(&null, &mut self.0, DupFlags::CLOEXEC)?)
    }
}

/// Messages that may wait for a resolver; one that does not read so many is ended.
const MOST_WAITING: usize = 4096;

/// A resolver that runs. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    group: OwnedGroup,
    pub(super) control: Control,
    /// Whose sockets it has got.
    pub(super) handed: BTreeSet<u32>,
    waiting: VecDeque<(Order, Option<OwnedFd>)>,
}

impl Running {
    /// Starts a zone's resolver and proves it.
    pub(super) fn start(place: &Place, zone: &ZoneName, slot: &mut Slot) -> Result<Self, StartError> {
        let root = place.folder.join("root");
        make_root(&root).map_err(during("make the resolvers' root"))?;
        let plan = plan(&place.realm, zone, &root, &place.program)?;
        let (ours, theirs) = Control::pair().map_err(during("make the resolver's socket"))?;
        let theirs = theirs.into_socket();
        slot.fill(theirs.as_fd()).map_err(during("hand over the resolver's socket"))?;
        drop(theirs);
        let started = launch(place, zone, &plan);
        slot.empty().map_err(during("take back the resolver's socket"))?;
        let (pid, pidfd, group) = started?;
        let running =
            Self { pid, pidfd, group, control: ours, handed: BTreeSet::new(), waiting: VecDeque::new() };
        running.control.set_nonblocking().map_err(during("use the resolver's socket"))?;
        Ok(running)
    }

    /// Tells it something, now or when it has room. False where it does not read.
    pub(super) fn tell(&mut self, order: Order, fd: Option<OwnedFd>) -> bool {
        self.waiting.push_back((order, fd));
        self.waiting.len() <= MOST_WAITING && self.flush()
    }

    /// Whether something waits for it to have room.
    pub(super) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Sends what waits. False where that cannot be done any more.
    pub(super) fn flush(&mut self) -> bool {
        while let Some((order, fd)) = self.waiting.front() {
            match self.control.send(order, fd.as_ref().map(AsFd::as_fd)) {
                Ok(()) => drop(self.waiting.pop_front()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        true
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        let looking = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::PidFd(self.pidfd.as_fd()), looking), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
        if let Some(group) = self.group.group() {
            // A group that stays is empty, and is used again by the next start.
            let _ = group.kill_all();
            let _ = group.destroy();
        }
    }
}

/// An empty folder but for the empty file over which the program is mounted: the resolver's own user could not make it.
fn make_root(root: &Path) -> io::Result<()> {
    std::fs::create_dir_all(root)?;
    let file = File::options().write(true).create(true).truncate(false).mode(0o444).open(root.join(PROGRAM));
    file.map(drop)
}

fn launch(place: &Place, zone: &ZoneName, plan: &Plan) -> Result<(Pid, OwnedFd, OwnedGroup), StartError> {
    let null = || File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from);
    let stdio = || Ok(Stdio { stdin: null()?, stdout: null()?, stderr: null()? });
    let io = StartIo {
        stdio: Some(stdio().map_err(during("open /dev/null"))?),
        preserved_fds: 1,
        supervision: Supervision::DieWithParent,
        start_socket: None,
        bundle: place.folder.clone(),
    };
    // First, so that a keeper that is killed leaves nothing that its successor does not know of.
    let text = serde_json::to_vec(plan).map_err(|error| during("write the resolver's plan")(error.into()))?;
    std::fs::write(place.plan(zone), text).map_err(during("write the resolver's plan"))?;
    let building = begin(plan, io)?;
    let key = HostKey::open_or_create(&place.keys).map_err(|error| StartError::Io {
        what: "sign the resolver's receipt",
        source: io::Error::other(error),
    })?;
    let proc = ProcFs::open().map_err(|error| during("open /proc")(io::Error::other(error)))?;
    let prepared = Prepared::new(&proc, plan).map_err(GateError::Prepare)?;
    let gated = building.finish()?.exec_to_gate()?;
    let terms = Terms {
        plan,
        prepared: &prepared,
        group: gated.group().group(),
        preserved_fds: 1,
        rule: Rule::Strict,
    };
    let passed = gate(&proc, &gated, &terms, None)?;
    let receipt = Receipt::seal(passed.statement, &key).map_err(GateError::Json)?;
    receipt.keep(&place.receipt(zone)).map_err(during("keep the resolver's receipt"))?;
    let released = gated.release(passed.permit)?;
    Ok((released.pid, released.pidfd, released.group))
}
