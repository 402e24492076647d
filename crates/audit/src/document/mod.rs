//! Files that say how containers are built and started: Dockerfiles, Compose files, Kubernetes manifests.

pub mod compose;
pub mod dockerfile;
pub mod kubernetes;
mod yaml;

use thiserror::Error;

use crate::control::{About, Body, Control, Dimension, Evidence, Gain, Severity, Verdict};
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

/// A check on a file of one kind, with a file that is weak in it and one that is not.
struct Line<T: 'static> {
    id: &'static str,
    title: &'static str,
    why: &'static str,
    remedy: &'static str,
    severity: Severity,
    gain: Gain,
    references: &'static [(Body, &'static str)],
    find: fn(&T) -> Vec<Evidence>,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests judge them"))]
    weak: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests judge them"))]
    strong: &'static str,
}

fn control<T>(area: &'static str, path: &str, line: &'static Line<T>) -> Control<T> {
    let about = About::new(area, line.id)
        .title(line.title)
        .why(line.why)
        .remedy(line.remedy)
        .weight(line.severity, line.gain)
        .dimension(Dimension::Processes);
    let about = about.references(line.references);
    let path = path.to_owned();
    Control::new(about, move |facts: &T| {
        let found =
            (line.find)(facts).into_iter().map(|evidence| Evidence { path: Some(path.clone()), ..evidence });
        Ok(Verdict::none_of(found, "nothing of the kind"))
    })
}

fn judge<T>(area: &'static str, path: &str, facts: &T, lines: &'static [Line<T>]) -> Report {
    let controls = lines.iter().map(|line| control(area, path, line)).collect();
    Report::new(Assessment::of(path, facts, controls), Vec::new(), Vec::new())
}

/// Something seen on a line of the file.
fn seen(text: impl Into<String>, line: usize) -> Evidence {
    Evidence { text: text.into(), path: None, line: Some(line) }
}

/// Each line of a table fails on its weak file and passes on its strong one.
#[cfg(test)]
fn try_lines<T>(lines: &'static [Line<T>], parse: impl Fn(&str) -> T) {
    let mut ids = std::collections::BTreeSet::new();
    for line in lines {
        assert!(ids.insert(line.id), "{} stands twice", line.id);
        assert!(!(line.find)(&parse(line.weak)).is_empty(), "{} finds nothing in {}", line.id, line.weak);
        let found = (line.find)(&parse(line.strong));
        assert!(found.is_empty(), "{} finds {found:?} in {}", line.id, line.strong);
    }
}
