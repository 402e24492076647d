//! A path inside a container: never to be joined to a host path as a string.

use serde::{Deserialize, Serialize};

use crate::text::{InvalidName, checked_name};

/// An absolute path inside a container's root.
///
/// It has no `join` with a host path on purpose: it is resolved inside the root by openat2(2) with
/// `RESOLVE_IN_ROOT`, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerPath(String);

checked_name!(ContainerPath, check_path);

impl ContainerPath {
    /// The container's root itself.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// The path without its leading slashes, as openat2 relative to the root wants it; "." for the root.
    #[must_use]
    pub fn relative(&self) -> &str {
        match self.0.trim_start_matches('/') {
            "" => ".",
            rest => rest,
        }
    }
}

fn check_path(text: &str) -> Result<(), InvalidName> {
    let refuse = |rule| Err(InvalidName::new("container path", text, rule));
    if !text.starts_with('/') {
        return refuse("it is absolute");
    }
    if text.len() > 4095 {
        return refuse("it has at most 4095 bytes (PATH_MAX)");
    }
    if text.contains('\0') {
        return refuse("it holds no NUL byte");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_paths_without_nul() {
        for bad in ["", "etc", "./x", "/a\0b"] {
            assert!(bad.parse::<ContainerPath>().is_err(), "{bad:?}");
        }
        let path: ContainerPath = "//etc/passwd".parse().unwrap();
        assert_eq!(path.relative(), "etc/passwd");
        assert_eq!(ContainerPath::root().relative(), ".");
    }
}
