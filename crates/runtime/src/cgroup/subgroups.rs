//! Groups below a container's own that a further process of it is to join (`exec --cgroup`).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use super::{Hierarchy, Layout};

/// Why groups below the container's own cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum SubgroupError {
    #[error("{0:?} names no controller before the colon")]
    NoController(String),
    #[error("controller {0} is named twice")]
    Twice(String),
    #[error("{0:?} is for every controller, so it is the only one: name the controllers, as in memory:{0}")]
    NotAlone(String),
    #[error("bad sub cgroup path: {0} is not a sub cgroup path")]
    Outside(String),
    #[error("unknown controller {0}: no hierarchy of this host has it")]
    UnknownController(String),
}

/// Which group below the container's own, by hierarchy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subgroups {
    everywhere: Option<PathBuf>,
    by_controller: BTreeMap<String, PathBuf>,
}

impl Subgroups {
    /// Reads `PATH`, for all hierarchies, or one or several `CONTROLLER[,CONTROLLER...]:PATH`. A path is below the
    /// container's own group, which `/` is.
    ///
    /// # Errors
    /// If a path leads out of the container's group, or it is not clear what is meant.
    pub fn parse<'t>(words: impl IntoIterator<Item = &'t str>) -> Result<Self, SubgroupError> {
        let mut subgroups = Self::default();
        for (index, word) in words.into_iter().enumerate() {
            match word.split_once(':') {
                None => subgroups.everywhere = Some(below(word)?),
                Some((controllers, path)) => subgroups.name(word, controllers, path)?,
            }
            if let Some(path) = subgroups.everywhere.as_ref().filter(|_| index > 0) {
                return Err(SubgroupError::NotAlone(path.display().to_string()));
            }
        }
        Ok(subgroups)
    }

    fn name(&mut self, word: &str, controllers: &str, path: &str) -> Result<(), SubgroupError> {
        let path = below(path)?;
        for controller in controllers.split(',') {
            if controller.is_empty() {
                return Err(SubgroupError::NoController(word.to_owned()));
            }
            if self.by_controller.insert(controller.to_owned(), path.clone()).is_some() {
                return Err(SubgroupError::Twice(controller.to_owned()));
            }
        }
        Ok(())
    }

    /// The folder in each hierarchy, for the container whose own group is `group`.
    pub(super) fn folders<'l>(
        &self,
        layout: &'l Layout,
        group: &str,
    ) -> Result<Vec<(&'l Hierarchy, PathBuf)>, SubgroupError> {
        let has = |hierarchy: &Hierarchy, controller: &str| {
            hierarchy.names().split(',').any(|name| name.strip_prefix("name=").unwrap_or(name) == controller)
        };
        for controller in self.by_controller.keys() {
            if !layout.hierarchies().iter().any(|hierarchy| has(hierarchy, controller)) {
                return Err(SubgroupError::UnknownController(controller.clone()));
            }
        }
        let folder = |hierarchy: &'l Hierarchy| {
            let named = self.by_controller.iter().find(|(controller, _)| has(hierarchy, controller));
            let path = named.map(|(_, path)| path).or(self.everywhere.as_ref());
            let own = hierarchy.root().join(group);
            (hierarchy, path.map_or_else(|| own.clone(), |path| own.join(path)))
        };
        Ok(layout.hierarchies().iter().map(folder).collect())
    }
}

/// The path without its leading slash and without `.` and `..`; an error where it leads above its start.
fn below(text: &str) -> Result<PathBuf, SubgroupError> {
    let mut path = PathBuf::new();
    for component in Path::new(text).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::ParentDir if !path.pop() => return Err(SubgroupError::Outside(text.to_owned())),
            _ => {}
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_containers_group() {
        for bad in ["..", "/..", "a/../..", "memory:..", "memory:a/../../b"] {
            assert!(matches!(Subgroups::parse([bad]), Err(SubgroupError::Outside(_))), "{bad}");
        }
        for good in ["/", "", "a/..", "/a/./b", "memory:/"] {
            assert!(Subgroups::parse([good]).is_ok(), "{good}");
        }
    }

    #[test]
    fn each_hierarchy_gets_its_folder() {
        let layout = Layout::of(vec![
            Hierarchy::v1("/cg/cpu", "cpu,cpuacct"),
            Hierarchy::v1("/cg/memory", "memory"),
            Hierarchy::v1("/cg/systemd", "name=systemd"),
            Hierarchy::v2("/cg/unified", vec![]),
        ]);
        let folders = |words: &[&str]| -> Result<Vec<String>, SubgroupError> {
            let found = Subgroups::parse(words.iter().copied())?.folders(&layout, "box")?;
            Ok(found.iter().map(|(_, folder)| folder.display().to_string()).collect())
        };
        assert_eq!(
            folders(&["cpuacct:a", "systemd:/b"]).unwrap(),
            ["/cg/cpu/box/a", "/cg/memory/box", "/cg/systemd/box/b", "/cg/unified/box"]
        );
        assert_eq!(
            folders(&["sub"]).unwrap(),
            ["/cg/cpu/box/sub", "/cg/memory/box/sub", "/cg/systemd/box/sub", "/cg/unified/box/sub"]
        );
        assert_eq!(folders(&["what:/"]), Err(SubgroupError::UnknownController("what".to_owned())));
    }

    #[test]
    fn what_is_unclear_is_an_error() {
        for bad in [&[":x"][..], &["cpu:a", "cpu:b"], &["a", "b"], &["cpu:a", "b"], &["cpu,:a"]] {
            assert!(Subgroups::parse(bad.iter().copied()).is_err(), "{bad:?}");
        }
    }
}
