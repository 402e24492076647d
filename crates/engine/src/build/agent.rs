//! `RUN --mount=type=ssh`: a socket of the step's own, behind which questions are passed on to an agent of the client.
//!
//! The agent itself would not talk to a step, whose user it does not know (ssh-agent(1) asks the kernel who is there). And a step
//! gets less than an agent can do: it may ask which keys there are, and have something signed. It cannot add, remove or lock keys.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::own_namespace::{as_root, own_maps};

/// OpenSSH takes no longer message either.
const MOST_MESSAGE: usize = 256 << 10;

/// Connections of one step at once.
const MOST_CONNECTIONS: usize = 16;

/// How long an agent may think: it may ask its owner, or a key that has to be touched.
const THINKS: Duration = Duration::from_secs(60);

/// How long a step may take to read an answer. The build waits meanwhile.
const READS: Duration = Duration::from_secs(5);

/// Numbers of draft-miller-ssh-agent, 5.1.
const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;

/// A socket in a step, and its connections.
#[derive(Debug)]
pub(super) struct AgentRelay {
    listener: UnixListener,
    path: PathBuf,
    agent: PathBuf,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    step: UnixStream,
    agent: UnixStream,
    /// What has come of the next message.
    begun: Vec<u8>,
}

impl AgentRelay {
    /// Makes the socket.
    pub(super) fn open(path: &Path, agent: &Path, mode: u32, owner: (u32, u32)) -> io::Result<Self> {
        // An agent that is not there is told of before the step runs.
        drop(UnixStream::connect(agent)?);
        let listener = bind(path)?;
        listener.set_nonblocking(true)?;
        give(path, owner)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o777))?;
        Ok(Self { listener, path: path.to_owned(), agent: agent.to_owned(), connections: Vec::new() })
    }

    /// What to wait for.
    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let connections = self.connections.iter().map(|connection| connection.step.as_fd());
        std::iter::once(self.listener.as_fd()).chain(connections)
    }

    /// Takes what is there. `ready` is about [`AgentRelay::fds`], in their order.
    pub(super) fn serve(&mut self, ready: &[bool]) {
        let mut at = 0;
        self.connections.retain_mut(|connection| {
            at += 1;
            // One that breaks is the step's own business.
            ready.get(at) != Some(&true) || connection.serve().unwrap_or(false)
        });
        if ready.first() == Some(&true) && self.connections.len() < MOST_CONNECTIONS {
            // One that cannot be taken is the step's own business, too.
            let _ = self.accept();
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let (step, _) = self.listener.accept()?;
        step.set_nonblocking(true)?;
        let agent = UnixStream::connect(&self.agent)?;
        agent.set_read_timeout(Some(THINKS))?;
        agent.set_write_timeout(Some(THINKS))?;
        self.connections.push(Connection { step, agent, begun: Vec::new() });
        Ok(())
    }
}

/// Gives the socket to a container's number, which an ordinary user has as a subordinate id.
fn give(path: &Path, (uid, gid): (u32, u32)) -> io::Result<()> {
    let give = || chown(path, Some(uid), Some(gid));
    match own_maps().map_err(io::Error::other)? {
        None => give(),
        Some(_) if (uid, gid) == (0, 0) => Ok(()),
        Some(maps) => {
            let given = || give().map_err(|source| Error::io("give away", path.display(), source));
            as_root(&maps, "give a socket away", given).map_err(io::Error::other)
        }
    }
}

impl Drop for AgentRelay {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Connection {
    /// Answers what has come. Whether there may be more.
    fn serve(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 << 10];
        match self.step.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => self.begun.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        }
        while let Some(length) = message_length(&self.begun)? {
            if self.begun.len() < 4 + length {
                break;
            }
            let rest = self.begun.split_off(4 + length);
            let message = std::mem::replace(&mut self.begun, rest);
            let answer = self.answer(&message)?;
            self.step.set_nonblocking(false)?;
            self.step.set_write_timeout(Some(READS))?;
            self.step.write_all(&answer)?;
            self.step.set_nonblocking(true)?;
        }
        Ok(true)
    }

    fn answer(&mut self, message: &[u8]) -> io::Result<Vec<u8>> {
        if !is_allowed(message) {
            return Ok(vec![0, 0, 0, 1, FAILURE]);
        }
        self.agent.write_all(message)?;
        let mut answer = vec![0; 4];
        self.agent.read_exact(&mut answer)?;
        let length = message_length(&answer)?.unwrap_or_default();
        answer.resize(4 + length, 0);
        self.agent.read_exact(answer.get_mut(4..).unwrap_or_default())?;
        Ok(answer)
    }
}

fn is_allowed(message: &[u8]) -> bool {
    matches!(message.get(4), Some(&(REQUEST_IDENTITIES | SIGN_REQUEST)))
}

/// The length of the message that bytes begin; none as long as that has not come.
fn message_length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let Some(head) = bytes.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*head) as usize;
    if length == 0 || length > MOST_MESSAGE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Some(length))
}

/// Binds by the folder's descriptor: the path of a socket has at most 107 bytes (unix(7)).
fn bind(path: &Path) -> io::Result<UnixListener> {
    use std::os::fd::AsRawFd;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let folder = std::fs::File::open(folder)?;
    UnixListener::bind(Path::new(&format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_may_ask_for_keys_and_signatures_only() {
        let folder = tempfile::tempdir().unwrap();
        let (path, agent) = (folder.path().join("step"), folder.path().join("agent"));
        assert!(AgentRelay::open(&path, &agent, 0o600, (0, 0)).is_err());
        let theirs = UnixListener::bind(&agent).unwrap();
        let uid = rustix::process::geteuid().as_raw();
        let mut relay = AgentRelay::open(&path, &agent, 0o600, (uid, uid)).unwrap();
        let agent = std::thread::spawn(move || {
            let (mut probe, _) = theirs.accept().unwrap();
            assert_eq!(probe.read(&mut [0]).unwrap(), 0);
            let (mut stream, _) = theirs.accept().unwrap();
            let mut asked = Vec::new();
            let mut message = [0; 5];
            while stream.read_exact(&mut message).is_ok() {
                asked.push(message[4]);
                stream.write_all(&[0, 0, 0, 2, 12, message[4]]).unwrap();
            }
            asked
        });
        let mut step = UnixStream::connect(&path).unwrap();
        relay.serve(&[true]);
        // A message in two parts, two in one, and one that asks for too much (17: add a key).
        for part in [&[0, 0][..], &[0, 1, 11, 0, 0, 0, 1, 17], &[0, 0, 0, 1, 13]] {
            step.write_all(part).unwrap();
            relay.serve(&[false, true]);
        }
        let mut answers = [0; 17];
        step.read_exact(&mut answers).unwrap();
        assert_eq!(answers, [0, 0, 0, 2, 12, 11, 0, 0, 0, 1, FAILURE, 0, 0, 0, 2, 12, 13]);
        // One that is too long ends the connection.
        step.write_all(&[255; 4]).unwrap();
        relay.serve(&[false, true]);
        assert_eq!(relay.fds().count(), 1);
        drop(relay);
        assert!(!path.exists());
        assert_eq!(agent.join().unwrap(), [11, 13]);
    }
}
