//! A file by its address, from whatever server: for `ADD` of a build.

use std::io::{self, Read, Write};
use std::net::{IpAddr, ToSocketAddrs};

use super::RegistryError;
use super::call::Call;
use super::client::Client;
use super::endpoint::Endpoint;
use super::session::Session;
use super::url::Url;

impl Client {
    /// Writes what an address gives, up to a limit. How many bytes that was. Certificates are checked as for a registry of that
    /// host; nobody gets credentials. Addresses that only mean something to this machine (link-local, where clouds give out
    /// their secrets) are refused, also behind a redirect.
    ///
    /// # Errors
    /// It is no address, the server cannot be used, or there is more.
    pub fn file(&self, address: &str, most: u64, out: &mut dyn Write) -> Result<u64, RegistryError> {
        // What stands behind # is for whoever reads the file.
        let address = address.split('#').next().unwrap_or(address);
        let Some(url) = Url::parse(address) else {
            return Err(RegistryError::answer(address, "it is no http(s) address without a password in it"));
        };
        let endpoint = Endpoint::of_file(self.settings(), &url)?;
        let session = Session::open(endpoint, self.settings(), None)?.guarded();
        let answer = session.send(&Call::get(url.clone(), &[]))?;
        if answer.status != 200 {
            return Err(answer.into_error(session.host(), &url.path, true));
        }
        let too_large = || {
            RegistryError::answer(session.host(), format!("{} has more than {} MiB", url.path, most >> 20))
        };
        let length = answer.length();
        if length.is_some_and(|length| length > most) {
            return Err(too_large());
        }
        let broken = |source: io::Error| RegistryError::Reach {
            host: session.host().to_owned(),
            source: Box::new(source.into()),
        };
        let copied = io::copy(&mut answer.body.take(most + 1), out).map_err(broken)?;
        if copied > most {
            return Err(too_large());
        }
        if length.is_some_and(|length| length != copied) {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(copied)
    }
}

/// Refuses a server that is no server for others.
pub(super) fn check_host(url: &Url) -> Result<(), RegistryError> {
    let refused = |address: IpAddr| {
        let why = format!("{address} is link-local: what is there is for this machine alone");
        Err(RegistryError::answer(&url.authority, why))
    };
    // What cannot be resolved is told by the connection.
    let Ok(addresses) = (url.host(), url.port()).to_socket_addrs() else { return Ok(()) };
    addresses.map(|address| address.ip()).find(is_link_local).map_or(Ok(()), refused)
}

fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            address.to_ipv4_mapped().is_some_and(|address| address.is_link_local())
                || address.segments()[0] & 0xffc0 == 0xfe80
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_for_this_machine_alone_are_refused() {
        for bad in ["http://169.254.169.254/x", "https://[fe80::1]/", "http://[::ffff:169.254.1.1]:8/"] {
            assert!(check_host(&Url::parse(bad).unwrap()).is_err(), "{bad}");
        }
        for good in ["http://127.0.0.1/x", "http://[::1]/", "http://10.0.0.1/"] {
            assert!(check_host(&Url::parse(good).unwrap()).is_ok(), "{good}");
        }
    }
}
