//! What a walk through all files finds: programs that give rights, files that everybody may write, secrets.

use cofferdam_kernel::capability::CapSet;
use serde::Serialize;

use crate::control::{Evidence, Judgement, Verdict};
use crate::fact::Unknown;
use crate::secret::{is_secret_value, secret_by_path};
use crate::tree::{FileKind, Seen, Tree, Walked};

/// Of each kind so many are kept; a hostile tree has any number.
const MOST_FINDS: usize = 1000;
/// More files are not walked through.
const MOST_FILES: usize = 2_000_000;
/// Larger files are not searched for secrets.
const MOST_SEARCHED: usize = 64 << 10;

/// A file with what is remarkable about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its path.
    pub path: String,
    /// Its mode: `0o7777` at most.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// What it is, or is for.
    pub what: String,
}

/// What the walk was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What gives rights: programs and what everybody may write.
    Rights,
    /// Secrets too.
    Everything,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Survey {
    /// How many files were seen.
    pub files: usize,
    /// Why not all were seen; empty when they were.
    pub gaps: Vec<String>,
    /// Programs that run as their owner or group.
    pub set_id: Vec<Found>,
    /// Programs that have capabilities by themselves (capabilities(7)).
    pub capable: Vec<Found>,
    /// Files that everybody may write, and folders in which everybody may remove what is not theirs.
    pub open: Vec<Found>,
    /// Device nodes outside of /dev.
    pub devices: Vec<Found>,
    /// Files that hold secrets.
    pub secrets: Vec<Found>,
}

impl Survey {
    /// Walks through these folders.
    pub(crate) fn of(tree: &Tree, roots: &[&str], purpose: Purpose) -> Self {
        let mut survey = Self::default();
        let mut walked = Walked::default();
        for root in roots {
            tree.walk(root, MOST_FILES, &mut walked, &mut |seen| survey.look(seen, purpose));
        }
        (survey.files, survey.gaps) = (walked.files, walked.gaps);
        survey
    }

    fn look(&mut self, seen: &Seen<'_>, purpose: Purpose) {
        let status = seen.status;
        let found =
            |what: String| Found { path: seen.path.to_owned(), mode: status.mode, uid: status.uid, what };
        let everybody = status.mode & 0o002 != 0;
        match status.kind {
            FileKind::File => {
                if status.mode & 0o6000 != 0 && status.mode & 0o111 != 0 {
                    keep(&mut self.set_id, found(set_id_words(status.mode, status.uid, status.gid)));
                }
                if status.mode & 0o111 != 0
                    && let Ok(Some(bytes)) = seen.capabilities()
                {
                    keep(&mut self.capable, found(capability_words(&bytes)));
                }
                if everybody {
                    keep(&mut self.open, found("everybody may write it".to_owned()));
                }
                if purpose == Purpose::Everything
                    && let Some(what) = secret(seen)
                {
                    keep(&mut self.secrets, found(what));
                }
            }
            FileKind::Folder if everybody && status.mode & 0o1000 == 0 => {
                keep(&mut self.open, found("everybody may remove what is in it".to_owned()));
            }
            FileKind::Device if !seen.path.starts_with("/dev/") => {
                keep(&mut self.devices, found("a device".to_owned()));
            }
            _ => {}
        }
    }
}

fn keep(list: &mut Vec<Found>, found: Found) {
    if list.len() < MOST_FINDS {
        list.push(found);
    }
}

fn set_id_words(mode: u32, uid: u32, gid: u32) -> String {
    match (mode & 0o4000 != 0, mode & 0o2000 != 0) {
        (true, true) => format!("runs as user {uid} and group {gid}"),
        (true, false) => format!("runs as user {uid}"),
        _ => format!("runs as group {gid}"),
    }
}

