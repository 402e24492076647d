//! Programs of the host that listen at a port which is to lead to a container: they would hear nothing any more, and not know why.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use cofferdam_confinement::network::{Protocol, PublishedPort};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

/// Whether a program of this network namespace has the port: it cannot be taken then.
#[must_use]
pub fn is_listened_at(port: &PublishedPort) -> bool {
    let kind = match port.protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
        // Programs that listen by SCTP are few, and the kernel may have no such sockets.
        Protocol::Sctp | Protocol::Icmp => return false,
    };
    let all = [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()];
    let one = port.address.map(|address| [address]);
    let addresses = one.as_ref().map_or(&all[..], |one| &one[..]);
    addresses.iter().any(|address| is_taken(SocketAddr::new(*address, port.host_port), kind))
}

fn is_taken(address: SocketAddr, kind: SocketType) -> bool {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    // A host without the family has no program that listens by it; an address that is not the host's is not listened at.
    let Ok(socket) = socket_with(family, kind, SocketFlags::CLOEXEC, None) else { return false };
    if address.is_ipv6() && sockopt::set_ipv6_v6only(&socket, true).is_err() {
        return false;
    }
    // Connections that have just ended are no listeners.
    if kind == SocketType::STREAM && sockopt::set_socket_reuseaddr(&socket, true).is_err() {
        return false;
    }
    matches!(bind(&socket, &address), Err(Errno::ADDRINUSE))
}

/// Its name and process id as people read them, or "a program" where it cannot be told.
pub(crate) fn program_at(port: &PublishedPort) -> String {
    find(port).unwrap_or_else(|| "a program".to_owned())
}

fn find(port: &PublishedPort) -> Option<String> {
    let name = if port.protocol == Protocol::Udp { "udp" } else { "tcp" };
    let inodes: Vec<String> = [name.to_owned(), format!("{name}6")]
        .iter()
        .filter_map(|table| std::fs::read_to_string(Path::new("/proc/self/net").join(table)).ok())
        .flat_map(|table| listening(&table, port.host_port, port.protocol))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(fds) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds = fds.flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
        if holds.into_iter().any(|target| inodes.iter().any(|inode| target.as_os_str() == inode.as_str())) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            let name: String = name.trim().chars().filter(|letter| !letter.is_control()).collect();
            return Some(format!("{name} (process {pid})"));
        }
    }
    None
}

/// The inodes of a table's sockets that listen at a port (proc_pid_net(5)).
fn listening(table: &str, port: u16, protocol: Protocol) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    // TCP_LISTEN; a UDP socket that is bound is in state TCP_CLOSE.
    let state = if protocol == Protocol::Udp { "07" } else { "0A" };
    let inode = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let fits = words.get(1)?.ends_with(&suffix) && *words.get(3)? == state;
        fits.then(|| words.get(9).map(|inode| (*inode).to_owned())).flatten()
    };
    table.lines().skip(1).filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_found_and_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = |host_port: u16, protocol| PublishedPort {
            address: Some(Ipv4Addr::LOCALHOST.into()),
            host_port,
            container_port: 80,
            protocol,
        };
        let number = listener.local_addr().unwrap().port();
        assert!(is_listened_at(&port(number, Protocol::Tcp)));
        assert!(is_listened_at(&PublishedPort { address: None, ..port(number, Protocol::Tcp) }));
        let named = program_at(&port(number, Protocol::Tcp));
        assert!(named.ends_with(&format!("(process {})", std::process::id())), "{named}");
        drop(listener);
        assert!(!is_listened_at(&port(number, Protocol::Tcp)));
    }
}
