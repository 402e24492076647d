//! `/proc/PID/cgroup` (cgroups(7)): the groups that a process is a member of.

use super::parse::{ParseError, decimal, lines};

/// Membership in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupMembership {
    /// 0 for v2.
    pub hierarchy: u32,
    /// The controllers of a v1 hierarchy, or its `name=...`; none for v2.
    pub controllers: Vec<String>,
    /// The path below the hierarchy's root, as the reader's cgroup namespace shows it: `/..` where it lies outside.
    pub path: String,
}

/// Reads the file's text.
pub fn parse_cgroup(bytes: &[u8]) -> Result<Vec<CgroupMembership>, ParseError> {
    lines(bytes)
        .map(|line| {
            let bad = || ParseError::new("cgroup line", line);
            let mut fields = line.splitn(3, |byte| *byte == b':');
            let hierarchy = decimal("cgroup hierarchy", fields.next().ok_or_else(bad)?)?;
            let controllers = String::from_utf8_lossy(fields.next().ok_or_else(bad)?);
            let path = String::from_utf8_lossy(fields.next().ok_or_else(bad)?).into_owned();
            if !path.starts_with('/') {
                return Err(bad());
            }
            let controllers =
                controllers.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            Ok(CgroupMembership { hierarchy, controllers, path })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_v1_and_v2() {
        let groups = parse_cgroup(b"9:name=systemd:/\n4:cpu,cpuacct:/a:b/c\n0::/x (deleted)\n").unwrap();
        assert_eq!(groups[0].controllers, ["name=systemd"]);
        assert_eq!((groups[1].hierarchy, groups[1].path.as_str()), (4, "/a:b/c"));
        assert_eq!(groups[1].controllers, ["cpu", "cpuacct"]);
        assert!(groups[2].controllers.is_empty());
        assert_eq!(groups[2].path, "/x (deleted)");
        for bad in ["1:cpu", "x:cpu:/", "1:cpu:relative"] {
            assert!(parse_cgroup(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse_cgroup(&bytes);
        }
    }
}
