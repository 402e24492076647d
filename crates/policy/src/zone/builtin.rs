//! The zones that every host has. Their files are read by the same code as anyone else's.

use cofferdam_names::ZoneName;
use thiserror::Error;

use super::Zone;
use super::parse::{ZoneFileError, read_zone};
use crate::HOST_IMAGE;

/// The names of the built-in zones.
pub const BUILTIN_ZONES: [&str; 4] = ["build", "default", "host-tools", "strict"];

/// A name that no built-in zone has, or (a fault of this program, excluded by its tests) a built-in file that does not
/// read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum UnknownBuiltinZone {
    #[error("no built-in zone is named {0:?}")]
    Name(String),
    #[error("built-in zone {name:?} does not read")]
    File { name: String, source: ZoneFileError },
}

/// The text of a built-in zone's file.
fn text(name: &str) -> Option<&'static str> {
    Some(match name {
        "build" => include_str!("../../zones/build.toml"),
        "default" => include_str!("../../zones/default.toml"),
        "host-tools" => include_str!("../../zones/host-tools.toml"),
        "strict" => include_str!("../../zones/strict.toml"),
        _ => return None,
    })
}

/// The built-in zone of this name.
///
/// # Errors
/// [`UnknownBuiltinZone`]
pub fn builtin_zone(name: &str) -> Result<Zone, UnknownBuiltinZone> {
    let unknown = || UnknownBuiltinZone::Name(name.to_owned());
    let text = text(name).ok_or_else(unknown)?;
    let zone_name: ZoneName = name.parse().map_err(|_| unknown())?;
    let label = format!("<built in>/{name}.toml");
    let closed = Zone::closed(&label, zone_name);
    read_zone(&label, text, Some(closed))
        .map_err(|source| UnknownBuiltinZone::File { name: name.to_owned(), source })
}

/// The zone of a container whose request names none.
#[must_use]
pub fn default_zone(image: &str) -> &'static str {
    if image == HOST_IMAGE { "host-tools" } else { "default" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_zone_reads_and_leaves_nothing_out() {
        let keys = [
            "zone =",
            "about =",
            "isolation =",
            "ids =",
            "capabilities =",
            "capabilities_max =",
            "syscalls =",
            "writable =",
            "new_privileges =",
            "lsm =",
            "memory =",
            "memory_max =",
            "cpus =",
            "cpus_max =",
            "pids =",
            "pids_max =",
            "cgroup_parents =",
            "oom_score_adj_min =",
            "[limits.ulimits]",
            "[limits.ulimits_max]",
            "readonly_default =",
            "volumes_from =",
            "[mounts.access]",
            "host =",
            "share =",
            "[devices.access]",
            "mode =",
            "host =",
            "trust =",
            "egress =",
            "ingress =",
            "publish =",
            "connections =",
            "connections_per_second =",
            "zone_connections =",
            "log =",
            "allowed =",
        ];
        for name in BUILTIN_ZONES {
            assert_eq!(builtin_zone(name).unwrap().name.value.as_str(), name);
            for key in keys {
                let text = text(name).unwrap();
                assert!(text.lines().any(|line| line.starts_with(key)), "{name} lacks {key}");
            }
        }
        assert!(matches!(builtin_zone("x"), Err(UnknownBuiltinZone::Name(_))));
    }

    #[test]
    fn the_host_image_has_a_zone_of_its_own() {
        assert_eq!(default_zone("host"), "host-tools");
        assert_eq!(default_zone("debian"), "default");
    }
}
