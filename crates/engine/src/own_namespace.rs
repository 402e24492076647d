//! What an ordinary user does with files of subordinate ids: as root of a user namespace that has them.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use cofferdam_confinement::{IdMaps, MapWriter};
use cofferdam_policy::id_maps;
use cofferdam_runtime::start::RootAside;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::facts;
use crate::removal::remove_tree;
use crate::told::{read_answer, write_answer};

/// The ids of an ordinary user's containers; none for root, who has all ids.
pub(crate) fn own_maps() -> Result<Option<IdMaps>> {
    if rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let host = facts::gather()?;
    Ok(Some(id_maps(&host, &facts::own_ids(&host))?))
}

/// The same where they are more than one.
pub(crate) fn subordinate_maps() -> Result<Option<IdMaps>> {
    Ok(own_maps()?.filter(has_ranges))
}

pub(crate) fn has_ranges(maps: &IdMaps) -> bool {
    maps.writer == MapWriter::Newuidmap
}

/// Does some work as root of a namespace with these ids, and brings its answer here.
pub(crate) fn as_root<T: Serialize + DeserializeOwned>(
    maps: &IdMaps,
    what: &'static str,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let failed = |source: io::Error| Error::io(what, "as root of a user namespace", source);
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    let started = RootAside::start(maps, || write_answer(work(), &theirs));
    let aside = started.map_err(|error| failed(io::Error::other(error)))?;
    drop(theirs);
    let answer = read_answer(&ours);
    aside.wait().map_err(|error| failed(io::Error::other(error)))?;
    answer.map_err(failed)?.map_err(|told| failed(io::Error::other(told)))
}

/// Removes a folder in which there may be files of this user's subordinate ids.
pub(crate) fn remove_own(folder: &Path) -> Result<()> {
    match remove_tree(folder) {
        Err(error) if !rustix::process::geteuid().is_root() => match subordinate_maps()? {
            Some(maps) => as_root(&maps, "remove files", || remove_tree(folder)),
            None => Err(error),
        },
        other => other,
    }
}
