//! Which files of a tree a `COPY` means.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::{BuildError, inside};
use crate::ignore::name_fits;
use crate::{IgnoreRules, suggestion};

/// The paths (relative to the tree's root) that a source means, in order; at least one.
pub(super) fn select(
    root: &OwnedFd,
    source: &str,
    ignore: &IgnoreRules,
    tree: &'static str,
) -> Result<Vec<PathBuf>, BuildError> {
    let clean = inside::relative(source);
    if !has_pattern(source) {
        let counts = !ignore.excludes(&clean) || ignore.may_count_below(&clean);
        if counts && inside::exists(root, &clean) {
            return Ok(vec![clean]);
        }
        let hint = hint(root, &clean, counts);
        return Err(BuildError::NotFound { path: source.to_owned(), tree, hint });
    }
    let mut found = vec![PathBuf::new()];
    for part in clean.iter() {
        let pattern = part.to_string_lossy();
        let mut next = Vec::new();
        for folder in found {
            if !has_pattern(&pattern) {
                next.push(folder.join(&*pattern));
                continue;
            }
            // What is no folder holds nothing that could match.
            for name in inside::names(root, &folder).unwrap_or_default() {
                let fits = name_fits(&pattern, &name.to_string_lossy())
                    .map_err(|rule| BuildError::Refused(format!("pattern {source:?}: {rule}")))?;
                if fits {
                    next.push(folder.join(name));
                }
            }
        }
        found = next;
    }
    found.retain(|path| {
        (!ignore.excludes(path) || ignore.may_count_below(path)) && inside::exists(root, path)
    });
    if found.is_empty() { Err(BuildError::NoMatch { pattern: source.to_owned(), tree }) } else { Ok(found) }
}

fn has_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

fn hint(root: &OwnedFd, path: &Path, counts: bool) -> String {
    if !counts {
        return " (.dockerignore leaves it out)".to_owned();
    }
    let parent = path.parent().unwrap_or_else(|| Path::new(""));
    let Some(name) = path.file_name() else { return String::new() };
    let names = inside::names(root, parent).unwrap_or_default();
    // A link that leads nowhere has the name itself.
    let others = names.iter().filter(|other| other.as_os_str() != name);
    let names: Vec<&str> = others.take(1000).filter_map(|name| name.to_str()).collect();
    match suggestion::nearest(&name.to_string_lossy(), &names) {
        Some(near) => format!("; did you mean {}?", parent.join(near).display()),
        None => String::new(),
    }
}
