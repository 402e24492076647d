//! Facts about mounts: of the running system, or as `/etc/fstab` asks for them.

use cofferdam_kernel::proc::parse_mountinfo;
use serde::Serialize;

use super::Source;
use crate::fact::Fact;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Where it stands.
    pub point: String,
    /// The kind of file system.
    pub kind: String,
    /// What is mounted.
    pub source: String,
    /// The options of the mount and of the file system, together.
    pub options: Vec<String>,
    /// Whether mounts made below it appear elsewhere.
    pub shared: bool,
}

impl Mount {
    /// Whether it has the option.
    #[must_use]
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|have| have == option)
    }
}

/// All mounts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Mounts(pub Vec<Mount>);

impl Mounts {
    /// The mount that stands exactly there; the last one, which covers the others.
    #[must_use]
    pub fn at(&self, point: &str) -> Option<&Mount> {
        self.0.iter().rev().find(|mount| mount.point == point)
    }

    /// The mount that the path lies on.
    #[must_use]
    pub fn of(&self, path: &str) -> Option<&Mount> {
        let covers = |point: &str| {
            point == "/"
                || path == point
                || path.strip_prefix(point).is_some_and(|rest| rest.starts_with('/'))
        };
        self.0.iter().rev().filter(|mount| covers(&mount.point)).max_by_key(|mount| mount.point.len())
    }
}

/// Looks at a running system or a tree at rest.
pub(crate) fn gather(source: &Source) -> Fact<Mounts> {
    if source.is_running() {
        return match source.tree.bytes_up_to("/proc/self/mountinfo", 64 << 20) {
            Fact::Known(Some(bytes)) => parse(&bytes),
            Fact::Known(None) => Fact::unknown("/proc is not mounted"),
            Fact::Unknown(reason) => Fact::Unknown(reason),
        };
    }
    match source.tree.text("/etc/fstab") {
        Fact::Known(Some(text)) => Fact::Known(parse_fstab(&text)),
        Fact::Known(None) => Fact::unknown("the tree has no /etc/fstab"),
        Fact::Unknown(reason) => Fact::Unknown(reason),
    }
}

fn parse(bytes: &[u8]) -> Fact<Mounts> {
    match parse_mountinfo(bytes) {
        Ok(entries) => Fact::Known(Mounts(
            entries
                .into_iter()
                .map(|entry| Mount {
                    point: entry.mount_point.to_string_lossy().into_owned(),
                    kind: entry.fstype,
                    source: entry.source.to_string_lossy().into_owned(),
                    shared: entry.peers.shared.is_some(),
                    options: entry
                        .options
                        .into_iter()
                        .chain(entry.super_options.split(',').map(str::to_owned))
                        .collect(),
                })
                .collect(),
        )),
        Err(error) => Fact::unknown(format!("cannot understand /proc/self/mountinfo: {error}")),
    }
}

/// Reads fstab(5).
fn parse_fstab(text: &str) -> Mounts {
    let line = |line: &str| {
        let mut fields = line.split_whitespace();
        let source = fields.next().filter(|first| !first.starts_with('#'))?;
        let point = fields.next()?.trim_end_matches('/');
        let kind = fields.next()?;
        let options = fields.next().unwrap_or("defaults").split(',').map(str::to_owned).collect();
        let point = if point.is_empty() { "/" } else { point };
        Some(Mount { point: point.into(), kind: kind.into(), source: source.into(), options, shared: false })
    };
    Mounts(text.lines().filter_map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_on_the_longest_mount() {
        let mounts = parse_fstab(
            "# x\n/dev/a / ext4 defaults 0 1\n/dev/b /var ext4 nodev,nosuid\nt /var/lib/ tmpfs ro\nbad\n",
        );
        assert_eq!(mounts.0.len(), 3);
        assert_eq!(mounts.of("/var/lib/docker").unwrap().point, "/var/lib");
        assert_eq!(mounts.of("/variable").unwrap().point, "/");
        assert!(mounts.at("/var").unwrap().has("nosuid"));
        assert!(mounts.at("/home").is_none());
    }
}
