//! `/proc/PID/mountinfo` (proc_pid_mountinfo(5)): the mounts that a process can reach from its root.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::parse::{ParseError, decimal, lines};

/// The optional fields: how mount events travel (mount_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerGroups {
    /// `shared:N`
    pub shared: Option<u64>,
    /// `master:N`
    pub master: Option<u64>,
    /// `propagate_from:N`
    pub propagate_from: Option<u64>,
    /// `unbindable`
    pub unbindable: bool,
}

impl PeerGroups {
    /// Whether events neither come in nor go out.
    #[must_use]
    pub const fn is_private(self) -> bool {
        self.shared.is_none() && self.master.is_none()
    }
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountEntry {
    /// Unique among the mounts that exist now (`stx_mnt_id` of statx(2)).
    pub id: u64,
    /// The mount it stands on.
    pub parent: u64,
    /// `st_dev` of its files: major and minor number.
    pub device: (u32, u32),
    /// Which folder or file of its file system is its root.
    pub root: PathBuf,
    /// Where it stands, as seen from the process's root.
    pub mount_point: PathBuf,
    /// Attributes of this mount: `rw`, `nosuid`, `relatime`, `idmapped`, ...
    pub options: Vec<String>,
    /// Its propagation.
    pub peers: PeerGroups,
    /// `tmpfs`, `overlay`, ...; with a subtype, `fuse.sshfs`.
    pub fstype: String,
    /// What was named as its source.
    pub source: OsString,
    /// Attributes of the file system behind it.
    pub super_options: String,
}

impl MountEntry {
    /// Whether this mount has the attribute.
    #[must_use]
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|have| have == option)
    }

    /// Whether the file system behind it has the attribute.
    #[must_use]
    pub fn super_has(&self, option: &str) -> bool {
        self.super_options.split(',').any(|have| have == option)
    }
}

/// Undoes the kernel's escapes: `\` and three octal digits, for white space, newline, `\` and `#`.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if let (b'\\', &[a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..]) = (first, tail) {
            out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = &tail[3..];
        } else {
            out.push(first);
        }
    }
    out
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(field)).into_owned()
}

fn path(field: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(unescape(field)))
}

fn parse_optional(field: &[u8], peers: &mut PeerGroups) -> Result<(), ParseError> {
    let (key, value) = match field.iter().position(|byte| *byte == b':') {
        Some(colon) => (&field[..colon], Some(&field[colon + 1..])),
        None => (field, None),
    };
    match (key, value) {
        (b"shared", Some(group)) => peers.shared = Some(decimal("peer group", group)?),
        (b"master", Some(group)) => peers.master = Some(decimal("peer group", group)?),
        (b"propagate_from", Some(group)) => peers.propagate_from = Some(decimal("peer group", group)?),
        (b"unbindable", None) => peers.unbindable = true,
        // proc_pid_mountinfo(5): "Parsers should ignore all unrecognized optional fields."
        _ => {}
    }
    Ok(())
}

fn parse_line(line: &[u8]) -> Result<MountEntry, ParseError> {
    // Not `words`: a source may be an empty field, between two spaces.
    let mut fields = line.split(|byte| *byte == b' ');
    let mut next = || fields.next().ok_or_else(|| ParseError::new("mountinfo line", line));
    let id = decimal("mount id", next()?)?;
    let parent = decimal("mount id", next()?)?;
    let device = next()?;
    let colon = device
        .iter()
        .position(|byte| *byte == b':')
        .ok_or_else(|| ParseError::new("device number", device))?;
    let device =
        (decimal("device number", &device[..colon])?, decimal("device number", &device[colon + 1..])?);
    let root = path(next()?);
    let mount_point = path(next()?);
    let options = text(next()?).split(',').map(str::to_owned).collect();
    let mut peers = PeerGroups::default();
    loop {
        match next()? {
            b"-" => break,
            field => parse_optional(field, &mut peers)?,
        }
    }
    let fstype = text(next()?);
    let source = OsString::from_vec(unescape(next()?));
    let super_options = text(next()?);
    Ok(MountEntry { id, parent, device, root, mount_point, options, peers, fstype, source, super_options })
}

/// Reads the file's text: the mounts in the kernel's order, a mount after the one it stands on.
pub fn parse_mountinfo(bytes: &[u8]) -> Result<Vec<MountEntry>, ParseError> {
    lines(bytes).map(parse_line).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_optional_fields_and_escapes() {
        let text = b"36 35 98:0 /mnt\\0401 /mnt\\134\\0112 rw,noatime master:1 shared:7 new:9 - ext3 /dev/root rw,errors=continue\n\
            37 36 0:5 / /x ro,nosuid,nodev unbindable - tmpfs  ro\n";
        let mounts = parse_mountinfo(text).unwrap();
        assert_eq!((mounts[0].id, mounts[0].parent, mounts[0].device), (36, 35, (98, 0)));
        assert_eq!(mounts[0].root, Path::new("/mnt 1"));
        assert_eq!(mounts[0].mount_point, Path::new("/mnt\\\t2"));
        assert_eq!((mounts[0].peers.master, mounts[0].peers.shared), (Some(1), Some(7)));
        assert!(mounts[0].has("noatime") && mounts[0].super_has("errors=continue"));
        assert!(mounts[1].peers.unbindable && mounts[1].peers.is_private());
        assert_eq!((mounts[1].source.len(), mounts[1].super_options.as_str()), (0, "ro"));
    }

    #[test]
    fn a_line_that_ends_early_is_refused() {
        let line = "36 35 98:0 / / rw - ext3 /dev/root rw";
        assert!(parse_mountinfo(line.as_bytes()).is_ok());
        for end in line.match_indices(' ').map(|(at, _)| at) {
            assert!(parse_mountinfo(&line.as_bytes()[..end]).is_err(), "{}", &line[..end]);
        }
    }

    #[test]
    fn a_backslash_that_is_no_escape_stays() {
        assert_eq!(unescape(b"a\\9\\40"), b"a\\9\\40");
        assert_eq!(unescape(b"\\777"), b"\\777");
    }

    #[test]
    fn reads_this_processs_own() {
        let mounts = parse_mountinfo(&std::fs::read("/proc/self/mountinfo").unwrap()).unwrap();
        assert!(mounts.iter().any(|mount| mount.fstype == "proc" && mount.mount_point == Path::new("/proc")));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_mountinfo(&bytes);
        }

        #[test]
        fn never_panics_on_almost_lines(text in "([0-9]{1,3}[ :/a\\\\-]{1,3}){0,20}\n?") {
            let _ = parse_mountinfo(text.as_bytes());
        }

        #[test]
        fn escapes_are_undone(name in prop::collection::vec(1u8.., 0..40)) {
            let escaped: Vec<u8> = name.iter().flat_map(|byte| match byte {
                b' ' | b'\t' | b'\n' | b'\\' | b'#' => format!("\\{byte:03o}").into_bytes(),
                _ => vec![*byte],
            }).collect();
            prop_assert_eq!(unescape(&escaped), name);
        }
    }
}
