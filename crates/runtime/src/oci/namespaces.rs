//! `linux.namespaces`, the id maps and clock offsets that belong to them.

use std::path::{Path, PathBuf};

use cofferdam_confinement::{
    ClockOffset, IdMapping, IdMaps, MapWriter, NamespaceSource, Namespaces, Setgroups,
};
use cofferdam_kernel::namespace::Namespace;
use cofferdam_wire_oci as wire;

use super::Caller;
use super::error::ConfigError;
use super::mounts::{id_lines, no_nul};
use crate::start::joined_maps::maps_of_namespace;

/// Converts the namespaces with everything that only makes sense together with one of them.
pub(super) fn namespaces(linux: &wire::Linux, caller: Caller) -> Result<Namespaces, ConfigError> {
    let mut namespaces = sources(&linux.namespaces)?;
    user(linux, caller, &mut namespaces)?;
    time(linux, &mut namespaces)?;
    Ok(namespaces)
}

fn sources(entries: &[wire::NamespaceEntry]) -> Result<Namespaces, ConfigError> {
    let mut namespaces = Namespaces::host();
    for (index, entry) in entries.iter().enumerate() {
        let source = if entry.path.is_empty() {
            NamespaceSource::New
        } else {
            let field = format!("linux.namespaces[{index}].path");
            no_nul(&field, &entry.path)?;
            if !entry.path.starts_with('/') {
                return Err(ConfigError::new(field, format!("{:?} is not an absolute path", entry.path)));
            }
            NamespaceSource::Join(PathBuf::from(&entry.path))
        };
        let slot = namespaces.source_mut(kind(entry.kind));
        if *slot != NamespaceSource::Host {
            return Err(ConfigError::new(
                format!("linux.namespaces[{index}].type"),
                format!("a second {} namespace: each kind is named once", kind(entry.kind).link_name()),
            ));
        }
        *slot = source;
    }
    Ok(namespaces)
}

fn kind(wire: wire::NamespaceType) -> Namespace {
    match wire {
        wire::NamespaceType::Pid => Namespace::Pid,
        wire::NamespaceType::Network => Namespace::Network,
        wire::NamespaceType::Mount => Namespace::Mount,
        wire::NamespaceType::Ipc => Namespace::Ipc,
        wire::NamespaceType::Uts => Namespace::Uts,
        wire::NamespaceType::User => Namespace::User,
        wire::NamespaceType::Cgroup => Namespace::Cgroup,
        wire::NamespaceType::Time => Namespace::Time,
    }
}

fn user(linux: &wire::Linux, caller: Caller, namespaces: &mut Namespaces) -> Result<(), ConfigError> {
    let mapped = linux.uid_mappings.is_some() || linux.gid_mappings.is_some();
    let (uids, gids) = (linux.uid_mappings.as_deref(), linux.gid_mappings.as_deref());
    let refuse = |problem: &str| Err(ConfigError::new("linux.uidMappings", problem));
    match &namespaces.user {
        NamespaceSource::Host if caller.is_rootless() => Err(ConfigError::new(
            "linux.namespaces",
            "rootless container requires user namespaces: add {\"type\": \"user\"} with mappings",
        )),
        NamespaceSource::Host if mapped => {
            refuse("user namespace mappings specified, but user namespace isn't enabled in the config")
        }
        NamespaceSource::Host => Ok(()),
        NamespaceSource::Join(path) => {
            let maps = maps_of_namespace(path).map_err(|error| {
                let problem =
                    format!("cannot read the id maps of the user namespace {}: {error}", path.display());
                ConfigError::new("linux.namespaces", problem)
            })?;
            if mapped {
                same_maps(path, &maps, uids, gids)?;
            }
            namespaces.id_maps = Some(maps);
            Ok(())
        }
        NamespaceSource::New => {
            let (Some(uids @ [_, ..]), Some(gids @ [_, ..])) = (uids, gids) else {
                return refuse(
                    "user namespaces enabled, but no namespace path to join nor mappings to apply specified: \
                     both uidMappings and gidMappings have at least one line",
                );
            };
            namespaces.id_maps = Some(id_maps(uids, gids, caller)?);
            Ok(())
        }
    }
}

