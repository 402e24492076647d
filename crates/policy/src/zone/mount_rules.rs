//! `[mounts]`: which files and folders of the host may be brought into a container.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cofferdam_names::ZoneName;

use super::{Place, Setting};

/// What may be done with a path of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MountAccess {
    /// It may not be brought in.
    None,
    /// Read-only.
    Read,
    /// Also writable.
    Write,
}

impl MountAccess {
    /// The word in a zone file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// `[mounts]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountRules {
    /// Whether a volume that says neither `ro` nor `rw` is read-only.
    pub readonly_default: Setting<bool>,
    /// The access to each path and what lies below it: the longest path decides. A path without a rule may not be
    /// brought in.
    pub access: Setting<BTreeMap<PathBuf, Setting<MountAccess>>>,
    /// The zones, beside its own, whose volumes a container may use.
    pub volumes_from: Setting<BTreeSet<ZoneName>>,
}

impl MountRules {
    /// What may be done with `source`, an absolute path without links, and the rule that decides.
    ///
    /// A folder can be no more open than what lies below it: bringing in `/` brings in `/proc`.
    #[must_use]
    pub fn access_to(&self, source: &Path) -> (MountAccess, &Place) {
        let rules = &self.access.value;
        let above = source.ancestors().find_map(|folder| rules.get(folder));
        let own = above.map_or((MountAccess::None, &self.access.place), |rule| (rule.value, &rule.place));
        rules
            .iter()
            .filter(|(path, _)| path.starts_with(source) && path.as_path() != source)
            .map(|(_, rule)| (rule.value, &rule.place))
            .fold(own, |strictest, rule| if rule.0 < strictest.0 { rule } else { strictest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(list: &[(&str, MountAccess)]) -> MountRules {
        let place = Place { file: "test".into(), line: 1 };
        let access = list.iter().enumerate().map(|(index, (path, access))| {
            (PathBuf::from(path), Setting::new(*access, Place { file: "test".into(), line: index + 2 }))
        });
        MountRules {
            readonly_default: Setting::new(false, place.clone()),
            access: Setting::new(access.collect(), place.clone()),
            volumes_from: Setting::new(BTreeSet::new(), place),
        }
    }

    #[test]
    fn the_longest_path_decides_and_a_folder_holds_what_is_below_it() {
        use MountAccess::{None, Read, Write};
        let rules = rules(&[("/", Write), ("/proc", None), ("/usr", Read), ("/usr/local", Write)]);
        for (path, access, line) in [
            ("/srv/x", Write, 2),
            ("/", None, 3),
            ("/proc/1", None, 3),
            ("/process", Write, 2),
            ("/usr", Read, 4),
            ("/usr/local/bin", Write, 5),
        ] {
            let found = rules.access_to(Path::new(path));
            assert_eq!((found.0, found.1.line), (access, line), "{path}");
        }
        let closed = self::rules(&[]);
        assert_eq!(closed.access_to(Path::new("/srv")), (None, &closed.access.place));
    }
}
