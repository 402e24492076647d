//! Files that say how containers are built and started: Dockerfiles, Compose files, Kubernetes manifests.

pub mod compose;
pub mod dockerfile;
pub mod kubernetes;
mod yaml;

use thiserror::Error;

use crate::control::{Control, Dimension, Evidence, Verdict};
use crate::line::Line;
use crate::{Assessment, Report};

/// Whether a text is YAML, for tests of what we write.
#[cfg(test)]
pub(crate) fn is_yaml(text: &str) -> bool {
    yaml::parse(text).is_ok()
}

/// A file that cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// It is no YAML.
    #[error("cannot understand line {line}: {why}")]
    Yaml {
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// It is larger or deeper than any such file.
    #[error("it has more than {0}")]
    TooLarge(&'static str),
    /// It is YAML, and not a file of this kind.
    #[error("it is no {0}")]
    Other(&'static str),
}

/// What finds all that is wrong in a file of one kind.
type Find<T> = fn(&T) -> Vec<Evidence>;

fn control<T: 'static>(area: &'static str, path: &str, line: &Line<Find<T>>) -> Control<T> {
    let (path, find) = (path.to_owned(), line.judge);
    Control::new(line.about(area, Dimension::Processes), move |facts: &T| {
        let found = find(facts).into_iter().map(|evidence| Evidence { path: Some(path.clone()), ..evidence });
        Ok(Verdict::none_of(found, "nothing of the kind"))
    })
}

fn judge<T: 'static>(area: &'static str, path: &str, facts: &T, lines: &[Line<Find<T>>]) -> Report {
    let controls = lines.iter().map(|line| control(area, path, line)).collect();
    Report::new(Assessment::of(path, facts, controls), Vec::new(), Vec::new())
}

/// Something seen on a line of the file.
fn seen(text: impl Into<String>, line: usize) -> Evidence {
    Evidence { text: text.into(), path: None, line: Some(line) }
}

/// Each line of a table fails on its weak file and passes on its strong one.
#[cfg(test)]
fn try_lines<T>(lines: &[Line<Find<T>>], parse: impl Fn(&str) -> T) {
    let mut ids = std::collections::BTreeSet::new();
    for line in lines {
        let id = line.id();
        assert!(ids.insert(id), "{id} stands twice");
        assert!(!(line.judge)(&parse(line.weak)).is_empty(), "{id} finds nothing in {}", line.weak);
        let found = (line.judge)(&parse(line.strong));
        assert!(found.is_empty(), "{id} finds {found:?} in {}", line.strong);
    }
}
