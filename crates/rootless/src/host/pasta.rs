//! One process of pasta(1), the other end of one link.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use cofferdam_confinement::network::{Outlet, Protocol, PublishedPort};
use cofferdam_kernel::clone::{CloneRequest, Cloned, clone3, exit_now};
use cofferdam_kernel::exec::{CStringArray, execve};
use cofferdam_kernel::fork::{close_all_but, end_with};
use cofferdam_kernel::signal::{self, SignalSet, set_mask};
use cofferdam_network::{OUTLET_MAC, OUTLET_MTU, OUTLET_OTHER_MAC};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, pidfd_send_signal, waitid};

/// How long it may take to begin.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
/// Of what it says when it cannot.
const LONGEST: usize = 400;

/// A running pasta. Dropping it ends it, and the link with it.
#[derive(Debug)]
pub(super) struct Pasta {
    pidfd: OwnedFd,
}

impl Pasta {
    /// Starts it for a link of the namespaces that `anchor` is in, and waits until it has made the link and listens at the ports.
    pub(super) fn start(
        program: &Path,
        anchor: Pid,
        outlet: &Outlet,
        ports: &[PublishedPort],
        families: [bool; 2],
    ) -> Result<Self, String> {
        let failed = |error: io::Error| format!("start {}: {error}", program.display());
        let path = CString::new(program.as_os_str().as_bytes()).map_err(|error| failed(error.into()))?;
        let args = CStringArray::new(arguments(anchor, outlet, ports, families)).map_err(failed)?;
        let env = CStringArray::new(Vec::<String>::new()).map_err(failed)?;
        let (ready, says_ready) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
        let said = memfd_create(c"pasta", MemfdFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
        let parent = getpid();
        match clone3(&CloneRequest::default()).map_err(failed)? {
            Cloned::Child => exit_now(become_pasta(parent, &path, &args, &env, &says_ready, &said)),
            Cloned::Parent { pidfd, .. } => {
                drop(says_ready);
                let pasta = Self { pidfd };
                if pasta.has_begun(ready).map_err(failed)? {
                    return Ok(pasta);
                }
                drop(pasta);
                Err(format!("pasta does not begin: {}", last_words(said)))
            }
        }
    }

    /// Its process number arrives by the pipe once everything is there.
    fn has_begun(&self, ready: OwnedFd) -> io::Result<bool> {
        let mut fds = [PollFd::new(&ready, PollFlags::IN), PollFd::new(&self.pidfd, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut fds, Some(&PATIENCE)))?;
        if !fds[0].revents().contains(PollFlags::IN) {
            return Ok(false);
        }
        let mut bytes = [0; 32];
        let count = rustix::io::retry_on_intr(|| rustix::io::read(&ready, &mut bytes))?;
        Ok(count > 0)
    }

    pub(super) fn pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }

    pub(super) fn has_ended(&self) -> bool {
        let looking = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::PidFd(self.pidfd.as_fd()), looking), Ok(None))
    }
}

impl Drop for Pasta {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
    }
}

/// In the child. Everything that pasta says goes to a file in memory.
fn become_pasta(
    parent: Pid,
    path: &CString,
    args: &CStringArray,
    env: &CStringArray,
    says_ready: &OwnedFd,
    said: &OwnedFd,
) -> i32 {
    let begun = || -> io::Result<()> {
        end_with(parent)?;
        set_mask(SignalSet::EMPTY)?;
        // This program's own runtime ignores it; pasta refuses to begin then.
        signal::restore_default(signal::Signal::PIPE)?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        rustix::stdio::dup2_stdout(says_ready)?;
        rustix::stdio::dup2_stderr(said)?;
        close_all_but(&[])
    };
    if begun().is_ok() {
        let _error = execve(path, args, env);
    }
    127
}

