//! How a container becomes one of those that a resolver answers: its shim holds a connection for as long as it lives.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use cofferdam_kernel::file_lock;
use cofferdam_names::ZoneName;
use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create};
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::address::Range;
use crate::control::Control;
use crate::local::Container;
use crate::settings::Forwarding;

/// What a zone's resolver answers beside the names of containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZonePolicy {
    /// The zones that it may reach.
    pub reaches: Vec<ZoneName>,
    /// What of other names is answered.
    pub forwarding: Forwarding,
    /// Ranges that are not of the open internet and that the zone allows by their addresses.
    pub allowed_ranges: Vec<Range>,
    /// Whether it may reach the open internet by address: also what of it is near.
    pub outside: bool,
    /// Whether denied names are told.
    pub log: bool,
}

/// A container with a link of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its names and addresses.
    pub container: Container,
    /// The host's end of its link: what comes by it is the container's. None to take everybody's packets (a test does).
    pub link: Option<String>,
    /// The host's addresses at which it asks.
    pub gateways: Vec<IpAddr>,
    /// The port there.
    pub port: u16,
    /// Its zone's rules, as it was started with.
    pub policy: ZonePolicy,
}

/// From a shim or a command.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Request {
    /// The descriptor is a file with a [`Member`] as JSON.
    Join,
    /// The same for a container that has joined already, on another connection: its names or its zone's rules are others now.
    Change,
    /// What was opened has been closed by others: nothing that was learned is answered before it is opened again.
    Forget,
    /// Which resolvers are there.
    Show,
}

/// The keeper's answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Answer {
    /// Its names are answered and its questions are heard from now on, until the connection ends; or the change is made.
    Joined,
    /// It could not be taken in.
    Refused(String),
    /// One resolver; then the next one, or the end of the connection.
    Shown(Shown),
}

/// A zone's resolver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// The zone.
    pub zone: ZoneName,
    /// Its process; none before its first question, and while it is being started anew.
    pub pid: Option<i32>,
    /// How often it was started anew.
    pub restarts: u32,
    /// How many containers it answers.
    pub members: usize,
}

/// Why a container has no resolver.
#[derive(Debug, Error)]
pub enum JoinError {
    /// The keeper could not be reached or started.
    #[error("reach the resolver's keeper")]
    Reach(#[source] io::Error),
    /// It said no.
    #[error("start the zone's resolver: {0}")]
    Refused(String),
}

/// How often a keeper that ends at just this moment is tried.
const TRIES: usize = 5;
/// A keeper that has not answered for so long will not.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A container that has asked to be taken in.
#[derive(Debug)]
pub struct Joining<'a, S> {
    path: &'a Path,
    member: &'a Member,
    spawn: S,
    control: Control,
    patience: Duration,
}

impl<'a, S: Fn(OwnedFd) -> io::Result<()>> Joining<'a, S> {
    /// Asks the keeper that listens at `path`, which `spawn` starts on a listening socket if there is none.
    ///
    /// # Errors
    /// [`JoinError::Reach`]
    pub fn begin(
        path: &'a Path,
        member: &'a Member,
        patience: Duration,
        spawn: S,
    ) -> Result<Self, JoinError> {
        let control = reach(path, patience, &spawn).map_err(JoinError::Reach)?;
        // One that has just ended is seen when its answer does not come.
        let _ = send(&control, &Request::Join, member);
        Ok(Self { path, member, spawn, control, patience })
    }

