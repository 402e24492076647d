//! How a person names an image: Docker's rules (distribution/reference, "grammar"), with the short forms that it allows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::text::InvalidName;

const KIND: &str = "image reference";

/// The registry that a name without one means.
const DEFAULT_REGISTRY: &str = "docker.io";

/// What Docker Hub was once called.
const OLD_DEFAULT_REGISTRY: &str = "index.docker.io";

/// The folder of Docker Hub's own images.
const OFFICIAL: &str = "library/";

/// The tag that a reference without tag and digest means.
const DEFAULT_TAG: &str = "latest";

/// An image in a registry: `registry/repository`, and a tag, a digest, or both.
///
/// It always has its registry, and a tag or a digest: `busybox` is `docker.io/library/busybox:latest`. [`fmt::Display`]
/// writes this whole form, [`ImageReference::familiar`] the short one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ImageReference {
    /// The registry's host, with its port if it was given: `docker.io`, `localhost:5000`, `[::1]:5000`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry: `library/busybox`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; none where only a digest was given.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, where one was given. What is found under the tag must then have it.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same repository under another tag, without a digest.
    ///
    /// # Errors
    /// It is no tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, InvalidName> {
        check_tag(tag).map_err(|rule| InvalidName::new("tag", tag, rule))?;
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// The same repository by this digest alone.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// Registry and repository as listings show them: `busybox`, `user/app`, `localhost:5000/app`.
    #[must_use]
    pub fn familiar_repository(&self) -> String {
        if self.registry != DEFAULT_REGISTRY {
            return format!("{}/{}", self.registry, self.repository);
        }
        let official = self.repository.strip_prefix(OFFICIAL).filter(|rest| !rest.contains('/'));
        // What would be read as a registry keeps its own.
        match official {
            Some(name) => name.to_owned(),
            None if split_registry(&self.repository).0.is_none() => self.repository.clone(),
            None => format!("{DEFAULT_REGISTRY}/{}", self.repository),
        }
    }

    /// The short form that a person would type: `busybox:latest`.
    #[must_use]
    pub fn familiar(&self) -> String {
        self.with_name(&self.familiar_repository())
    }

    fn with_name(&self, name: &str) -> String {
        let mut text = name.to_owned();
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest.as_str());
        }
        text
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_name(&format!("{}/{}", self.registry, self.repository)))
    }
}

impl FromStr for ImageReference {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |rule| InvalidName::new(KIND, text, rule);
        if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(refuse("64 hexadecimal digits are an id, not a name"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest.parse().map_err(|_| {
                    refuse("what follows '@' is a digest: sha256: and 64 lower-case hexadecimal digits")
                })?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let name_at = rest.rfind('/').map_or(0, |slash| slash + 1);
        let colon = rest.get(name_at..).and_then(|last| last.find(':')).map(|colon| name_at + colon);
        let (name, tag) = match colon.and_then(|colon| rest.split_at_checked(colon)) {
            Some((name, tag)) => (name, tag.get(1..)),
            None => (rest, None),
        };
        if let Some(tag) = tag {
            check_tag(tag).map_err(refuse)?;
        }
        let (registry, repository) = match split_registry(name) {
            (Some(OLD_DEFAULT_REGISTRY) | None, rest) => (DEFAULT_REGISTRY, rest),
            (Some(registry), rest) => (registry, rest),
        };
        check_registry(registry).map_err(refuse)?;
        check_repository(repository).map_err(refuse)?;
        let repository = match (registry, repository.contains('/')) {
            (DEFAULT_REGISTRY, false) => format!("{OFFICIAL}{repository}"),
            _ => repository.to_owned(),
        };
        if registry.len() + 1 + repository.len() > 255 {
            return Err(refuse("registry and repository have at most 255 characters together"));
        }
        let tag = tag.or_else(|| digest.is_none().then_some(DEFAULT_TAG)).map(str::to_owned);
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }
}

impl TryFrom<String> for ImageReference {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ImageReference> for String {
    fn from(reference: ImageReference) -> Self {
        reference.to_string()
    }
}

/// The first part of a name is a registry if it looks like a host: with a dot, a port or a capital letter, or `localhost`.
fn split_registry(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|byte| byte.is_ascii_uppercase()) =>
        {
            (Some(first), rest)
        }
        _ => (None, name),
    }
}

const TAG_RULE: &str =
    "a tag has 1 to 128 letters, digits, '_', '.' and '-', and begins with none of the last two";

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let good = tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'));
    if good { Ok(()) } else { Err(TAG_RULE) }
}

