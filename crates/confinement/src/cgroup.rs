//! Where a container is accounted and limited.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::resources::Resources;

/// A path below a cgroup hierarchy's root, without a leading slash and without `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CgroupPath(String);

/// A text that is no cgroup path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid cgroup path {0:?}: it is relative to the hierarchy's root, without '.', '..' and NUL")]
pub struct InvalidCgroupPath(pub String);

impl CgroupPath {
    /// The group that holds the containers whose place is left to Cofferdam. It is Cofferdam's own: made when it is needed
    /// and removed with the last group in it.
    pub const OWN_PARENT: &'static str = "cofferdam";

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The groups above it that are Cofferdam's own, the deepest first.
    pub fn own_parents(&self) -> impl Iterator<Item = &str> {
        let own = self.0.split('/').next() == Some(Self::OWN_PARENT);
        self.0.rmatch_indices('/').filter(move |_| own).map(|(end, _)| &self.0[..end])
    }
}

impl TryFrom<String> for CgroupPath {
    type Error = InvalidCgroupPath;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let trimmed = text.trim_matches('/');
        let valid = !trimmed.is_empty()
            && !trimmed.contains('\0')
            && trimmed.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if valid { Ok(Self(trimmed.to_owned())) } else { Err(InvalidCgroupPath(text)) }
    }
}

impl From<CgroupPath> for String {
    fn from(path: CgroupPath) -> String {
        path.0
    }
}

/// The container's group and its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cgroup {
    /// Its path in every hierarchy; none where the container stays in its caller's group (rootless without delegation).
    pub path: Option<CgroupPath>,
    /// Host user who may make groups below it (v2 delegation), where the container may write to its own cgroup tree.
    pub owner: Option<u32>,
    /// Its limits; a limit that the host cannot enforce stops the start.
    pub resources: Resources,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_groups_below_its_own_parent_are_cofferdams() {
        let parents = |path: &str| {
            let path = CgroupPath::try_from(path.to_owned()).unwrap();
            path.own_parents().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(parents("cofferdam/a/b"), ["cofferdam/a", "cofferdam"]);
        assert_eq!(parents("cofferdam/a"), ["cofferdam"]);
        assert!(parents("cofferdam").is_empty());
        assert!(parents("system.slice/cofferdam/a").is_empty());
        assert!(parents("cofferdam2/a").is_empty());
    }

    #[test]
    fn a_cgroup_path_stays_below_the_root() {
        for bad in ["", "/", "a/../b", "./a", "a//b", "a\0"] {
            assert!(CgroupPath::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert_eq!(CgroupPath::try_from("/cofferdam/x".to_owned()).unwrap().as_str(), "cofferdam/x");
    }
}
