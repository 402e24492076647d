//! The parent side of a start: from a plan to a process that is held at the gate.

mod as_root;
mod created;
mod ending;
mod exec;
mod following;
mod hooks;
pub(crate) mod id_map;
mod join;
pub(crate) mod joined_maps;
mod net_devices;
mod own_program;
pub(crate) mod owned_group;
mod permit;
mod tracers;
mod witness;

pub use as_root::{RootAside, as_root_of};
pub use created::{Created, Gated, Released};
pub(crate) use ending::wait_for_end;
pub use exec::{Entering, Target, enter};
pub use hooks::{ContainerState, HookFolder, Status, run_hooks};
pub use id_map::write_id_maps;
pub use permit::Permit;

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use cofferdam_confinement::{NamespaceSource, Plan, Process};
use cofferdam_kernel::capability::Capability;
use cofferdam_kernel::namespace::Namespace;
use cofferdam_kernel::proc::{ProcDir, ProcFs};
use rustix::process::Pid;

use crate::channel::{Channel, Message};
use crate::init::Init;
pub use crate::process::affinity::mask as affinity_mask;
use crate::process::filter::Filter;
use crate::rootfs::{Maker, Sources};
use crate::step::{Step, StepError};
pub use own_program::{PROGRAM_VARIABLE, protect_from, protect_own_file};
pub use owned_group::OwnedGroup;

/// The standard streams of the container's first process, where it has no terminal.
#[derive(Debug)]
#[allow(missing_docs, reason = "plain")]
pub struct Stdio {
    pub stdin: OwnedFd,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// What binds the container's life to this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supervision {
    /// The kernel kills the container's first process when this thread ends.
    DieWithParent,
    /// The container outlives this process (`create` of an OCI runtime).
    Detached,
}

/// Everything besides the plan that a start is given.
#[derive(Debug)]
pub struct StartIo {
    /// Standard streams; unused where the plan has a terminal.
    pub stdio: Option<Stdio>,
    /// How many descriptors from 3 on the container inherits (`--preserve-fds`).
    pub preserved_fds: u32,
    /// What binds the container's life to this process.
    pub supervision: Supervision,
    /// A listening SOCK_SEQPACKET socket on which init waits for another process to start it; without one it waits
    /// for this process.
    pub start_socket: Option<OwnedFd>,
    /// The bundle's folder, which hooks are told.
    pub bundle: PathBuf,
}

/// A container whose first process exists and builds its root meanwhile: [`Building::finish`] goes on with it. Dropping it
/// undoes the start.
#[derive(Debug)]
pub struct Building<'p> {
    plan: &'p Plan,
    created: Created,
    bundle: PathBuf,
    /// The container's user namespace, where this side makes mounts for it.
    userns: Option<OwnedFd>,
    /// Its network namespace, where this side may not open it any more.
    network: Option<OwnedFd>,
    privileged: bool,
}

impl Building<'_> {
    /// The first process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.created.pid()
    }

    /// The container's network namespace, which is to be given a link.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn network_namespace(&self) -> Result<OwnedFd, StepError> {
        match &self.network {
            Some(opened) => Step::OpenNamespace.run("net", || opened.try_clone()),
            None => Step::OpenNamespace.run("net", || {
                let process = ProcFs::open().and_then(|proc| proc.process(self.pid()))?;
                Ok(process.open_namespace(Namespace::Network)?)
            }),
        }
    }

    /// Answers init until it waits before its credentials change.
    pub fn finish(mut self) -> Result<Created, StepError> {
        let maker = maker(self.plan, self.userns.as_ref(), self.privileged);
        self.created.serve(self.plan, &self.bundle, maker)?;
        Ok(self.created)
    }
}

/// Makes the container's cgroup, namespaces, root and first process, which waits before its credentials change.
/// Whatever had been made is undone if a step fails.
pub fn create(plan: &Plan, io: StartIo) -> Result<Created, StepError> {
    begin(plan, io)?.finish()
}

