//! Facts about services: unit files of systemd, and which of them are started.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Source;
use crate::fact::{Fact, Unknown};

/// A unit of systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Unit {
    /// Its file exists.
    pub installed: bool,
    /// It is started at boot or on demand, by a link in a folder `.wants` or `.requires`.
    pub enabled: bool,
    /// It is linked to `/dev/null`.
    pub masked: bool,
}

/// All units by name.
pub(crate) type Units = BTreeMap<String, Unit>;

const FOLDERS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// The units that the tree has; empty where it has no systemd.
pub(crate) fn gather(source: &Source) -> Fact<Units> {
    read(source).into()
}

fn read(source: &Source) -> Result<Units, Unknown> {
    // Where something else is the first process, units start nothing, whatever they say.
    let first = if source.is_running() { source.tree.value("/proc/1/comm").get()?.clone() } else { None };
    if let Some(name) = first.filter(|name| name != "systemd") {
        return Err(Unknown(format!("systemd does not run here: the first process is {name}")));
    }
    let mut units = Units::new();
    for folder in FOLDERS {
        for name in source.tree.names_with_ending(folder, "")? {
            if name.ends_with(".wants") || name.ends_with(".requires") {
                for member in source.tree.names_with_ending(&format!("{folder}/{name}"), "")? {
                    units.entry(member).or_default().enabled = true;
                }
            } else if name.ends_with(".service") || name.ends_with(".socket") || name.ends_with(".timer") {
                // Looking at each link of /usr/lib would cost a call each: only the administrator's folders mask units.
                let masked = folder.starts_with("/etc")
                    && source.tree.link(format!("{folder}/{name}")).known().cloned().flatten().as_deref()
                        == Some("/dev/null");
                let unit = units.entry(name).or_default();
                unit.masked |= masked;
                unit.installed = true;
            }
        }
    }
    Ok(units)
}
