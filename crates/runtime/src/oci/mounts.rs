//! `mounts`, `maskedPaths` and `readonlyPaths`.

use std::path::Path;

use cofferdam_confinement::{IdMapping, Mount, MountFlags, MountIdMap, MountKind, Propagation};
use cofferdam_names::ContainerPath;
use cofferdam_wire_oci as wire;

use super::error::{ConfigError, at};
use super::mount_option::{IdMapWord, Options};

/// What a mount's validity depends on beside the mount itself.
pub(super) struct MountContext<'a> {
    /// The bundle's folder: relative sources start there.
    pub bundle: &'a Path,
    /// The folder of the container's root, on the host.
    pub root: &'a Path,
    /// Whether the container has a user namespace, new or joined.
    pub user_namespace: bool,
    /// Whether the caller has no privileges over the host.
    pub rootless: bool,
    /// `linux.mountLabel`.
    pub label: &'a str,
}

/// Converts all mounts, in their order.
pub(super) fn mounts(
    mounts: &[wire::Mount],
    context: &MountContext<'_>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Mount>, ConfigError> {
    mounts
        .iter()
        .enumerate()
        .map(|(index, wire)| mount(&format!("mounts[{index}]"), wire, context, warnings))
        .collect()
}

fn mount(
    field: &str,
    wire: &wire::Mount,
    context: &MountContext<'_>,
    warnings: &mut Vec<String>,
) -> Result<Mount, ConfigError> {
    for (name, text) in [("source", &wire.source), ("type", &wire.kind)] {
        no_nul(&format!("{field}.{name}"), text)?;
    }
    for (index, word) in wire.options.iter().enumerate() {
        no_nul(&format!("{field}.options[{index}]"), word)?;
    }
    let target = destination(field, &wire.destination, context.root, warnings)?;
    let options = Options::parse(&wire.options);
    let bind = options.bind || wire.kind == "bind";
    let id_map = id_map(field, wire, bind, options.id_map, context)?;
    let kind = if options.remount && !bind {
        refuse_data(field, &options, "a remount changes attributes of one mount")?;
        MountKind::Remount
    } else if bind {
        refuse_data(field, &options, "bind mounts cannot have any filesystem-specific options applied")?;
        MountKind::Bind {
            source: bind_source(field, wire, context.bundle)?,
            resolved: false,
            recursive: options.recursive,
            id_map,
        }
    } else if wire.kind == "cgroup" {
        refuse_data(
            field,
            &options,
            "the container's own view of its cgroup takes no option of a file system",
        )?;
        MountKind::Cgroup
    } else {
        filesystem(field, wire, &options, context.label)?
    };
    let (flags, recursive_flags) = (options.flags, options.recursive_flags);
    if recursive_flags != MountFlags::KEEP && matches!(kind, MountKind::Cgroup | MountKind::Remount) {
        return Err(ConfigError::new(
            format!("{field}.options"),
            "options for the mounts below (rro, rnosuid, ...) need a bind mount or a file system",
        ));
    }
    Ok(Mount { target, kind, flags, recursive_flags, propagation: propagation(options.propagation) })
}

/// A repeated word says no more than one.
fn propagation(mut words: Vec<Propagation>) -> Vec<Propagation> {
    words.dedup();
    words
}

fn filesystem(
    field: &str,
    wire: &wire::Mount,
    options: &Options,
    label: &str,
) -> Result<MountKind, ConfigError> {
    if wire.kind.is_empty() {
        return Err(ConfigError::new(
            format!("{field}.type"),
            "missing: name a file system such as tmpfs, or give the option bind or rbind",
        ));
    }
    if options.copy_up && wire.kind != "tmpfs" {
        return Err(ConfigError::new(
            format!("{field}.options"),
            format!("tmpcopyup needs the type tmpfs, and this is {:?}", wire.kind),
        ));
    }
    let mut data: Vec<String> = options.superblock.iter().map(|flag| (*flag).to_owned()).collect();
    data.extend(options.data.iter().flat_map(|word| word.split(',')).map(str::to_owned));
    data.retain(|word| !word.is_empty());
    // The kernel labels the inodes of these four itself and refuses a label for the whole.
    if !label.is_empty() && !["proc", "sysfs", "mqueue", "cgroup2"].contains(&wire.kind.as_str()) {
        data.push(format!("context={label}"));
    }
    let source = if wire.source.is_empty() { wire.kind.clone() } else { wire.source.clone() };
    Ok(MountKind::Filesystem { fstype: wire.kind.clone(), source, options: data, copy_up: options.copy_up })
}

fn bind_source(field: &str, wire: &wire::Mount, bundle: &Path) -> Result<std::path::PathBuf, ConfigError> {
    if wire.source.is_empty() {
        return Err(ConfigError::new(
            format!("{field}.source"),
            "missing: a bind mount names the file or folder of the host that it shows",
        ));
    }
    Ok(bundle.join(&wire.source))
}