/// The part of [`create`] after which init works alone for a while: time for the caller's own work.
pub fn begin(plan: &Plan, io: StartIo) -> Result<Building<'_>, StepError> {
    own_program::check(plan)?;
    let filter = Filter::compile(plan.process.seccomp.as_ref())?;
    let group = OwnedGroup::create(&plan.cgroup)?;
    let (ours, theirs) = Step::Channel.run("between runtime and init", Channel::pair)?;
    let privileged = has_host_rights();
    let stays = io.start_socket.is_none();
    let followed = !privileged && stays && tells_no_one(plan);
    let in_child = Init {
        plan,
        channel: theirs,
        group: group.joiner()?,
        filter,
        makes_sources: !privileged,
        followed,
        stdio: io.stdio,
        preserved_fds: io.preserved_fds,
        supervision: io.supervision,
        start_socket: io.start_socket,
        bundle: io.bundle.clone(),
    };
    let joined = join::open(&plan.namespaces)?;
    if !(privileged || followed && plan.namespaces.user != NamespaceSource::Host) {
        tracers::check_joined(plan, &joined)?;
    }
    let flags = new_namespaces(plan);
    let made = join::clone_init(&joined, flags, &ours, in_child)?;
    let mut created = Created::new(made, ours, group);
    // Whoever has rights in a pid namespace that is joined could stop it for ever: its tracer lets it on.
    if followed || stays && joins(plan) {
        created.trace()?;
    }
    // What cannot be done for an init that has ended is not the reason: its own is.
    let (userns, network) = set_up(plan, &created, privileged, followed)
        .map_err(|error| created.channel().reported_failure().unwrap_or(error))?;
    Ok(Building { plan, created, bundle: io.bundle, userns, network, privileged })
}

/// Whether no program is told init's number before it runs: hooks of the runtime's side want to find its namespaces in /proc.
fn tells_no_one(plan: &Plan) -> bool {
    plan.hooks.prestart.is_empty() && plan.hooks.create_runtime.is_empty()
}

fn joins(plan: &Plan) -> bool {
    Namespace::ALL.into_iter().any(|kind| matches!(plan.namespaces.source(kind), NamespaceSource::Join(_)))
}

fn maker<'a>(plan: &'a Plan, userns: Option<&'a OwnedFd>, privileged: bool) -> Maker<'a> {
    let id_map = userns.map(AsFd::as_fd).zip(plan.namespaces.id_maps.as_ref());
    Maker { id_map, may_make_nodes: privileged }
}

/// What only this side can do for the waiting init: id maps, limits above its own rights, sources. Gives the container's user
/// namespace, where it has one and this side makes its mounts, and its network namespace, where this side could not open it later.
fn set_up(
    plan: &Plan,
    created: &Created,
    privileged: bool,
    followed: bool,
) -> Result<(Option<OwnedFd>, Option<OwnedFd>), StepError> {
    let process = Step::Handshake
        .run("/proc of init", || Ok(ProcFs::open().and_then(|proc| proc.process(created.pid()))?))?;
    // The maps of a joined namespace are written already.
    if let (NamespaceSource::New, Some(maps)) = (&plan.namespaces.user, &plan.namespaces.id_maps) {
        id_map::write(&process, created.pid(), maps)?;
    }
    // Of an init that was cloned by a followed joiner this is set, and its files are out of reach.
    if !(followed && joins(plan)) {
        set_oom_score(&plan.process, &process)?;
    }
    net_devices::move_all(plan, &process)?;
    // Once it has been told to go on, only the host's root may open what is in its folder of /proc.
    let network = match &plan.network {
        Some(_) if !privileged => {
            Some(Step::OpenNamespace.run("net", || Ok(process.open_namespace(Namespace::Network)?))?)
        }
        _ => None,
    };
    if !(privileged && plan.namespaces.mount.is_new()) {
        let message = Message::Sources { slots: Vec::new(), more: false };
        created.channel().tell("of the mounts", &message, &[])?;
        return Ok((None, network));
    }
    let userns = match plan.namespaces.user {
        NamespaceSource::Host => None,
        _ => Some(id_map::open_user_namespace(&process)?),
    };
    Sources::make(plan, maker(plan, userns.as_ref(), privileged))?.send(created.channel())?;
    Ok((userns, network))
}

/// A score below the one that was inherited needs rights that only this side has.
fn set_oom_score(process: &Process, dir: &ProcDir) -> Result<(), StepError> {
    let Some(score) = process.oom_score_adj else { return Ok(()) };
    Step::OomScore.apply(score, || Ok(dir.write("oom_score_adj", score.to_string().as_bytes())?))
}

/// Whether this process may mount, map ids and make nodes on the host's behalf.
fn has_host_rights() -> bool {
    let in_first_userns = std::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_ascii_whitespace().eq(["0", "0", "4294967295"]));
    in_first_userns
        && rustix::thread::capabilities(None)
            .is_ok_and(|sets| sets.effective.bits() & (1 << Capability::SYS_ADMIN.number()) != 0)
}

/// The `CLONE_NEW*` flags of the plan. The cgroup namespace is made after the cgroup was joined, since its root is
/// the group at that moment; the time namespace after its offsets are written.
fn new_namespaces(plan: &Plan) -> u64 {
    Namespace::ALL
        .into_iter()
        .filter(|kind| !matches!(kind, Namespace::Cgroup | Namespace::Time))
        .filter(|&kind| plan.namespaces.source(kind).is_new())
        .filter(|kind| !Step::Clone.is_left_out(format_args!("new {}", kind.link_name())))
        .map(Namespace::clone_flag)
        .fold(0, |flags, flag| flags | flag)
}
