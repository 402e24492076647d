//! Proxies, as the environment names them: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in capitals or not.

use std::net::IpAddr;

use super::url::{Url, host_of};

/// What the environment says.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Proxies {
    https: Option<String>,
    http: Option<String>,
    direct: Vec<String>,
}

/// Without the addresses: they may hold passwords.
impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxies").field("direct", &self.direct).finish_non_exhaustive()
    }
}

impl Proxies {
    pub(super) fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| {
            let lower = name.to_ascii_lowercase();
            variable(name).or_else(|| variable(&lower)).filter(|text| !text.trim().is_empty())
        };
        let direct = value("NO_PROXY").unwrap_or_default();
        let all = value("ALL_PROXY");
        Self {
            https: value("HTTPS_PROXY").or_else(|| all.clone()),
            http: value("HTTP_PROXY").or(all),
            direct: direct
                .split(',')
                .map(|entry| entry.trim().to_ascii_lowercase())
                .filter(|entry| !entry.is_empty())
                .collect(),
        }
    }

    /// The proxy for an address; none where it is reached directly. This machine itself always is.
    pub(super) fn choose(&self, url: &Url) -> Option<&str> {
        let proxy = if url.secure { self.https.as_deref() } else { self.http.as_deref() }?;
        let host = url.host().to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return None;
        }
        let direct = self.direct.iter().any(|entry| is_direct(entry, &host, url.port(), address));
        (!direct).then_some(proxy)
    }
}

/// Whether an entry of `NO_PROXY` means a host: itself, what is below it, a range of addresses, or `*`.
fn is_direct(entry: &str, host: &str, port: u16, address: Option<IpAddr>) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = entry.split_once('/') {
        let range = network.parse::<IpAddr>().ok().zip(bits.parse::<u32>().ok());
        return range.zip(address).is_some_and(|((network, bits), address)| in_range(network, bits, address));
    }
    // Without a port where it is an IPv6 address without brackets.
    let (name, own_port) = match entry.rsplit_once(':') {
        Some((_, digits)) if entry.parse::<IpAddr>().is_err() => (host_of(entry), digits.parse::<u16>().ok()),
        _ => (entry, None),
    };
    if own_port.is_some_and(|own| own != port) {
        return false;
    }
    let below = name.trim_start_matches('*');
    match below.strip_prefix('.') {
        Some(_) => host.ends_with(below),
        None => host == below || host.strip_suffix(below).is_some_and(|rest| rest.ends_with('.')),
    }
}

fn in_range(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(network) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(network) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_who_is_reached_directly() {
        let proxies = Proxies::from_environment(&|name| match name {
            "HTTPS_PROXY" => Some("http://proxy:3128".into()),
            "no_proxy" => Some("a.example, .b.example,10.0.0.0/8,fd00::/8,c.example:5000, [::5]:1".into()),
            _ => None,
        });
        let chosen = |url: &str| proxies.choose(&Url::parse(url).unwrap()).is_some();
        for direct in [
            "http://any/",
            "https://a.example/",
            "https://x.A.example/",
            "https://x.b.example/",
            "https://10.1.2.3/",
            "https://[fd00::1]/",
            "https://c.example:5000/",
            "https://localhost/",
            "https://127.0.0.2/",
            "https://[::1]/",
        ] {
            assert!(!chosen(direct), "{direct}");
        }
        for through in
            ["https://b.example/", "https://xa.example/", "https://11.0.0.1/", "https://c.example/"]
        {
            assert!(chosen(through), "{through}");
        }
    }
}
