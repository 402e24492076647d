//! The sheet's part on files: root, mounts, device nodes.

use cofferdam_confinement::{
    AccessTime, Device, DeviceKind, Flag, Mount, MountFlags, MountIdMap, MountKind, Root, RootSource,
};

use super::{Sheet, yes};

pub(super) fn root(sheet: &mut Sheet, root: &Root) {
    let Root { source, readonly, propagation, pivot } = root;
    sheet.section("Root");
    match source {
        RootSource::Directory { path } => sheet.line("folder", path.display()),
        RootSource::Overlay { lower, stack, upper, work, mountpoint, id_mapped, volatile, userxattr } => {
            sheet.lines("read-only layers", lower.iter().map(|layer| layer.display().to_string()));
            if let Some(stack) = stack {
                sheet.line("shown as one by", stack.image.display());
            }
            sheet.line("writes go to", upper.display());
            sheet.line("work folder", work.display());
            sheet.line("mounted at", mountpoint.display());
            sheet.line("ids mapped", yes(*id_mapped));
            sheet.line("synced", yes(!volatile));
            sheet.line("user attributes", yes(*userxattr));
        }
    }
    sheet.line("writable", yes(!readonly));
    sheet.line("propagation", format!("{propagation:?}").to_lowercase());
    sheet.line("entered by", format!("{pivot:?}").to_lowercase());
}

pub(super) fn mounts(sheet: &mut Sheet, mounts: &[Mount]) {
    sheet.section("Mounts");
    for mount in mounts {
        let Mount { target, kind, flags, recursive_flags, propagation } = mount;
        let mut words = vec![source(kind)];
        words.extend(flag_words(flags, ""));
        words.extend(flag_words(recursive_flags, "r"));
        words.extend(propagation.iter().map(|way| format!("{way:?}").to_lowercase()));
        sheet.line(target.as_str(), words.join(" "));
    }
}

fn source(kind: &MountKind) -> String {
    match kind {
        MountKind::Bind { source, resolved: _, recursive, id_map } => {
            let ids = match id_map {
                MountIdMap::None => "ids as on the host",
                MountIdMap::Container { recursive: false } => "ids mapped",
                MountIdMap::Container { recursive: true } => "ids mapped, recursively",
                MountIdMap::Own { .. } => "ids mapped by maps of its own",
            };
            let below = if *recursive { "with mounts below" } else { "alone" };
            format!("from {} ({below}, {ids})", source.display())
        }
        MountKind::Filesystem { fstype, source, options, copy_up } => {
            let options =
                if options.is_empty() { String::new() } else { format!(" ({})", options.join(",")) };
            let copy = if *copy_up { " with the image's files" } else { "" };
            let name = if source == fstype { String::new() } else { format!(" {source:?}") };
            format!("{fstype}{name}{options}{copy}")
        }
        MountKind::Image { id, lower, stack: _, subpath, id_mapped } => {
            let part = subpath.as_ref().map_or_else(String::new, |path| format!("{} of ", path.display()));
            let ids = if *id_mapped { "mapped" } else { "as they are" };
            format!("{part}image {id} ({} layers, ids {ids})", lower.len())
        }
        MountKind::Cgroup => "its own part of the cgroup tree".to_owned(),
        other => format!("{other:?}"),
    }
}

fn flag_words(flags: &MountFlags, prefix: &str) -> Vec<String> {
    let MountFlags { readonly, nosuid, nodev, noexec, nosymfollow, nodiratime, access_time } = flags;
    let named = [
        (readonly, "ro", "rw"),
        (nosuid, "nosuid", "suid"),
        (nodev, "nodev", "dev"),
        (noexec, "noexec", "exec"),
        (nosymfollow, "nosymfollow", "symfollow"),
        (nodiratime, "nodiratime", "diratime"),
    ];
    let words = named.into_iter().filter_map(|(flag, set, clear)| match flag {
        Flag::Keep => None,
        Flag::Set => Some(format!("{prefix}{set}")),
        Flag::Clear => Some(format!("{prefix}{clear}")),
    });
    let access = access_time.map(|time| {
        let word = match time {
            AccessTime::Relatime => "relatime",
            AccessTime::Noatime => "noatime",
            AccessTime::Strictatime => "strictatime",
        };
        format!("{prefix}{word}")
    });
    words.chain(access).collect()
}

pub(super) fn devices(sheet: &mut Sheet, devices: &[Device]) {
    sheet.section("Devices");
    for device in devices {
        let Device { path, host_path, kind, major, minor, mode, uid, gid } = device;
        let letter = match kind {
            DeviceKind::Character => 'c',
            DeviceKind::Block => 'b',
            DeviceKind::Fifo => 'p',
        };
        let from = if path.as_str() == host_path.as_os_str() {
            String::new()
        } else {
            format!(" from {}", host_path.display())
        };
        sheet
            .line(path.as_str(), format!("{letter} {major}:{minor} mode {mode:04o} owner {uid}:{gid}{from}"));
    }
}
