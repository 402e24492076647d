//! `/proc/PID/fd` and `fdinfo` (proc_pid_fd(5), proc_pid_fdinfo(5)): the open descriptors of a process.

use std::path::PathBuf;

use super::parse::{ParseError, decimal, lines, radix};

/// `O_CLOEXEC` as `flags:` prints it.
const CLOEXEC: u64 = 0o2_000_000;

/// What `/proc/PID/fdinfo/N` says of every kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FdInfo {
    /// Status and access flags (open(2)), with `O_CLOEXEC`.
    pub flags: u64,
    /// The mount through which it was opened.
    pub mount_id: Option<u64>,
}

impl FdInfo {
    /// Whether execve(2) closes it.
    #[must_use]
    pub const fn close_on_exec(self) -> bool {
        self.flags & CLOEXEC != 0
    }
}

/// One open descriptor of a process.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Descriptor {
    /// Its number in that process.
    pub number: u32,
    /// What its link reads: a path as the reader sees it, or `pipe:[N]`, `socket:[N]`, `anon_inode:NAME`.
    pub target: PathBuf,
    /// `st_mode` of the file.
    pub mode: u32,
    /// `st_rdev` of the file, major and minor number: which device it is.
    pub device: (u32, u32),
}

/// Reads the text of `fdinfo/N`.
pub fn parse_fdinfo(bytes: &[u8]) -> Result<FdInfo, ParseError> {
    let value = |name: &[u8]| lines(bytes).find_map(|line| Some(line.strip_prefix(name)?.trim_ascii()));
    let flags = value(b"flags:").ok_or_else(|| ParseError::new("fdinfo flags", bytes))?;
    let mount_id = match value(b"mnt_id:") {
        Some(id) => Some(decimal("fdinfo mnt_id", id)?),
        None => None,
    };
    Ok(FdInfo { flags: radix("fdinfo flags", flags, 8)?, mount_id })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_flags_in_octal() {
        let info = parse_fdinfo(b"pos:\t0\nflags:\t02100000\nmnt_id:\t24\nino:\t3\n").unwrap();
        assert!(info.close_on_exec());
        assert_eq!(info.mount_id, Some(24));
        assert!(!parse_fdinfo(b"flags:\t0100000\n").unwrap().close_on_exec());
        assert!(parse_fdinfo(b"flags:\t9\n").is_err());
        assert!(parse_fdinfo(b"").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse_fdinfo(&bytes);
        }
    }
}