    /// Waits until the container is taken in. The connection that is given back is the membership.
    ///
    /// # Errors
    /// [`JoinError`]
    pub fn finish(self) -> Result<OwnedFd, JoinError> {
        let Self { path, member, spawn, mut control, patience } = self;
        let mut last = io::Error::from(io::ErrorKind::NotConnected);
        for _ in 0..TRIES {
            match control.receive::<Answer>() {
                Ok(Some((Answer::Joined, _))) => return Ok(control.into_socket()),
                Ok(Some((Answer::Refused(reason), _))) => return Err(JoinError::Refused(reason)),
                Ok(Some((Answer::Shown(_), _))) => {
                    return Err(JoinError::Refused("it answered something else".to_owned()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(JoinError::Reach(io::ErrorKind::TimedOut.into()));
                }
                // It ended before it heard us.
                Ok(None) => last = io::ErrorKind::ConnectionReset.into(),
                Err(error) => last = error,
            }
            control = reach(path, patience, &spawn).map_err(JoinError::Reach)?;
            let _ = send(&control, &Request::Join, member);
        }
        Err(JoinError::Reach(last))
    }
}

/// Makes a container known to the keeper, as [`Joining`] does.
///
/// # Errors
/// [`JoinError`]
pub fn join(
    path: &Path,
    member: &Member,
    spawn: impl Fn(OwnedFd) -> io::Result<()>,
) -> Result<OwnedFd, JoinError> {
    Joining::begin(path, member, PATIENCE, spawn)?.finish()
}

/// Tells the keeper that listens at `path`, if one does, that a container that has joined has other names now, or its zone other
/// rules.
///
/// # Errors
/// [`JoinError`]
pub fn change(path: &Path, member: &Member) -> Result<(), JoinError> {
    told(path, |control| send(control, &Request::Change, member))
}

/// Tells the keeper that listens at `path`, if one does, that others have closed what it had opened.
///
/// # Errors
/// [`JoinError`]
pub fn forget(path: &Path) -> Result<(), JoinError> {
    told(path, |control| control.send(&Request::Forget, None))
}

fn told(path: &Path, tell: impl FnOnce(&Control) -> io::Result<()>) -> Result<(), JoinError> {
    let control = match open(path) {
        Err(error) if is_gone(&error) => return Ok(()),
        other => other.map_err(JoinError::Reach)?,
    };
    match tell(&control).and_then(|()| control.receive::<Answer>()) {
        Ok(Some((Answer::Refused(reason), _))) => Err(JoinError::Refused(reason)),
        // One that ended has no container: those that come are told by themselves.
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
        Err(error) => Err(JoinError::Reach(error)),
    }
}

/// Takes away what a keeper that was killed has left in its folder, if none listens at `path`.
///
/// # Errors
/// It cannot be told whether one does, or something cannot be removed.
pub fn sweep(path: &Path, folder: &Path) -> io::Result<()> {
    if !super::remains::are_there(folder)? {
        return Ok(());
    }
    // Nobody starts one meanwhile.
    let _lock = lock(path)?;
    match open(path) {
        Err(error) if is_gone(&error) => super::remains::sweep(folder),
        _ => Ok(()),
    }
}

/// The resolvers of the keeper that listens at `path`; none where nobody does.
///
/// # Errors
/// It cannot be asked.
pub fn show(path: &Path) -> io::Result<Vec<Shown>> {
    let control = match open(path) {
        Ok(control) => control,
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    control.send(&Request::Show, None)?;
    let mut all = Vec::new();
    while let Some((Answer::Shown(shown), _)) = control.receive::<Answer>()? {
        all.push(shown);
    }
    Ok(all)
}

fn send(control: &Control, request: &Request, member: &Member) -> io::Result<()> {
    control.send(request, Some(in_memory(member)?.as_fd()))
}

/// A value as JSON in a file in memory, to be handed over.
pub(super) fn in_memory<T: Serialize>(value: &T) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"cofferdam-resolver", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(value)?)?;
    Ok(file)
}

/// Reads such a file.
pub(super) fn member_of(file: OwnedFd) -> io::Result<Member> {
    let mut file = File::from(file);
    file.rewind()?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Whether nobody listens there.
#[must_use]
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// A connection to the process that listens at `path`, which `spawn` starts on a listening socket if there is none.
///
/// # Errors
/// It cannot be reached or started.
pub fn reach(
    path: &Path,
    patience: Duration,
    spawn: &impl Fn(OwnedFd) -> io::Result<()>,
) -> io::Result<Control> {
    match open_with(path, patience) {
        Err(error) if is_gone(&error) => {}
        other => return other,
    }
    // One starts it, the others wait for that one.
    let _lock = lock(path)?;
    match open_with(path, patience) {
        Err(error) if is_gone(&error) => {}
        other => return other,
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    with_short_path(path, |address| Ok(bind(&listener, address)?))?;
    listen(&listener, 1024)?;
    spawn(listener)?;
    open_with(path, patience)
}

fn lock(path: &Path) -> io::Result<File> {
    let lock = File::options().write(true).create(true).truncate(false).open(path.with_extension("lock"))?;
    file_lock::lock(&lock)?;
    Ok(lock)
}

/// A connection to the process that listens at `path`.
///
/// # Errors
/// There is none, or it cannot be reached.
pub fn open(path: &Path) -> io::Result<Control> {
    open_with(path, PATIENCE)
}

fn open_with(path: &Path, patience: Duration) -> io::Result<Control> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    with_short_path(path, |address| Ok(connect(&socket, address)?))?;
    sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(patience))?;
    Ok(Control::from_socket(socket))
}

/// An address holds 107 bytes of path: the descriptor of its folder stands for the folder.
fn with_short_path<T>(path: &Path, work: impl FnOnce(&SocketAddrUnix) -> io::Result<T>) -> io::Result<T> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let folder = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    work(&SocketAddrUnix::new(&short)?)
}
