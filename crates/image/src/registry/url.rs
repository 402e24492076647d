//! Addresses: just as much as registries need.

use std::fmt;

use ureq::http::Uri;

/// `http` or `https`, a host with or without its port, and the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) secure: bool,
    /// `host` or `host:port`
    pub(crate) authority: String,
    /// Begins with `/`.
    pub(crate) path: String,
}

impl Url {
    /// Reads an absolute address. One with a user and password in it is none: they would show up in messages.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let secure = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?.as_str();
        if authority.contains('@') || authority.is_empty() {
            return None;
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Some(Self { secure, authority: authority.to_owned(), path })
    }

    /// What a `Location` header means, seen from this address (RFC 9110, 10.2.2).
    pub(crate) fn join(&self, location: &str) -> Option<Self> {
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{}://{rest}", self.scheme()));
        }
        if location.contains("://") {
            return Self::parse(location);
        }
        let path = if location.starts_with('/') {
            location.to_owned()
        } else {
            let own = self.path.split('?').next().unwrap_or("/");
            let folder = own.rfind('/').map_or("/", |slash| own.get(..=slash).unwrap_or("/"));
            format!("{folder}{location}")
        };
        Self::parse(&format!("{}://{}{path}", self.scheme(), self.authority))
    }

    /// The same address with one more parameter, which is percent-encoded.
    pub(crate) fn with_query(&self, name: &str, value: &str) -> Self {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        Self { path: format!("{}{separator}{name}={}", self.path, percent_encoded(value)), ..self.clone() }
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// The host without its port, and without the brackets of an IPv6 address.
    pub(crate) fn host(&self) -> &str {
        host_of(&self.authority)
    }

    /// The port that is connected to.
    pub(crate) fn port(&self) -> u16 {
        let after = self.authority.rsplit_once(']').map_or(self.authority.as_str(), |(_, after)| after);
        let own = after.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        own.unwrap_or(if self.secure { 443 } else { 80 })
    }

    /// Whether both are one server: what is said to one may be said to the other.
    pub(crate) fn same_server(&self, other: &Self) -> bool {
        self.secure == other.secure
            && self.port() == other.port()
            && self.host().eq_ignore_ascii_case(other.host())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority, self.path)
    }
}

/// The host of `host:port`.
pub(crate) fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    }
}

/// A value as it stands in a query or a form (RFC 3986, 2.3: what is unreserved stays).
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn locations_are_resolved() {
        let base = url("https://r.example:5000/v2/a/blobs/uploads/?x=1");
        for (location, meant) in [
            ("/v2/b?_state=1", "https://r.example:5000/v2/b?_state=1"),
            ("http://other/x", "http://other/x"),
            ("//other/x", "https://other/x"),
            ("uuid", "https://r.example:5000/v2/a/blobs/uploads/uuid"),
        ] {
            assert_eq!(base.join(location).unwrap().to_string(), meant);
        }
        for bad in ["ftp://x/y", "https://user:secret@x/y", "https://", "http://a b/"] {
            assert!(base.join(bad).is_none(), "{bad}");
        }
        assert_eq!(base.with_query("digest", "sha256:1").path, "/v2/a/blobs/uploads/?x=1&digest=sha256%3A1");
    }

    #[test]
    fn servers_are_told_apart() {
        assert!(url("https://a/x").same_server(&url("https://A:443/y")));
        assert!(!url("https://a/x").same_server(&url("http://a/x")));
        assert!(!url("https://a/x").same_server(&url("https://a:5000/x")));
        assert!(!url("https://a/x").same_server(&url("https://a.evil/x")));
        assert_eq!((url("http://[::1]:5/x").host(), url("http://[::1]:5/x").port()), ("::1", 5));
        assert_eq!((url("http://[::1]/x").host(), url("http://[::1]/x").port()), ("::1", 80));
    }
}