fn check_registry(registry: &str) -> Result<(), &'static str> {
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']').ok_or("an IPv6 address stands in brackets")?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| "an IPv6 address stands in brackets")?;
            match after.strip_prefix(':') {
                Some(port) => (None, Some(port)),
                None if after.is_empty() => (None, None),
                None => return Err("after the registry's address comes nothing but a port"),
            }
        }
        None => match registry.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(registry), None),
        },
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if host.is_some_and(|host| !host.split('.').all(label)) {
        return Err("the registry is a host name: letters, digits and '-' between dots");
    }
    let number = |port: &str| !port.starts_with('+') && port.parse::<u16>().is_ok();
    if port.is_some_and(|port| !number(port)) {
        return Err("the registry's port is a number up to 65535");
    }
    Ok(())
}

fn check_repository(repository: &str) -> Result<(), &'static str> {
    if repository.split('/').all(is_component) {
        Ok(())
    } else {
        Err(
            "a repository is lower-case letters and digits between single '/', '.' or '_', double '_', or any number of '-'",
        )
    }
}

/// Letters and digits, with separators only between them: one dot, one or two underscores, or dashes.
fn is_component(component: &str) -> bool {
    let word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let bytes = component.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    let separators = component.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    word(*first)
        && word(*last)
        && separators.filter(|separator| !separator.is_empty()).all(|separator| {
            matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> String {
        text.parse::<ImageReference>().unwrap().to_string()
    }

    #[test]
    fn short_forms_mean_docker_hub() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (text, meant) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            ("user/app", "docker.io/user/app:latest"),
            ("index.docker.io/a", "docker.io/library/a:latest"),
            ("docker.io/a/b:c", "docker.io/a/b:c"),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a/b/c:T_1.x-y", "localhost:5000/a/b/c:T_1.x-y"),
            ("HOST/a", "HOST/a:latest"),
            ("[::1]:5000/a", "[::1]:5000/a:latest"),
            ("quay.io/a__b-.c", ""),
            ("quay.io/a__b---c.d_e", "quay.io/a__b---c.d_e:latest"),
            (&format!("a@{digest}"), &format!("docker.io/library/a@{digest}")),
            (&format!("a:b@{digest}"), &format!("docker.io/library/a:b@{digest}")),
        ] {
            if meant.is_empty() {
                assert!(text.parse::<ImageReference>().is_err(), "{text}");
            } else {
                assert_eq!(whole(text), meant, "{text}");
            }
        }
    }

    #[test]
    fn the_familiar_form_is_what_a_person_types() {
        for text in ["busybox:latest", "user/app:1", "localhost:5000/app:x", "docker.io/localhost/x:y"] {
            assert_eq!(text.parse::<ImageReference>().unwrap().familiar(), text);
        }
        assert_eq!("docker.io/library/a".parse::<ImageReference>().unwrap().familiar(), "a:latest");
        // Its short form would be read as a repository of Docker Hub's that is not official.
        assert_eq!(
            "docker.io/library/a/b".parse::<ImageReference>().unwrap().familiar(),
            "library/a/b:latest"
        );
    }

    #[test]
    fn what_breaks_a_rule_is_refused() {
        for bad in [
            "",
            ":",
            "@",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a:",
            "a:b:c",
            "a:-x",
            "a:.x",
            "a@b",
            "a@sha256:1",
            "a b",
            "a:b/c d",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "_a",
            "a\n",
            "a.b:99999/c",
            "a.b:+1/c",
            "a.b:/c",
            "[::1/c",
            "[x]:1/c",
            "-a.b/c",
            "a..b/c",
            "../a",
            "a/../b",
            "a/./b",
            "localhost:5000/",
            &"a".repeat(300),
            &format!("a:{}", "b".repeat(129)),
            &"0".repeat(64),
        ] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tags_and_digests_can_be_replaced() {
        let reference: ImageReference = "a:b".parse().unwrap();
        let digest = Digest::sha256([1; 32]);
        assert_eq!(reference.with_digest(digest.clone()).tag(), None);
        assert_eq!(reference.with_digest(digest).with_tag("c").unwrap().familiar(), "a:c");
        assert!(reference.with_tag("x y").is_err());
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser_and_what_it_reads_is_read_again(
            text in "[a-zA-Z0-9._:/@\\[\\]-]{0,40}"
        ) {
            if let Ok(reference) = text.parse::<ImageReference>() {
                prop_assert_eq!(&reference.to_string().parse::<ImageReference>().unwrap(), &reference);
                prop_assert_eq!(&reference.familiar().parse::<ImageReference>().unwrap(), &reference);
                prop_assert!(reference.tag().is_some() || reference.digest().is_some());
                prop_assert!(!reference.repository().contains(".."));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = text.parse::<ImageReference>();
        }
    }
}
