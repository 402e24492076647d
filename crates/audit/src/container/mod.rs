//! A container, of whatever engine: what its process could do, read from the kernel.
//!
//! Everything is judged from the outside by what the kernel says of the process, not by what an engine's records say.

mod checks;
mod facts;
mod paths;
#[cfg(test)]
pub(crate) mod tests;

pub use checks::controls;
pub(crate) use checks::{holds_socket, is_sensitive};
pub use facts::{ContainerFacts, HostPath, Limits};
pub(crate) use facts::{all, gather};
pub use paths::paths;

use crate::fact::{Fact, Unknown};
use crate::host::{Source, gather_mounts, gather_processes};
use crate::{Assessment, Report};

/// The first process of the container that a word names: a process number, or the beginning of an id of at least four letters,
/// or the name that Docker's records give to it.
///
/// # Errors
/// Nothing, or more than one container, is called so.
pub fn find(source: &Source, word: &str) -> Result<(u32, String), Unknown> {
    let processes = gather_processes(source);
    let processes = processes.get()?;
    if let Ok(pid) = word.parse::<u32>()
        && let Some(process) = processes.iter().find(|process| process.pid == pid)
    {
        return Ok((pid, format!("process {pid} ({})", process.name)));
    }
    let named = docker_id(source, word);
    let wanted = named.as_deref().unwrap_or(word);
    let mut found = processes.iter().filter_map(|process| {
        let (engine, id) = process.container()?;
        (wanted.len() >= 4 && id.starts_with(wanted)).then_some((process, engine, id))
    });
    let Some((first, engine, id)) = found.next() else {
        return Err(Unknown(format!("no process runs in a container called {word:?}")));
    };
    if found.any(|(_, _, other)| other != id) {
        return Err(Unknown(format!("more than one container's id begins with {word:?}")));
    }
    Ok((first.pid, format!("{engine} {word}")))
}

/// The id of Docker's container of this name.
fn docker_id(source: &Source, name: &str) -> Option<String> {
    const FOLDER: &str = "/var/lib/docker/containers";
    source.tree.names_with_ending(FOLDER, "").ok()?.into_iter().find(|id| {
        let text = source.tree.text(format!("{FOLDER}/{id}/config.v2.json"));
        let record: Option<serde_json::Value> =
            text.known().and_then(|text| serde_json::from_str(text.as_deref()?).ok());
        let called = record.as_ref().and_then(|record| record.get("Name")?.as_str());
        called.is_some_and(|called| called.trim_start_matches('/') == name)
    })
}

/// Looks at the container of one process of the running host, and judges it.
///
/// # Errors
/// There is no such process, or nothing can be learned about it.
pub fn audit(source: &Source, pid: u32, name: &str) -> Result<Report, Unknown> {
    let mounts = gather_mounts(source);
    let processes = gather_processes(source);
    let process = processes.get()?.iter().find(|process| process.pid == pid);
    let process = process.ok_or_else(|| Unknown(format!("there is no process {pid}")))?;
    let facts = gather(source, process, &mounts, name);
    let assessment = Assessment::of(name, &facts, controls());
    let ways = Fact::Known(vec![facts]);
    Ok(Report::new(assessment, Vec::new(), paths(&ways)))
}