/// The capabilities in `security.capability`: `struct vfs_cap_data` of linux/capability.h, versions 1 to 3.
pub(crate) fn file_capabilities(bytes: &[u8]) -> Option<(CapSet, bool)> {
    const REVISIONS: std::ops::RangeInclusive<u32> = 1..=3;
    let word = |index: usize| -> Option<u32> {
        let bytes = bytes.get(index * 4..index * 4 + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let magic = word(0)?;
    let revision = magic >> 24;
    if !REVISIONS.contains(&revision) {
        return None;
    }
    let high = if revision == 1 { 0 } else { u64::from(word(3)?) };
    Some((CapSet::from_bits(u64::from(word(1)?) | high << 32), magic & 1 != 0))
}

fn capability_words(bytes: &[u8]) -> String {
    match file_capabilities(bytes) {
        Some((set, _)) => set.iter().map(|capability| capability.name()).collect::<Vec<_>>().join(" "),
        None => "capabilities in a form that is not known".to_owned(),
    }
}

/// A verdict on what a walk found: a pass only where it saw everything.
pub(crate) fn none_found(survey: &Survey, found: &[Found], otherwise: &str) -> Judgement {
    if found.is_empty() && !survey.gaps.is_empty() {
        return Err(Unknown(survey.gaps.join("; ")));
    }
    let seen = found.iter().map(|found| {
        Evidence::at(
            format!("{} (mode {:04o}): {}", found.path, found.mode, found.what),
            found.path.as_str(),
            None,
        )
    });
    Ok(Verdict::none_of(seen, otherwise))
}

/// What secret a file holds.
fn secret(seen: &Seen<'_>) -> Option<String> {
    if seen.status.size == 0 {
        return None;
    }
    let named = secret_by_path(seen.path);
    if named.is_none() && !is_searched(seen.path) {
        return None;
    }
    // What cannot be read, or is too long, is judged by its name alone.
    let text = seen.bytes(MOST_SEARCHED).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    secret_in(seen.path, text.as_deref())
}

/// What secret a file of this path and text holds.
pub(crate) fn secret_in(path: &str, text: Option<&str>) -> Option<String> {
    match (secret_by_path(path), text) {
        (Some(kind), Some(text)) => kind.is_in(text).then(|| kind.name.to_owned()),
        (Some(kind), None) => Some(kind.name.to_owned()),
        (None, Some(text)) if is_searched(path) => {
            let line = text.lines().find(|line| is_secret_value(line))?;
            Some(
                if line.contains("PRIVATE KEY") { "a private key" } else { "a token or an access key" }
                    .to_owned(),
            )
        }
        _ => None,
    }
}

/// Folders of the distribution, whose files nobody writes secrets into by hand, and which hold examples of keys.
fn is_searched(path: &str) -> bool {
    const DISTRIBUTIONS: [&str; 12] = [
        "/usr/",
        "/lib/",
        "/lib64/",
        "/bin/",
        "/sbin/",
        "/var/lib/",
        "/var/cache/",
        "/boot/",
        "/proc/",
        "/sys/",
        "/dev/",
        "/nix/",
    ];
    const OWN: [&str; 2] = ["/usr/local/", "/usr/src/"];
    OWN.iter().any(|folder| path.starts_with(folder))
        || !DISTRIBUTIONS.iter().any(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Archive;
    use crate::tree::tests_of_tapes::{Made, spool};

    #[test]
    fn a_walk_finds_what_gives_rights_and_what_is_secret() {
        let ping = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let mut archive = Archive::empty();
        archive
            .lay(&spool(&[
                Made::file("usr/bin/su", "x").mode(0o4755),
                Made::file("usr/bin/wall", "x").mode(0o2755),
                Made::file("usr/bin/ping", "x").mode(0o755).capabilities(ping),
                Made::file("etc/open", "x").mode(0o666),
                Made::folder("srv/drop").mode(0o777),
                Made::folder("tmp").mode(0o1777),
                Made::device("opt/disk"),
                Made::device("dev/sda"),
                Made::file("root/.ssh/id_ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----\n"),
                Made::file("app/config.yaml", "token: ghp_0123456789abcdefghij\n"),
                Made::file("usr/share/doc/x", "token: ghp_0123456789abcdefghij\n"),
            ]))
            .unwrap();
        let survey = Survey::of(&Tree::unmounted(archive), &["/"], Purpose::Everything);
        let paths = |list: &[Found]| list.iter().map(|found| found.path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(&survey.set_id), ["/usr/bin/su", "/usr/bin/wall"]);
        assert_eq!((survey.capable.len(), survey.capable[0].what.as_str()), (1, "CAP_NET_RAW"));
        assert_eq!(paths(&survey.open), ["/etc/open", "/srv/drop"]);
        assert_eq!(paths(&survey.devices), ["/opt/disk"]);
        assert_eq!(paths(&survey.secrets), ["/app/config.yaml", "/root/.ssh/id_ed25519"]);
        assert!(survey.gaps.is_empty());
    }

    #[test]
    fn capabilities_of_all_versions_and_of_none() {
        assert_eq!(
            file_capabilities(b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0").unwrap().0.bits(),
            1 << 13
        );
        assert_eq!(
            file_capabilities(b"\0\0\0\x01\x01\0\0\0\0\0\0\0").unwrap(),
            (CapSet::from_bits(1), false)
        );
        for bytes in [&b""[..], b"\x01\0\0\x09\0\0\0\0", b"\x01\0\0\x02\0"] {
            assert!(file_capabilities(bytes).is_none());
        }
    }
}
