//! The entries of a tar, with all that their headers and extended headers say; the bytes of files stay where they are.

use std::cmp::Ordering;
use std::io::{self, Read};

use tar::{EntryType, Header};

use super::{FileKind, FileStatus, Spool};

/// A name or an extended header is at most this long; the tar crate would read any length into memory.
const MOST_HEADER_BYTES: u64 = 1 << 20;

/// What an entry is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Folder,
    File(Spool),
    Sparse,
    Link(Vec<u8>),
    HardLink(Vec<u8>),
    Other,
}

/// An entry.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) path: Vec<u8>,
    pub(super) status: FileStatus,
    pub(super) kind: Kind,
    pub(super) capabilities: Option<Vec<u8>>,
}

/// What came before an entry and speaks of it.
#[derive(Debug, Default)]
struct Said {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    modified: Option<i64>,
    capabilities: Option<Vec<u8>>,
    sparse: bool,
}

/// All entries in order; after an error there are no more.
pub(super) fn entries(tar: &Spool) -> impl Iterator<Item = io::Result<Entry>> {
    Tape { tar: tar.clone(), at: 0, done: false }
}

struct Tape {
    tar: Spool,
    at: u64,
    done: bool,
}

const BLOCK: u64 = 512;

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

impl Iterator for Tape {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.entry().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

impl Tape {
    fn entry(&mut self) -> io::Result<Option<Entry>> {
        let mut said = Said::default();
        loop {
            let Some(header) = self.header()? else { return Ok(None) };
            let kind = header.entry_type();
            let size = match said.size {
                Some(size) if !is_about_the_next(kind) => size,
                _ => header.entry_size()?,
            };
            // Links and folders have no bytes, whatever their header says (POSIX, ustar).
            let size = match kind {
                EntryType::Link
                | EntryType::Symlink
                | EntryType::Directory
                | EntryType::Char
                | EntryType::Block
                | EntryType::Fifo => 0,
                _ => size,
            };
            let start = self.at;
            let padded = size.checked_next_multiple_of(BLOCK).and_then(|size| start.checked_add(size));
            self.at = padded
                .filter(|_| start + size <= self.tar.len())
                .ok_or_else(|| invalid("an entry ends after the archive"))?;
            let content = self.tar.piece(start, size);
            if !is_about_the_next(kind) {
                return Ok(Some(described(&header, said, content)?));
            }
            if kind == EntryType::XGlobalHeader {
                continue;
            }
            if size > MOST_HEADER_BYTES {
                return Err(invalid("a name or an extended header is larger than 1 MiB"));
            }
            let mut bytes = Vec::new();
            content.reader().read_to_end(&mut bytes)?;
            match kind {
                EntryType::GNULongName => said.path = Some(without_nul(bytes)),
                EntryType::GNULongLink => said.target = Some(without_nul(bytes)),
                _ => said.take_in(&bytes),
            }
        }
    }

    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        match self.at.cmp(&self.tar.len()) {
            Ordering::Less => {}
            Ordering::Equal => return Ok(None),
            Ordering::Greater => return Err(invalid("it ends in the middle of an entry")),
        }
        self.tar.read_exact_at(header.as_mut_bytes(), self.at)?;
        self.at += BLOCK;
        // Two blocks of zeroes end an archive; one does for us.
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sum = header.cksum().map_err(|_| invalid("a header has no checksum"))?;
        let own = header
            .as_bytes()
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) });
        if sum != own.sum::<u32>() {
            return Err(invalid("a header's checksum is wrong"));
        }
        Ok(Some(header))
    }
}

fn is_about_the_next(kind: EntryType) -> bool {
    matches!(
        kind,
        EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader
    )
}

fn without_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    bytes
}

