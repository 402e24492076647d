//! The host's name servers (resolv.conf(5)).

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

/// Servers that are asked; libc asks as many (`MAXNS`).
const MOST: usize = 3;
/// The port of DNS.
const PORT: u16 = 53;

/// A name server as resolv.conf(5) has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    address: IpAddr,
    /// The link of a link-local address.
    link: Option<String>,
}

/// The servers of a text. Those in `own` are ours: asking them would be asking ourselves.
fn parse(text: &str, own: &[IpAddr]) -> Vec<Server> {
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()).flatten()
    });
    let server = |word: &str| {
        let (address, link) =
            word.split_once('%').map_or((word, None), |(address, link)| (address, Some(link)));
        Some(Server { address: address.parse().ok()?, link: link.map(str::to_owned) })
    };
    lines.filter_map(server).filter(|server| !own.contains(&server.address)).take(MOST).collect()
}

/// What tells one version of a file from the next.
type Version = Option<(u64, u64, i64, i64, u64)>;

/// The host's servers, read anew when their file has changed.
#[derive(Debug)]
pub(super) struct Upstream {
    path: PathBuf,
    port: u16,
    version: Version,
    servers: Vec<Server>,
    changes: u32,
}

impl Upstream {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), port: PORT, version: None, servers: Vec::new(), changes: 0 }
    }

    /// Looks whether the file is another one now. `own` are addresses of ours.
    pub(super) fn refresh(&mut self, own: &[IpAddr]) -> bool {
        let version = std::fs::metadata(&self.path)
            .map(|it| (it.dev(), it.ino(), it.mtime(), it.mtime_nsec(), it.size()))
            .ok();
        if version == self.version && version.is_some() {
            return false;
        }
        self.version = version;
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let servers = parse(&text, own);
        let changed = servers != self.servers;
        self.servers = servers;
        self.changes = self.changes.wrapping_add(u32::from(changed));
        changed
    }

    /// Looks anew at the next [`Upstream::refresh`], whatever the file's times are.
    pub(super) fn forget(&mut self) {
        self.version = None;
    }

    /// How often the list became another one.
    pub(super) fn changes(&self) -> u32 {
        self.changes
    }

    pub(super) fn count(&self) -> usize {
        self.servers.len()
    }

    /// Where a server is.
    pub(super) fn at(&self, number: u16) -> io::Result<SocketAddr> {
        self.address(self.servers.get(usize::from(number)).ok_or(io::ErrorKind::NotFound)?)
    }

    fn address(&self, server: &Server) -> io::Result<SocketAddr> {
        match (server.address, &server.link) {
            (IpAddr::V6(address), Some(link)) => {
                let link = link_number(link)?;
                Ok(SocketAddrV6::new(address, self.port, 0, link).into())
            }
            (address, _) => Ok(SocketAddr::new(address, self.port)),
        }
    }
}

/// A new socket that is connected to a server, or is about to be, from a port that the kernel chooses at random.
///
/// # Errors
/// Those of socket(2) and connect(2).
pub fn connect_to(server: SocketAddr, stream: bool) -> io::Result<OwnedFd> {
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = if stream { SocketType::STREAM } else { SocketType::DGRAM };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    match connect(&socket, &server) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

fn link_number(link: &str) -> io::Result<u32> {
    if let Ok(number) = link.parse() {
        return Ok(number);
    }
    if link.contains('/') || link.starts_with('.') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let text = std::fs::read_to_string(format!("/sys/class/net/{link}/ifindex"))?;
    text.trim().parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_libc_reads_them() {
        let text = "# nameserver 9.9.9.9\nsearch .\nnameserver 192.0.2.1\n nameserver\t10.0.0.1 # ours\nnameserver bad\n\
                    nameserver fe80::1%eth0\nnameserver ::1\nnameserver 192.0.2.9\nnameserver";
        let servers = parse(text, &["10.0.0.1".parse().unwrap()]);
        let shown: Vec<String> = servers.iter().map(|server| server.address.to_string()).collect();
        assert_eq!(shown, ["192.0.2.1", "fe80::1", "::1"]);
        assert_eq!(servers[1].link.as_deref(), Some("eth0"));
    }

    #[test]
    fn a_file_that_changes_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        let mut upstream = Upstream::new(&path);
        assert!(!upstream.refresh(&[]) && upstream.count() == 0);
        std::fs::write(&path, "nameserver 192.0.2.1\n").unwrap();
        assert!(upstream.refresh(&[]) && upstream.count() == 1);
        assert!(!upstream.refresh(&[]));
        std::fs::write(&path, "nameserver 192.0.2.1\nnameserver 192.0.2.2\n").unwrap();
        assert!(upstream.refresh(&[]) && upstream.count() == 2);
        let next = folder.path().join("next");
        std::fs::write(&next, "").unwrap();
        std::fs::rename(&next, &path).unwrap();
        assert!(upstream.refresh(&[]) && upstream.count() == 0);
        assert!(upstream.at(0).is_err());
    }
}
