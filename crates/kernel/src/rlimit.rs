//! Resource limits (getrlimit(2)): the names; [`crate::credentials`] applies them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A limited resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Resource(u8);

/// A word that names no limited resource.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown resource limit {0:?}")]
pub struct UnknownResource(pub String);

/// (OCI name, the name as `/proc/PID/limits` prints it) in the kernel's order (`<asm-generic/resource.h>`).
const NAMES: [(&str, &str); 16] = [
    ("RLIMIT_CPU", "Max cpu time"),
    ("RLIMIT_FSIZE", "Max file size"),
    ("RLIMIT_DATA", "Max data size"),
    ("RLIMIT_STACK", "Max stack size"),
    ("RLIMIT_CORE", "Max core file size"),
    ("RLIMIT_RSS", "Max resident set"),
    ("RLIMIT_NPROC", "Max processes"),
    ("RLIMIT_NOFILE", "Max open files"),
    ("RLIMIT_MEMLOCK", "Max locked memory"),
    ("RLIMIT_AS", "Max address space"),
    ("RLIMIT_LOCKS", "Max file locks"),
    ("RLIMIT_SIGPENDING", "Max pending signals"),
    ("RLIMIT_MSGQUEUE", "Max msgqueue size"),
    ("RLIMIT_NICE", "Max nice priority"),
    ("RLIMIT_RTPRIO", "Max realtime priority"),
    ("RLIMIT_RTTIME", "Max realtime timeout"),
];

impl Resource {
    /// All limited resources.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).zip(NAMES).map(|(number, _)| Self(number))
    }

    /// The kernel's number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// OCI's name (`RLIMIT_NOFILE`).
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).map_or("RLIMIT_?", |(name, _)| name)
    }

    /// The words that begin its line in `/proc/PID/limits`.
    #[must_use]
    pub fn proc_label(self) -> &'static str {
        NAMES.get(usize::from(self.0)).map_or("", |(_, label)| label)
    }
}

impl FromStr for Resource {
    type Err = UnknownResource;

    /// Reads OCI's `RLIMIT_NOFILE` and Docker's `nofile`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let upper = text.to_ascii_uppercase();
        let bare = upper.strip_prefix("RLIMIT_").unwrap_or(&upper);
        (0u8..)
            .zip(NAMES)
            .find(|(_, (name, _))| name.strip_prefix("RLIMIT_") == Some(bare))
            .map(|(number, _)| Self(number))
            .ok_or_else(|| UnknownResource(text.to_owned()))
    }
}

impl TryFrom<String> for Resource {
    type Error = UnknownResource;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Resource> for String {
    fn from(resource: Resource) -> String {
        resource.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_give_the_kernels_number() {
        assert_eq!("RLIMIT_NOFILE".parse::<Resource>().unwrap().number(), 7);
        assert_eq!("nofile".parse::<Resource>().unwrap().proc_label(), "Max open files");
        assert!("RLIMIT_X".parse::<Resource>().is_err());
    }
}