fn refuse_data(field: &str, options: &Options, why: &str) -> Result<(), ConfigError> {
    let unusable = options.data.iter().find(|word| !word.is_empty()).map(String::as_str);
    let flag = options.superblock.first().copied();
    match unusable.or(flag).or(options.copy_up.then_some("tmpcopyup")) {
        Some(word) => Err(ConfigError::new(format!("{field}.options"), format!("{why}: remove {word:?}"))),
        None => Ok(()),
    }
}

fn destination(
    field: &str,
    text: &str,
    root: &Path,
    warnings: &mut Vec<String>,
) -> Result<ContainerPath, ConfigError> {
    let field = format!("{field}.destination");
    if text.is_empty() {
        return Err(ConfigError::new(field, "missing: it is the absolute path inside the container"));
    }
    // As runc does, for callers that name the place on the host.
    if let Some(inside) = Path::new(text).strip_prefix(root).ok().and_then(Path::to_str) {
        return format!("/{inside}").parse().map_err(at(field));
    }
    if text.starts_with('/') {
        return text.parse().map_err(at(field));
    }
    warnings.push(format!(
        "{field}: {text:?} is relative, which OCI deprecates; it is taken from the container's root"
    ));
    format!("/{text}").parse().map_err(at(field))
}

fn id_map(
    field: &str,
    wire: &wire::Mount,
    bind: bool,
    word: Option<IdMapWord>,
    context: &MountContext<'_>,
) -> Result<MountIdMap, ConfigError> {
    let mapped = wire.uid_mappings.is_some() || wire.gid_mappings.is_some();
    if word.is_none() && !mapped {
        return Ok(MountIdMap::None);
    }
    let place = if mapped { format!("{field}.uidMappings") } else { format!("{field}.options") };
    if !bind {
        return Err(ConfigError::new(place, "id-mapped mounts are only supported for bind-mounts"));
    }
    if context.rootless {
        return Err(ConfigError::new(
            place,
            "id-mapped mounts are not supported for rootless containers: the kernel asks for privileges over the file system",
        ));
    }
    let recursive = word == Some(IdMapWord::Recursive);
    if !mapped {
        return if context.user_namespace {
            Ok(MountIdMap::Container { recursive })
        } else {
            Err(ConfigError::new(
                place,
                "id-mapped mounts must have both uid and gid mappings specified, or the container a user namespace whose mappings they take",
            ))
        };
    }
    match (wire.uid_mappings.as_deref(), wire.gid_mappings.as_deref()) {
        (Some(uids @ [_, ..]), Some(gids @ [_, ..])) => Ok(MountIdMap::Own {
            uids: id_lines(&format!("{field}.uidMappings"), uids)?,
            gids: id_lines(&format!("{field}.gidMappings"), gids)?,
            recursive,
        }),
        _ => Err(ConfigError::new(place, "id-mapped mounts must have both uid and gid mappings specified")),
    }
}

/// The most lines that a map can have (user_namespaces(7)).
const MAX_ID_LINES: usize = 340;

/// Converts the lines of an id map: each covers at least one id, and no id is covered twice on either side.
pub(super) fn id_lines(field: &str, lines: &[wire::IdMapping]) -> Result<Vec<IdMapping>, ConfigError> {
    if lines.len() > MAX_ID_LINES {
        return Err(ConfigError::new(
            field,
            format!("{} lines: the kernel takes at most {MAX_ID_LINES}", lines.len()),
        ));
    }
    for (index, line) in lines.iter().enumerate() {
        let field = || format!("{field}[{index}]");
        if line.size == 0 {
            return Err(ConfigError::new(field(), "size 0: a line maps at least one id"));
        }
        let last = |first: u32| u64::from(first) + u64::from(line.size) - 1;
        // The last id, 2^32 - 1, means "no change" to the kernel and cannot be mapped.
        if last(line.container_id).max(last(line.host_id)) >= u64::from(u32::MAX) {
            return Err(ConfigError::new(field(), "the range runs past the last id, 4294967294"));
        }
        for (other_index, other) in lines.iter().enumerate().take(index) {
            let meets = |a: u32, b: u32| {
                u64::from(a) < u64::from(b) + u64::from(other.size)
                    && u64::from(b) < u64::from(a) + u64::from(line.size)
            };
            if meets(line.container_id, other.container_id) || meets(line.host_id, other.host_id) {
                return Err(ConfigError::new(
                    field(),
                    format!("the range overlaps that of line {other_index}"),
                ));
            }
        }
    }
    Ok(lines
        .iter()
        .map(|line| IdMapping { container: line.container_id, host: line.host_id, size: line.size })
        .collect())
}

/// Converts a list of container paths (`maskedPaths`, `readonlyPaths`).
pub(super) fn paths(field: &str, paths: &[String]) -> Result<Vec<ContainerPath>, ConfigError> {
    paths
        .iter()
        .enumerate()
        .map(|(index, path)| path.parse().map_err(at(format!("{field}[{index}]"))))
        .collect()
}

pub(super) fn no_nul(field: &str, text: &str) -> Result<(), ConfigError> {
    if text.contains('\0') { Err(ConfigError::new(field, "it holds a NUL byte")) } else { Ok(()) }
}
