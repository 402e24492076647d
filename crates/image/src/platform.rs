//! What an image runs on, and which image of an index fits.

use cofferdam_wire_oci::image as wire;

/// An operating system and a processor, in Go's words (`GOOS`, `GOARCH`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// `linux`
    pub os: String,
    /// `amd64`, `arm64`, ...
    pub architecture: String,
    /// `v8`, ...; none where the index names none.
    pub variant: Option<String>,
    /// A Windows build number, for the record.
    pub os_version: Option<String>,
}

impl Platform {
    /// The one of this program.
    #[must_use]
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Self { os: "linux".into(), architecture: architecture.into(), variant: None, os_version: None }
    }

    /// How well something made for `other` suits this one: the lower the better; none if it does not run.
    #[must_use]
    pub fn rank(&self, other: &Self) -> Option<u8> {
        if self.os != other.os || self.architecture != other.architecture {
            return None;
        }
        // What an architecture means without a variant (containerd/platforms, "Normalization").
        let plain = |variant: &Option<String>| {
            let default = match self.architecture.as_str() {
                "arm64" => "v8",
                "amd64" => "v1",
                "arm" => "v7",
                _ => "",
            };
            variant.clone().filter(|variant| !variant.is_empty()).unwrap_or_else(|| default.to_owned())
        };
        let (ours, theirs) = (plain(&self.variant), plain(&other.variant));
        match (number(&ours), number(&theirs)) {
            _ if ours == theirs => Some(0),
            // An older variant runs on a newer processor.
            (Some(ours), Some(theirs)) if theirs < ours => Some((ours - theirs).min(100)),
            _ => None,
        }
    }
}

fn number(variant: &str) -> Option<u8> {
    variant.strip_prefix('v')?.parse().ok()
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl std::str::FromStr for Platform {
    type Err = super::DocumentError;

    /// `os/architecture` or `os/architecture/variant` (`--platform`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            [os, architecture, variant @ ..] if variant.len() <= 1 && parts.iter().all(|part| word(part)) => {
                Ok(Self {
                    os: (*os).to_owned(),
                    architecture: (*architecture).to_owned(),
                    variant: variant.first().map(|variant| (*variant).to_owned()),
                    os_version: None,
                })
            }
            _ => Err(super::DocumentError::invalid("platform (OS/ARCHITECTURE[/VARIANT])", text)),
        }
    }
}

impl From<wire::Platform> for Platform {
    fn from(platform: wire::Platform) -> Self {
        let wire::Platform { architecture, os, variant, os_version, os_features: _ } = platform;
        Self { os, architecture, variant: variant.filter(|variant| !variant.is_empty()), os_version }
    }
}

impl From<Platform> for wire::Platform {
    fn from(platform: Platform) -> Self {
        let Platform { os, architecture, variant, os_version } = platform;
        Self { architecture, os, variant, os_version, os_features: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_variant_suits_and_a_newer_one_does_not() {
        let rank = |a: &str, b: &str| a.parse::<Platform>().unwrap().rank(&b.parse().unwrap());
        assert_eq!(rank("linux/arm64", "linux/arm64/v8"), Some(0));
        assert_eq!(rank("linux/amd64/v3", "linux/amd64"), Some(2));
        assert_eq!(rank("linux/amd64", "linux/amd64/v3"), None);
        assert_eq!(rank("linux/arm/v7", "linux/arm/v6"), Some(1));
        assert_eq!(rank("linux/amd64", "windows/amd64"), None);
        assert_eq!(rank("linux/s390x", "linux/s390x"), Some(0));
        for bad in ["", "linux", "linux/", "a/b/c/d", "a b/c"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
