//! Where a registry is.

use std::net::IpAddr;

use super::RegistryError;
use super::settings::{HostSettings, RegistrySettings, Transport};
use super::url::{Url, host_of};

/// What answers for `docker.io`.
const HUB: &str = "registry-1.docker.io";

/// One place to ask: a registry, or a mirror of it.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Without a slash at its end.
    pub(crate) base: Url,
    /// Its name in messages, in files of credentials and in folders of certificates.
    pub(crate) name: String,
    pub(crate) settings: HostSettings,
    /// Whether plain HTTP is tried where there is no TLS: on this machine itself, where nobody said otherwise.
    pub(crate) may_be_plain: bool,
}

impl Endpoint {
    /// The registry itself.
    pub(crate) fn of_registry(settings: &RegistrySettings, registry: &str) -> Result<Self, RegistryError> {
        let host = settings.host(registry);
        if host.blocked {
            return Err(RegistryError::Blocked { registry: registry.to_owned() });
        }
        let authority = if registry == "docker.io" { HUB } else { registry };
        let may_be_plain = host.transport.is_none() && host.ca.is_none() && is_this_machine(authority);
        let base = Url {
            secure: host.transport != Some(Transport::Http),
            authority: authority.to_owned(),
            path: String::new(),
        };
        Ok(Self { base, name: registry.to_owned(), settings: host, may_be_plain })
    }

    /// The server of a file, whose address says whether it has TLS.
    pub(crate) fn of_file(settings: &RegistrySettings, url: &Url) -> Result<Self, RegistryError> {
        let host = settings.host(&url.authority);
        if host.blocked {
            return Err(RegistryError::Blocked { registry: url.authority.clone() });
        }
        let base = Url { path: String::new(), ..url.clone() };
        Ok(Self { base, name: url.authority.clone(), settings: host, may_be_plain: false })
    }

    /// The mirrors of a registry, in their order.
    pub(crate) fn mirrors(settings: &RegistrySettings, registry: &str) -> Vec<Self> {
        let mirrors = settings.host(registry).mirrors.into_iter();
        let endpoint = |mirror: super::Mirror| {
            let url = mirror.0;
            // What the file says of the mirror's own host counts, but for its scheme, which the address names.
            let settings = settings.host(&url.authority);
            let path = url.path.trim_end_matches('/').to_owned();
            Self { name: url.authority.clone(), base: Url { path, ..url }, settings, may_be_plain: false }
        };
        mirrors.map(endpoint).collect()
    }

    /// The address of something of the API, `/v2/` and what follows. A mirror's prefix stands in front of the repository.
    pub(crate) fn url(&self, rest: &str) -> Url {
        let prefix = self.base.path.trim_start_matches('/');
        let between = if prefix.is_empty() || rest.is_empty() { "" } else { "/" };
        Url { path: format!("/v2/{prefix}{between}{rest}"), ..self.base.clone() }
    }

    /// A repository as the server knows it.
    pub(crate) fn repository(&self, repository: &str) -> String {
        let prefix = self.base.path.trim_start_matches('/');
        if prefix.is_empty() { repository.to_owned() } else { format!("{prefix}/{repository}") }
    }
}

/// Whether a host is this machine: what is sent there goes over no network.
fn is_this_machine(authority: &str) -> bool {
    let host = host_of(authority);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found() {
        let text = "[registry.\"docker.io\"]\nmirrors = [\"http://m:5000/hub/\"]\n[registry.\"x.y\"]\nblocked = true\n";
        let settings = RegistrySettings::parse("r", text).unwrap();
        let hub = Endpoint::of_registry(&settings, "docker.io").unwrap();
        assert_eq!(
            hub.url("library/a/tags/list").to_string(),
            "https://registry-1.docker.io/v2/library/a/tags/list"
        );
        let mirror = Endpoint::mirrors(&settings, "docker.io").remove(0);
        assert_eq!(mirror.url("library/a/tags/list").to_string(), "http://m:5000/v2/hub/library/a/tags/list");
        assert_eq!((mirror.url("").path.as_str(), mirror.repository("a").as_str()), ("/v2/hub", "hub/a"));
        assert!(matches!(Endpoint::of_registry(&settings, "x.y"), Err(RegistryError::Blocked { .. })));
        for (registry, plain) in [
            ("localhost:5000", true),
            ("127.9.9.9", true),
            ("[::1]:1", true),
            ("10.0.0.1", false),
            ("localhost.evil", false),
        ] {
            assert_eq!(Endpoint::of_registry(&settings, registry).unwrap().may_be_plain, plain, "{registry}");
        }
    }
}
