//! The shim becomes a new program: the same process, with the same children and descriptors, without the memory of the
//! client that it was forked from.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use cofferdam_kernel::exec::{CStringArray, fexecve};
use cofferdam_kernel::{code_pages, inherited};
use cofferdam_rootless::Host;
use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create};
use rustix::io::FdFlags;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::spec::ShimSpec;
use crate::status::Status;
use crate::streams::Streams;
use crate::supervise::{Child, Client, Keeper, Probes, ProbesState, Supervisor, watch_signals};
use crate::{Connection, Listener, Lock};

/// The subcommand of the program that [`resume`] is behind.
pub const SUBCOMMAND: &str = "shim";

/// What goes over, in a file in memory; descriptors by their numbers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Handover {
    spec: ShimSpec,
    status: Status,
    lock: RawFd,
    listener: RawFd,
    pidfd: RawFd,
    stdin: Option<RawFd>,
    stdout: Option<RawFd>,
    stderr: Option<RawFd>,
    terminal: Option<RawFd>,
    membership: Option<RawFd>,
    host: Option<RawFd>,
    probes: Option<ProbesState>,
    clients: Vec<ClientState>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientState {
    fd: RawFd,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    waits: bool,
}

/// Executes the program anew. If that cannot be done the shim goes on as it is: it is only larger.
pub(crate) fn execute_anew<K: Keeper>(shim: &mut Supervisor<'_, K>) -> io::Result<()> {
    let Some(child) = &shim.child else { return Ok(()) };
    let number = |fd: &Option<OwnedFd>| fd.as_ref().map(AsRawFd::as_raw_fd);
    let clients = shim.clients.iter().map(|client| ClientState {
        fd: client.connection.as_fd().as_raw_fd(),
        stdin: client.stdin,
        stdout: client.stdout,
        stderr: client.stderr,
        waits: client.waits,
    });
    let state = Handover {
        spec: shim.spec.clone(),
        status: shim.status.clone(),
        lock: shim.lock.as_fd().as_raw_fd(),
        listener: shim.listener.as_fd().as_raw_fd(),
        pidfd: child.pidfd.as_raw_fd(),
        stdin: number(&shim.streams.stdin),
        stdout: number(&shim.streams.stdout),
        stderr: number(&shim.streams.stderr),
        terminal: number(&shim.streams.terminal),
        membership: number(&shim.membership),
        host: shim.host.as_ref().map(|host| host.as_fd().as_raw_fd()),
        probes: shim.probes.as_ref().map(Probes::state),
        clients: clients.collect(),
    };
    let mut file = File::from(memfd_create(c"cofferdam-shim", MemfdFlags::empty())?);
    serde_json::to_writer(&mut file, &state)?;
    file.flush()?;
    file.rewind()?;
    let program = rustix::fs::open("/proc/self/exe", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let args = CStringArray::new([
        "cofferdam".to_owned(),
        SUBCOMMAND.to_owned(),
        file.as_raw_fd().to_string(),
        shim.spec.id.to_string(),
    ])?;
    let env = CStringArray::new(Vec::<String>::new())?;
    set_inheritable(shim, true)?;
    let _error = fexecve(program.as_fd(), &args, &env);
    // Still here: nothing has changed but these flags.
    set_inheritable(shim, false)
}

/// Lets the shim's descriptors outlive an exec, or not.
fn set_inheritable<K>(shim: &Supervisor<'_, K>, inheritable: bool) -> io::Result<()> {
    let flags = if inheritable { FdFlags::empty() } else { FdFlags::CLOEXEC };
    let streams = &shim.streams;
    let streams = [&streams.stdin, &streams.stdout, &streams.stderr, &streams.terminal];
    let child = shim.child.as_ref().map(|child| child.pidfd.as_fd());
    let fds = streams
        .into_iter()
        .filter_map(|stream| stream.as_ref().map(AsFd::as_fd))
        .chain(shim.clients.iter().map(|client| client.connection.as_fd()))
        .chain(child)
        .chain(shim.membership.as_ref().map(AsFd::as_fd))
        .chain(shim.host.as_ref().map(AsFd::as_fd))
        .chain([shim.lock.as_fd(), shim.listener.as_fd()]);
    for fd in fds {
        rustix::io::fcntl_setfd(fd, flags)?;
    }
    Ok(())
}

/// The life of a shim that has executed itself anew: to be called first thing in `main`, with the number that the
/// arguments give. Returns when the container has ended for good.
///
/// # Errors
/// The handover cannot be read, or the shim cannot go on; the container dies with it then.
pub fn resume(number: RawFd, keeper: &impl Keeper) -> io::Result<()> {
    let mut text = String::new();
    File::from(inherited::take(number)?).read_to_string(&mut text)?;
    let state: Handover = serde_json::from_str(&text)?;
    drop(text);
    let take = |number: Option<RawFd>| number.map(inherited::take).transpose();
    let pid = Pid::from_raw(state.status.pid)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the handover names no process"))?;
    let streams = Streams {
        stdin: take(state.stdin)?,
        stdout: take(state.stdout)?,
        stderr: take(state.stderr)?,
        terminal: take(state.terminal)?,
    };
    let child = Child { pid, pidfd: inherited::take(state.pidfd)?, group: None };
    let lock = Lock::from_held(inherited::take(state.lock)?);
    let listener = Listener::from_socket(inherited::take(state.listener)?);
    let clients = state.clients.iter().map(|client| {
        let mut taken = Client::new(Connection::from_socket(inherited::take(client.fd)?));
        (taken.stdin, taken.stdout, taken.stderr, taken.waits) =
            (client.stdin, client.stdout, client.stderr, client.waits);
        Ok(taken)
    });
    let clients = clients.collect::<io::Result<Vec<_>>>()?;
    let mut shim = Supervisor::new(state.spec, state.status, lock, listener, watch_signals()?, keeper);
    shim.child = Some(child);
    shim.membership = take(state.membership)?;
    shim.host = take(state.host)?.map(Host::from_socket);
    if shim.host.is_none() && shim.spec.rootless.is_some() {
        shim.host_at = Some(std::time::Instant::now());
    }
    shim.probes = state.probes.as_ref().map(Probes::from_state);
    shim.streams = streams;
    shim.clients = clients;
    shim.watch_firewall();
    // What reading the handover took is not needed again while the container idles.
    code_pages::release();
    code_pages::release_stack();
    shim.run()
}
