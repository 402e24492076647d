//! The names that become part of a control file's name or line: checked once, so that nothing else can be meant.

use serde::{Deserialize, Serialize};

use super::ResourceError;

/// A size of huge pages as the kernel names its files: `64KB`, `2MB`, `1GB`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HugePageSize(String);

/// A remote-memory device: a name under `/sys/class/infiniband`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RdmaDevice(String);

/// A network interface of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceName(String);

/// A control file of cgroup v2 that holds a limit, such as `memory.high`.
///
/// Never a file of the `cgroup.` core that moves, freezes, kills or delegates: those are not limits, and a caller's text
/// must not reach them. `cgroup.max.depth`, `cgroup.max.descendants` and `cgroup.pressure` are limits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnifiedFile(String);

impl UnifiedFile {
    /// The controller it belongs to: what stands before the first dot (`cgroup` for the core).
    #[must_use]
    pub fn controller(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

impl HugePageSize {
    /// The size of one page in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let (digits, unit) = self.0.split_at(self.0.len() - 2);
        let shift = match unit {
            "KB" => 10,
            "MB" => 20,
            _ => 30,
        };
        // At most four digits: checked when it was made.
        digits.parse::<u64>().unwrap_or(1) << shift
    }
}

macro_rules! checked_text {
    ($name:ident, $check:expr, $error:ident) => {
        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = ResourceError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                if $check(&text) { Ok(Self(text)) } else { Err(ResourceError::$error(text)) }
            }
        }

        impl TryFrom<&str> for $name {
            type Error = ResourceError;
            fn try_from(text: &str) -> Result<Self, Self::Error> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_text!(HugePageSize, is_page_size, HugePageSize);
checked_text!(RdmaDevice, is_file_name, RdmaDevice);
checked_text!(InterfaceName, is_interface, InterfaceName);
checked_text!(UnifiedFile, is_unified_limit, UnifiedFile);

fn is_page_size(text: &str) -> bool {
    let number = ["KB", "MB", "GB"].iter().find_map(|unit| text.strip_suffix(unit));
    number.is_some_and(|digits| {
        (1..=4).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_file_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn is_interface(text: &str) -> bool {
    (1..=15).contains(&text.len())
        && text != "."
        && text != ".."
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':')
}

fn is_unified_limit(text: &str) -> bool {
    const CORE_LIMITS: [&str; 3] = ["cgroup.max.depth", "cgroup.max.descendants", "cgroup.pressure"];
    let Some((controller, rest)) = text.split_once('.') else { return false };
    is_file_name(text)
        && !controller.is_empty()
        && !rest.is_empty()
        && (controller != "cgroup" || CORE_LIMITS.contains(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_sizes_are_the_kernels_file_names() {
        for good in ["64KB", "2MB", "1GB", "512MB"] {
            assert!(HugePageSize::try_from(good).is_ok(), "{good}");
        }
        assert_eq!(HugePageSize::try_from("64KB").unwrap().bytes(), 65_536);
        assert_eq!(HugePageSize::try_from("1GB").unwrap().bytes(), 1 << 30);
        for bad in ["", "MB", "2M", "0MB", "02MB", "2MB/../x", "2mb", "20000MB", "-2MB"] {
            assert!(HugePageSize::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_unified_file_is_a_limit_and_stays_in_its_folder() {
        for good in ["memory.high", "io.max", "hugetlb.2MB.max", "cpu.weight.nice", "cgroup.max.depth"] {
            assert!(UnifiedFile::try_from(good).is_ok(), "{good}");
        }
        for bad in [
            "memory",
            "memory.",
            ".high",
            "../memory.high",
            "a/memory.high",
            "cgroup.procs",
            "cgroup.subtree_control",
            "cgroup.freeze",
            "cgroup.kill",
            "memory.high\n",
            "",
        ] {
            assert!(UnifiedFile::try_from(bad).is_err(), "{bad:?}");
        }
        assert_eq!(UnifiedFile::try_from("hugetlb.2MB.max").unwrap().controller(), "hugetlb");
    }

    #[test]
    fn interface_names_are_the_kernels() {
        for good in ["eth0", "br-1.100", "wlp2s0", "a"] {
            assert!(InterfaceName::try_from(good).is_ok(), "{good}");
        }
        for bad in ["", "..", "a b", "eth0:1", "a/b", "0123456789abcdef"] {
            assert!(InterfaceName::try_from(bad).is_err(), "{bad:?}");
        }
    }
}