impl Said {
    /// Takes in an extended header's records (pax(1)): `LENGTH NAME=VALUE\n`.
    fn take_in(&mut self, bytes: &[u8]) {
        for record in tar::PaxExtensions::new(bytes).filter_map(Result::ok) {
            let value = record.value_bytes();
            let number = || std::str::from_utf8(value).ok()?.split('.').next()?.parse::<i64>().ok();
            let natural = || number().and_then(|number| u64::try_from(number).ok());
            match record.key_bytes() {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.target = Some(value.to_vec()),
                b"size" => self.size = natural(),
                b"uid" => self.uid = natural(),
                b"gid" => self.gid = natural(),
                b"mtime" => self.modified = number(),
                b"SCHILY.xattr.security.capability" => self.capabilities = Some(value.to_vec()),
                key if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
        }
    }
}

fn described(header: &Header, said: Said, content: Spool) -> io::Result<Entry> {
    let mode = header.mode()?;
    let path = said.path.unwrap_or_else(|| header.path_bytes().into_owned());
    let target =
        || said.target.clone().or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
    let target = || target().ok_or_else(|| invalid("a link without a target"));
    let size = content.len();
    let (kind, seen) = match header.entry_type() {
        EntryType::Directory => (Kind::Folder, FileKind::Folder),
        // The old format marks folders by a slash at the end only.
        EntryType::Regular if path.ends_with(b"/") => (Kind::Folder, FileKind::Folder),
        EntryType::Regular | EntryType::Continuous if said.sparse => (Kind::Sparse, FileKind::File),
        EntryType::Regular | EntryType::Continuous => (Kind::File(content), FileKind::File),
        EntryType::GNUSparse => (Kind::Sparse, FileKind::File),
        EntryType::Symlink => (Kind::Link(target()?), FileKind::Link),
        EntryType::Link => (Kind::HardLink(target()?), FileKind::File),
        EntryType::Fifo => (Kind::Other, FileKind::Fifo),
        EntryType::Char | EntryType::Block => (Kind::Other, FileKind::Device),
        _ => (Kind::Other, FileKind::File),
    };
    let id = |said: Option<u64>, own: io::Result<u64>| -> io::Result<u32> {
        let id = said.map_or(own, Ok)?;
        u32::try_from(id).map_err(|_| invalid("a user or group that is none"))
    };
    let status = FileStatus {
        kind: seen,
        mode: mode & 0o7777,
        uid: id(said.uid, header.uid())?,
        gid: id(said.gid, header.gid())?,
        size,
        modified: said
            .modified
            .unwrap_or_else(|| header.mtime().ok().and_then(|time| i64::try_from(time).ok()).unwrap_or(0)),
        device: 0,
    };
    Ok(Entry { path, status, kind, capabilities: said.capabilities })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use super::*;

    /// An entry to make.
    #[derive(Clone)]
    pub(crate) struct Made {
        path: String,
        kind: EntryType,
        text: String,
        mode: u32,
        xattr: Option<Vec<u8>>,
        modified: u64,
    }

    impl Made {
        fn new(kind: EntryType, path: &str, text: &str, mode: u32) -> Self {
            Self { path: path.into(), kind, text: text.into(), mode, xattr: None, modified: 1_600_000_000 }
        }

        pub(crate) fn file(path: &str, text: &str) -> Self {
            Self::new(EntryType::Regular, path, text, 0o644)
        }

        pub(crate) fn folder(path: &str) -> Self {
            Self::new(EntryType::Directory, path, "", 0o755)
        }

        pub(crate) fn link(path: &str, target: &str) -> Self {
            Self::new(EntryType::Symlink, path, target, 0o777)
        }

        pub(crate) fn hard(path: &str, target: &str) -> Self {
            Self::new(EntryType::Link, path, target, 0o644)
        }

        pub(crate) fn device(path: &str) -> Self {
            Self::new(EntryType::Block, path, "", 0o660)
        }

        pub(crate) fn mode(self, mode: u32) -> Self {
            Self { mode, ..self }
        }

        pub(crate) fn capabilities(self, bytes: &[u8]) -> Self {
            Self { xattr: Some(bytes.to_vec()), ..self }
        }

        pub(crate) fn modified(self, modified: u64) -> Self {
            Self { modified, ..self }
        }
    }

    /// A tar of these entries.
    pub(crate) fn tar_of(entries: &[Made]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for Made { path, kind, text, mode, xattr, modified } in entries {
            if let Some(value) = xattr {
                let record = ("SCHILY.xattr.security.capability", value.as_slice());
                builder.append_pax_extensions([record]).unwrap();
            }
            let mut header = Header::new_gnu();
            // Not set_path, which refuses what leads out.
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(*mode);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(*modified);
            let data: &[u8] = match kind {
                EntryType::Symlink | EntryType::Link => {
                    header.as_gnu_mut().unwrap().linkname[..text.len()].copy_from_slice(text.as_bytes());
                    b""
                }
                _ => text.as_bytes(),
            };
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, data).unwrap();
        }
        builder.into_inner().unwrap()
    }

    /// Bytes as a file without a name.
    pub(crate) fn spool_of(bytes: &[u8]) -> Spool {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
        Spool::open(&path).unwrap()
    }

    pub(crate) fn spool(entries: &[Made]) -> Spool {
        spool_of(&tar_of(entries))
    }

    #[test]
    fn all_that_headers_say() {
        let long = format!("{}/{}", "d".repeat(60), "f".repeat(90));
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(2);
        header.set_mode(0o4755);
        header.set_uid(1);
        header.set_gid(2);
        header.set_mtime(3);
        builder.append_data(&mut header, &long, &b"hi"[..]).unwrap();
        let bytes = builder.into_inner().unwrap();
        let found: Vec<Entry> = entries(&spool_of(&bytes)).collect::<Result<_, _>>().unwrap();
        assert_eq!((found.len(), found[0].path.as_slice()), (1, long.as_bytes()));
        let status = found[0].status;
        assert_eq!((status.mode, status.uid, status.gid, status.modified, status.size), (0o4755, 1, 2, 3, 2));
        let value = b"\x01\0\0\x02\x20\0\0\0".to_vec();
        let with = spool(&[Made::file("ping", "x").capabilities(&value)]);
        assert_eq!(entries(&with).next().unwrap().unwrap().capabilities, Some(value));
    }

    #[test]
    fn what_is_damaged_is_an_error_and_ends() {
        let whole = tar_of(&[Made::file("a", "x"), Made::file("b", "y")]);
        let mut torn = whole.clone();
        torn[0] ^= 1;
        for bytes in [&whole[..700], &torn[..], &b"no tar"[..]] {
            let found: Vec<_> = entries(&spool_of(bytes)).take(10).collect();
            assert!(found.iter().any(Result::is_err) && found.len() < 3, "{found:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(flips in proptest::collection::vec((0usize..2560, proptest::num::u8::ANY), 0..12)) {
            let mut bytes = tar_of(&[Made::file("a", "x").capabilities(b"x"), Made::link("b", "c")]);
            for (at, byte) in flips {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            let _ = entries(&spool_of(&bytes)).count();
        }
    }
}