fn last_words(said: OwnedFd) -> String {
    let mut file = File::from(said);
    let mut bytes = Vec::new();
    // Without words the end alone is told.
    let _ = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.trim().is_empty() && !line.contains("to syslog")).collect();
    let text = lines[lines.len().saturating_sub(3)..].join("; ");
    let text: String = text.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
    if text.is_empty() { "it says nothing".to_owned() } else { text }
}

/// What it is started with: nothing of the host's loopback, no ports but these, and nobody told any address.
fn arguments(anchor: Pid, outlet: &Outlet, ports: &[PublishedPort], families: [bool; 2]) -> Vec<String> {
    let mac = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
    let mut all: Vec<String> = ["pasta", "--foreground", "--quiet", "--no-map-gw"].map(str::to_owned).into();
    all.extend(["--no-dhcp", "--no-dhcpv6", "--no-ndp", "--no-ra"].map(str::to_owned));
    let mut option = |name: &str, value: String| all.extend([name.to_owned(), value]);
    option("--ns-ifname", outlet.link.clone());
    option("--mtu", OUTLET_MTU.to_string());
    option("--ns-mac-addr", mac(OUTLET_MAC));
    option("--mac-addr", mac(OUTLET_OTHER_MAC));
    for pair in outlet.addresses.iter().filter(|pair| families[usize::from(pair.address.is_ipv6())]) {
        option("--address", pair.address.to_string());
        option("--gateway", pair.gateway.to_string());
        if pair.address.is_ipv4() {
            option("--netmask", "16".to_owned());
        }
    }
    // Where nothing is said, pasta would forward what listens in the namespace, and the host's own ports into it.
    option("--tcp-ns", "none".to_owned());
    option("--udp-ns", "none".to_owned());
    for (protocol, name) in [(Protocol::Tcp, "--tcp-ports"), (Protocol::Udp, "--udp-ports")] {
        let mut given = ports.iter().filter(|port| port.protocol == protocol).peekable();
        if given.peek().is_none() {
            option(name, "none".to_owned());
        }
        for port in given {
            option(name, port_text(port));
        }
    }
    option("--pid", "/proc/self/fd/1".to_owned());
    match families {
        [true, false] => all.push("--ipv4-only".to_owned()),
        [false, true] => all.push("--ipv6-only".to_owned()),
        _ => {}
    }
    all.push(anchor.as_raw_nonzero().to_string());
    all
}

/// The port of the host, which is the same in the namespace: the packet rules there lead it to its container.
fn port_text(port: &PublishedPort) -> String {
    match port.address {
        None => port.host_port.to_string(),
        Some(IpAddr::V4(address)) => format!("{address}/{}", port.host_port),
        Some(IpAddr::V6(address)) => format!("{address}/{}", port.host_port),
    }
}

/// The pause before it is started anew, by how often that was done without success.
pub(super) fn pause(failures: u32) -> Duration {
    Duration::from_millis(50).saturating_mul(2_u32.saturating_pow(failures.min(7)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_forwarded_that_is_not_said() {
        let outlet = Outlet {
            link: "cfo-all".to_owned(),
            addresses: vec![cofferdam_confinement::network::Address {
                address: "10.207.0.2".parse().unwrap(),
                gateway: "10.207.0.3".parse().unwrap(),
            }],
            table: None,
        };
        let anchor = Pid::from_raw(7).unwrap();
        let text = arguments(anchor, &outlet, &[], [true, false]).join(" ");
        for part in ["--tcp-ports none", "--udp-ports none", "--tcp-ns none", "--udp-ns none", "--no-map-gw"]
        {
            assert!(text.contains(part), "{text}");
        }
        let port = PublishedPort {
            address: Some("192.0.2.1".parse().unwrap()),
            host_port: 8080,
            container_port: 80,
            protocol: Protocol::Tcp,
        };
        let text = arguments(anchor, &outlet, &[port], [true, true]).join(" ");
        assert!(text.contains("--tcp-ports 192.0.2.1/8080 --udp-ports none"), "{text}");
    }
}