fn id_maps(
    uids: &[wire::IdMapping],
    gids: &[wire::IdMapping],
    caller: Caller,
) -> Result<IdMaps, ConfigError> {
    let uids = id_lines("linux.uidMappings", uids)?;
    let gids = id_lines("linux.gidMappings", gids)?;
    for (field, lines) in [("linux.uidMappings", &uids), ("linux.gidMappings", &gids)] {
        if !lines.iter().any(|line| line.host_id(0).is_some()) {
            return Err(ConfigError::new(
                field,
                "container id 0 is not mapped: what the runtime makes in the container belongs to it",
            ));
        }
    }
    let single =
        |lines: &[IdMapping], own: u32| matches!(lines, [line] if line.size == 1 && line.host == own);
    let (writer, setgroups) = match caller {
        Caller::Privileged => (MapWriter::Direct, Setgroups::Allow),
        // The one map that the kernel lets everyone write: one's own id, with setgroups(2) given up.
        Caller::Rootless { uid, gid } if single(&uids, uid) && single(&gids, gid) => {
            (MapWriter::Direct, Setgroups::Deny)
        }
        Caller::Rootless { .. } => (MapWriter::Newuidmap, Setgroups::Allow),
    };
    Ok(IdMaps { uids, gids, writer, setgroups })
}

/// A joined user namespace has its maps already. Callers that name them again (containerd, CRI-O) are right only
/// if they name the same ones: other code takes decisions by what stands in the configuration.
fn same_maps(
    path: &Path,
    maps: &IdMaps,
    uids: Option<&[wire::IdMapping]>,
    gids: Option<&[wire::IdMapping]>,
) -> Result<(), ConfigError> {
    for (has, named) in [(&maps.uids, uids), (&maps.gids, gids)] {
        let has = has.iter().map(|line| [line.container, line.host, line.size]);
        let named = named.unwrap_or_default().iter();
        if !has.eq(named.map(|line| [line.container_id, line.host_id, line.size])) {
            return Err(ConfigError::new(
                "linux.uidMappings",
                format!(
                    "user namespaces enabled, but both namespace path and non-matching mapping specified -- you may only \
                     provide one: remove the mappings, the namespace {} brings its own",
                    path.display()
                ),
            ));
        }
    }
    Ok(())
}

fn time(linux: &wire::Linux, namespaces: &mut Namespaces) -> Result<(), ConfigError> {
    let Some(offsets) = &linux.time_offsets else { return Ok(()) };
    match &namespaces.time {
        NamespaceSource::New => {}
        NamespaceSource::Host => {
            return Err(ConfigError::new(
                "linux.timeOffsets",
                "time namespace offsets specified, but time namespace isn't enabled in the config",
            ));
        }
        NamespaceSource::Join(_) => {
            return Err(ConfigError::new(
                "linux.timeOffsets",
                "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one",
            ));
        }
    }
    for (clock, offset) in offsets {
        let field = format!("linux.timeOffsets.{clock}");
        if offset.nanosecs > 999_999_999 {
            return Err(ConfigError::new(
                format!("{field}.nanosecs"),
                format!("{} is more than 999999999: put whole seconds into secs", offset.nanosecs),
            ));
        }
        let value = Some(ClockOffset { secs: offset.secs, nanosecs: offset.nanosecs });
        match clock.as_str() {
            "monotonic" => namespaces.monotonic_offset = value,
            "boottime" => namespaces.boottime_offset = value,
            _ => {
                return Err(ConfigError::new(
                    field,
                    "unknown clock: the kernel shifts monotonic and boottime",
                ));
            }
        }
    }
    Ok(())
}
