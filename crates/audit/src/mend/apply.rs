//! Writing, and taking back what was written.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::target::{Target, parameter_path};
use super::{Change, Mending};
use crate::host::Source;

/// Where the records of what was there before are: the machine's, not a state folder's.
const RECORDS: &str = "/var/lib/cofferdam-audit";
/// A drop-in is for everybody to read, a record is not.
const DROP_IN_MODE: u32 = 0o644;
const RECORD_MODE: u32 = 0o600;

/// What a mending, or taking one back, ended with.
#[derive(Debug, Error)]
pub enum MendError {
    /// The root cannot be opened.
    #[error("cannot open the root")]
    Root(#[source] io::Error),
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A parameter cannot be set.
    #[error("cannot set {name} to {value}")]
    Set {
        /// Which.
        name: String,
        /// To what.
        value: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A record cannot be read.
    #[error("cannot read {path}: {why}")]
    Record {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// Nothing was mended here, or all was taken back.
    #[error("nothing was mended here that could be taken back")]
    Nothing,
}

/// What was there before, kept until it is put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    files: Vec<FileRecord>,
    parameters: Vec<ParameterRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRecord {
    path: String,
    before: Option<String>,
    after: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParameterRecord {
    name: String,
    before: String,
    after: String,
}

/// Writes what was planned, after a record of what was there. Where a step fails, what was done before it is taken back.
///
/// # Errors
/// Something cannot be written; then nothing is changed.
pub fn apply(root: &Path, source: &Source, mending: &Mending) -> Result<(), MendError> {
    if mending.changes.is_empty() {
        return Ok(());
    }
    let target = Target::open(root, source.is_running()).map_err(MendError::Root)?;
    let files = mending.changes.iter().map(|Change { path, before, after, .. }| FileRecord {
        path: (*path).to_owned(),
        before: before.clone(),
        after: after.clone(),
    });
    let parameters = if source.is_running() { parameters(source, mending) } else { Vec::new() };
    let record = Record { files: files.collect(), parameters };
    let path = format!("{RECORDS}/mended-{:06}.json", records(source)?.len() + 1);
    let text = serde_json::to_string_pretty(&record)
        .map_err(|error| MendError::Record { path: path.clone(), why: error.to_string() })?;
    write(&target, &path, &text, RECORD_MODE)?;
    let done = carry_out(&target, &record);
    if done.is_err() {
        let _ = put_back(&target, source, &record);
        let _ = target.remove(&path);
    }
    done
}

fn carry_out(target: &Target, record: &Record) -> Result<(), MendError> {
    for file in &record.files {
        write(target, &file.path, &file.after, DROP_IN_MODE)?;
    }
    for parameter in &record.parameters {
        set(target, &parameter.name, &parameter.after)?;
    }
    Ok(())
}

fn write(target: &Target, path: &str, text: &str, mode: u32) -> Result<(), MendError> {
    target.write(path, text, mode).map_err(|source| MendError::Write { path: path.to_owned(), source })
}

fn set(target: &Target, name: &str, value: &str) -> Result<(), MendError> {
    let failed = |source| MendError::Set { name: name.to_owned(), value: value.to_owned(), source };
    target.set(name, value).map_err(failed)
}

/// The parameters that the kernel has, and has otherwise now.
fn parameters(source: &Source, mending: &Mending) -> Vec<ParameterRecord> {
    let one = |(name, after): &(String, String)| {
        let before = source.tree.value(parameter_path(name)).known().cloned().flatten()?;
        (before != *after).then(|| ParameterRecord { name: name.clone(), before, after: after.clone() })
    };
    mending.parameters.iter().filter_map(one).collect()
}

/// What taking back came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Undone {
    /// Files and parameters that are as they were.
    pub restored: Vec<String>,
    /// Those that somebody has changed since, and that were left alone.
    pub left: Vec<String>,
}

/// Takes the newest mending back. What somebody changed since is left alone and named.
///
/// # Errors
/// There is none, or something cannot be written.
pub fn undo(root: &Path, source: &Source) -> Result<Undone, MendError> {
    let target = Target::open(root, source.is_running()).map_err(MendError::Root)?;
    let newest = records(source)?.pop().ok_or(MendError::Nothing)?;
    let path = format!("{RECORDS}/{newest}");
    let failed = |why: String| MendError::Record { path: path.clone(), why };
    let text = source.tree.text(&path);
    let text = text.get().map_err(|reason| failed(reason.0))?.clone().unwrap_or_default();
    let record: Record = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    let undone = put_back(&target, source, &record)?;
    target.remove(&path).map_err(|source| MendError::Write { path, source })?;
    Ok(undone)
}

fn put_back(target: &Target, source: &Source, record: &Record) -> Result<Undone, MendError> {
    let mut undone = Undone::default();
    for FileRecord { path, before, after } in record.files.iter().rev() {
        let now = source.tree.text(path).known().cloned().flatten();
        if now == *before {
            continue;
        }
        // A file that somebody removed, or wrote to, is theirs.
        if now.as_ref() != Some(after) {
            undone.left.push(path.clone());
            continue;
        }
        match before {
            Some(before) => write(target, path, before, DROP_IN_MODE)?,
            None => target.remove(path).map_err(|source| MendError::Write { path: path.clone(), source })?,
        }
        undone.restored.push(path.clone());
    }
    for ParameterRecord { name, before, after } in record.parameters.iter().rev() {
        let now = source.tree.value(parameter_path(name)).known().cloned().flatten();
        match now {
            Some(now) if now == *before => {}
            Some(now) if now == *after => {
                set(target, name, before)?;
                undone.restored.push(name.clone());
            }
            _ => undone.left.push(name.clone()),
        }
    }
    Ok(undone)
}

/// The records by age, the newest last.
fn records(source: &Source) -> Result<Vec<String>, MendError> {
    let failed = |why: String| MendError::Record { path: RECORDS.to_owned(), why };
    let names = source.tree.names_with_ending(RECORDS, ".json").map_err(|reason| failed(reason.0))?;
    Ok(names.into_iter().filter(|name| name.starts_with("mended-")).collect())
}
