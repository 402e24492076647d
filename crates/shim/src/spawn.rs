//! The beginning of a shim: forked from the client, it starts the container and tells the client how that went.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use cofferdam_confinement::Plan;
use cofferdam_kernel::fork;
use cofferdam_kernel::signal::SignalFd;
use cofferdam_rootless::Host;
use rustix::process::set_child_subreaper;

use crate::failure::Failure;
use crate::frame::MAX_PACKET;
use crate::launch::{Launched, launch};
use crate::spec::ShimSpec;
use crate::status::Status;
use crate::supervise::{Client, Keeper, Supervisor, watch_signals};
use crate::{Connection, Frame, Listener, Lock, users_network};

/// Which streams the client that starts a container is attached to from its first byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the streams' names")]
pub struct Attach {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

/// What a shim is started with.
#[derive(Debug)]
pub struct Order<'a> {
    /// What to carry out.
    pub plan: &'a Plan,
    /// What else to know.
    pub spec: ShimSpec,
    /// The container's status before the start.
    pub status: Status,
    /// The container's lock: the shim's from now on.
    pub lock: Lock,
    /// The streams that this client wants; none if it only wants to know whether the start went well.
    pub attach: Option<Attach>,
}

/// A container that runs, and the connection to its shim.
#[derive(Debug)]
pub struct Running {
    /// Its first process as the host numbers it.
    pub pid: i32,
    /// Attached if that was ordered; the shim's end of it is gone with the shim.
    pub connection: Connection,
}

/// Forks a shim and waits until the container runs.
///
/// # Errors
/// Why it does not, with the shim gone and nothing left of the start.
pub fn spawn(order: Order<'_>, keeper: &impl Keeper) -> Result<Running, Failure> {
    let (ours, theirs) =
        Connection::pair().map_err(|error| Failure::during("connect to the shim", &error))?;
    let keep = [order.lock.as_fd().as_raw_fd(), theirs.as_fd().as_raw_fd()];
    // What is moved into the closure is dropped on this side: the shim's copies of the lock and of its end of the
    // connection are the only ones then, and its death frees the one and ends the other.
    let forked =
        fork::detached(&keep, move |prepared| i32::from(live(prepared, order, theirs, keeper).is_err()));
    forked.map_err(|error| Failure::during("fork the shim", &error))?;
    await_start(ours)
}

fn await_start(connection: Connection) -> Result<Running, Failure> {
    let mut buffer = [0; MAX_PACKET];
    let answer = connection.receive(&mut buffer);
    match answer.map_err(|error| Failure::during("hear from the shim", &error))? {
        Some(Frame::Started { pid }) => Ok(Running { pid, connection }),
        Some(Frame::Failed { class, messages }) => Err(Failure::from_frame(class, messages)),
        Some(other) => Err(Failure::plain(format!("the shim answered a start with {other:?}"))),
        None => Err(Failure::plain("the shim ended without a word; was it killed?")),
    }
}

/// The shim's whole life, in its own process.
fn live(
    prepared: io::Result<()>,
    order: Order<'_>,
    client: Connection,
    keeper: &impl Keeper,
) -> io::Result<()> {
    let detached = prepared.map_err(|error| Failure::during("detach the shim", &error));
    match detached.and_then(|()| begin(order, keeper)) {
        Ok((mut shim, attach)) => {
            let told = client.send(&Frame::Started { pid: shim.status.pid });
            if let (Ok(()), Some(attach)) = (told, attach) {
                client.set_nonblocking()?;
                let mut attached = Client::new(client);
                (attached.stdin, attached.stdout, attached.stderr) =
                    (attach.stdin, attach.stdout, attach.stderr);
                attached.waits = true;
                shim.clients.push(attached);
            }
            shim.run()
        }
        Err(failure) => failure.send(&client),
    }
}

fn begin_listening(
    plan: &Plan,
    spec: &ShimSpec,
    keeper: &impl Keeper,
) -> Result<(SignalFd, Listener, Launched, Option<Host>), Failure> {
    let during = |operation: &'static str| move |error: io::Error| Failure::during(operation, &error);
    // Before anything is made: what this process makes from here on is that network's.
    let host = users_network::enter(spec)?;
    let signals = watch_signals().map_err(during("watch signals"))?;
    // Processes whose parents end come to this process and not to the machine's init.
    set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| Failure::during("become a subreaper", &error))?;
    let listener = Listener::bind(&spec.run().socket()).map_err(during("listen for clients"))?;
    // What stays listening is the sign of a shim that was lost in its start.
    let launched = launch(plan, spec, host.as_ref(), keeper)
        .inspect_err(|_| drop(std::fs::remove_file(spec.run().socket())))?;
    Ok((signals, listener, launched, host))
}

fn begin<'k, K: Keeper>(
    order: Order<'_>,
    keeper: &'k K,
) -> Result<(Supervisor<'k, K>, Option<Attach>), Failure> {
    let during = |operation: &'static str| move |error: io::Error| Failure::during(operation, &error);
    let Order { plan, spec, status, lock, attach } = order;
    let (signals, listener, launched, host) = match begin_listening(plan, &spec, keeper) {
        Ok(begun) => begun,
        Err(failure) => {
            // While the lock is held. What cannot be recorded reaches the client all the same.
            let _ = status.of_failed_start(&failure).write(&spec.container_dir().status());
            return Err(failure);
        }
    };
    let mut shim = Supervisor::new(spec, status, lock, listener, signals, keeper);
    shim.host = host;
    if let Err(error) = shim.adopt(launched) {
        shim.abandon();
        return Err(during("record the start")(error));
    }
    Ok((shim, attach))
}
