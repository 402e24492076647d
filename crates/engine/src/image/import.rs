//! `image import`: a folder or a tar becomes an image.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cofferdam_names::Timestamp;
use cofferdam_policy::{HOST_IMAGE, ImageConfig};
use cofferdam_shim::Event;
use serde::Serialize;
use tar::{Archive, EntryType};

use super::tree_writer::{Attributes, TreeWriter};
use crate::Engine;
use crate::create::new_id;
use crate::engine::make_private_folder;
use crate::error::{Error, Result};
use crate::removal::remove_tree;
use crate::store::{ImageRecord, ImageRemoval};

/// Where an image comes from.
pub enum ImportSource<'a> {
    /// A folder that holds a root file system. Other file systems that are mounted in it are left out.
    Folder(&'a Path),
    /// A tar of one, not compressed.
    Tar(&'a mut dyn Read),
}

impl std::fmt::Debug for ImportSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
            Self::Tar(_) => f.write_str("Tar"),
        }
    }
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageSummary {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// When it was imported.
    pub created: Timestamp,
    /// Bytes of its files.
    pub size: u64,
}

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// The image.
    pub image: ImageSummary,
    /// Device nodes, pipes and sockets that were left out: a container gets its devices from its plan.
    pub left_out: u64,
}

impl Engine {
    /// Makes an image of a root file system. A name that another image had moves to the new one.
    ///
    /// # Errors
    /// The name cannot be one of an image, or the source is none, or leads out of itself; then nothing is left.
    pub fn import_image(
        &self,
        source: ImportSource<'_>,
        name: &str,
        config: &ImageConfig,
    ) -> Result<Imported> {
        let failed = |error| Error::io("import", format!("image {name}"), error);
        check_name(name).map_err(failed)?;
        let images = self.paths.state().join("images");
        make_private_folder(&images)?;
        let id = new_id()?.to_string();
        let unfinished = images.join(format!(".importing-{id}"));
        let root = unfinished.join("root");
        make_private_folder(&root)?;
        let written = write(&root, source).map_err(failed).and_then(|written| {
            let folder = images.join(&id);
            std::fs::rename(&unfinished, &folder).map_err(failed)?;
            Ok(written)
        });
        let (size, left_out) = match written {
            Ok(written) => written,
            Err(error) => {
                remove_tree(&unfinished)?;
                return Err(error);
            }
        };
        let created = Timestamp::from(SystemTime::now());
        let config = serde_json::to_string(config).map_err(|error| failed(error.into()))?;
        let record = ImageRecord { name: name.to_owned(), id: id.clone(), created, size, config };
        let orphan = self.with_store(|store| Ok(store.put_image(&record)?))?;
        if let Some(orphan) = orphan
            && !self.with_store(|store| Ok(store.image_in_use(&orphan)?))?
        {
            remove_tree(&images.join(orphan))?;
        }
        self.tell_of_image("import", name);
        Ok(Imported { image: summary(record), left_out })
    }

    /// All imported images, by name.
    ///
    /// # Errors
    /// The definitions cannot be read.
    pub fn images(&self) -> Result<Vec<ImageSummary>> {
        Ok(self.with_store(|store| Ok(store.images()?))?.into_iter().map(summary).collect())
    }

    /// Takes a name away, and the image with its last one.
    ///
    /// # Errors
    /// There is none of this name, or a container uses it.
    pub fn remove_image(&self, name: &str) -> Result<()> {
        match self.with_store(|store| Ok(store.delete_image(name)?))? {
            ImageRemoval::Missing => return Err(Error::NoImage { name: name.to_owned() }),
            ImageRemoval::InUse(user) => {
                let user = user.get(..12).unwrap_or(&user);
                let why = io::Error::other(format!("container {user} uses it"));
                return Err(Error::io("remove", format!("image {name}"), why));
            }
            ImageRemoval::Untagged => {}
            ImageRemoval::Last(id) => remove_tree(&self.paths.state().join("images").join(id))?,
        }
        self.tell_of_image("delete", name);
        Ok(())
    }

    fn tell_of_image(&self, action: &str, name: &str) {
        let attributes = BTreeMap::from([("name".to_owned(), name.to_owned())]);
        // What happened has happened: a full disk does not undo it.
        let _ = Event::now("image", action, name, attributes).append(&self.events_path());
    }
}

fn summary(record: ImageRecord) -> ImageSummary {
    let ImageRecord { name, id, created, size, .. } = record;
    ImageSummary { name, id, created, size }
}

/// Docker's names of images, more or less: letters, digits and `._-/:@`, and not the built-in one.
fn check_name(name: &str) -> io::Result<()> {
    let refuse = |rule: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, rule.to_owned()));
    if name == HOST_IMAGE {
        return refuse("this name is built in: it means the host's own programs");
    }
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
    if name.len() > 255 || !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return refuse("a name has 1 to 255 characters and begins with a letter or a digit");
    }
    if name.bytes().all(good) { Ok(()) } else { refuse("a name has only letters, digits and ._-/:@") }
}

/// Writes all files; answers their bytes and how many were left out.
fn write(root: &Path, source: ImportSource<'_>) -> io::Result<(u64, u64)> {
    let mut writer = TreeWriter::new(root)?;
    let left_out = match source {
        ImportSource::Folder(folder) => copy_folder(&mut writer, folder)?,
        ImportSource::Tar(stream) => unpack(&mut writer, stream)?,
    };
    let bytes = writer.bytes();
    writer.finish()?;
    // An archive without an entry for its root has the folder as it was made, for its owner alone.
    let mode = std::fs::metadata(root)?.mode() & 0o7777;
    if mode == 0o700 {
        std::fs::set_permissions(root, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    Ok((bytes, left_out))
}

fn unpack(writer: &mut TreeWriter, stream: &mut dyn Read) -> io::Result<u64> {
    let mut head = [0u8; 6];
    let mut length = 0;
    while length < head.len() {
        match stream.read(&mut head[length..])? {
            0 => break,
            count => length += count,
        }
    }
    let head = &head[..length];
    for (magic, program) in [(&b"\x1f\x8b"[..], "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ", "xz")] {
        if head.starts_with(magic) {
            let message = format!("the tar is compressed; give it as {program} -dc FILE | ... import - NAME");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
    }
    let mut archive = Archive::new(head.chain(stream));
    let (mut left_out, mut seen) = (0, false);
    for entry in archive.entries()? {
        let mut entry = entry?;
        seen = true;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(&entry.path_bytes()));
        let at = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let attributes = attributes(entry.header()).map_err(at)?;
        let target = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
        let target = || target.clone().ok_or_else(|| io::Error::other("a link without a target"));
        let done = match entry.header().entry_type() {
            EntryType::Directory => writer.folder(&path, attributes),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let size = entry.size();
                writer.file(&path, attributes, size, &mut entry)
            }
            EntryType::Symlink => target().and_then(|target| writer.link(&path, attributes, &target)),
            EntryType::Link => target()
                .and_then(|target| writer.hard_link(&path, Path::new(std::ffi::OsStr::from_bytes(&target)))),
            EntryType::XGlobalHeader => Ok(()),
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                left_out += 1;
                Ok(())
            }
            other => Err(io::Error::other(format!("an entry of kind {other:?}, which is not known"))),
        };
        done.map_err(at)?;
    }
    if seen {
        Ok(left_out)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it is no tar, or an empty one"))
    }
}

fn attributes(header: &tar::Header) -> io::Result<Attributes> {
    let id = |number: u64| u32::try_from(number).map_err(io::Error::other);
    Ok(Attributes {
        uid: id(header.uid()?)?,
        gid: id(header.gid()?)?,
        mode: header.mode()?,
        modified: i64::try_from(header.mtime()?).unwrap_or(0),
    })
}

fn copy_folder(writer: &mut TreeWriter, folder: &Path) -> io::Result<u64> {
    let device = std::fs::metadata(folder)?.dev();
    let mut names: BTreeMap<u64, PathBuf> = BTreeMap::new();
    let (mut left_out, mut todo) = (0, vec![PathBuf::new()]);
    while let Some(inner) = todo.pop() {
        let path = if inner.as_os_str().is_empty() { folder.to_owned() } else { folder.join(&inner) };
        let at = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        // The folder itself may be named by a link.
        let metadata = if inner.as_os_str().is_empty() { path.metadata() } else { path.symlink_metadata() };
        let metadata = metadata.map_err(at)?;
        let attributes = Attributes {
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.mode(),
            modified: metadata.mtime(),
        };
        let kind = metadata.file_type();
        let done = if kind.is_dir() {
            let mut inside = Vec::new();
            if metadata.dev() == device {
                for entry in std::fs::read_dir(&path).map_err(at)? {
                    inside.push(inner.join(entry.map_err(at)?.file_name()));
                }
            }
            todo.append(&mut inside);
            writer.folder(&inner, attributes)
        } else if kind.is_symlink() {
            std::fs::read_link(&path)
                .and_then(|target| writer.link(&inner, attributes, target.as_os_str().as_bytes()))
        } else if kind.is_file() {
            match names.get(&metadata.ino()).filter(|_| metadata.nlink() > 1) {
                Some(first) => writer.hard_link(&inner, first),
                None => {
                    names.insert(metadata.ino(), inner.clone());
                    let opened = std::fs::File::open(&path);
                    opened.and_then(|mut file| writer.file(&inner, attributes, metadata.len(), &mut file))
                }
            }
        } else {
            left_out += 1;
            Ok(())
        };
        done.map_err(at)?;
    }
    Ok(left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: EntryType, path: &str, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        // Written by hand: the crate's own setter refuses what a hostile archive holds.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
        header.set_gid(u64::from(rustix::process::getegid().as_raw()));
        header.set_mtime(1);
        header.set_cksum();
        header
    }

    fn linked(kind: EntryType, path: &str, target: &str) -> tar::Header {
        let mut header = header(kind, path, 0);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        header
    }

    /// Unpacks into `outer/root`.
    fn unpacked(entries: &[(tar::Header, &[u8])]) -> (tempfile::TempDir, io::Result<(u64, u64)>) {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let mut builder = tar::Builder::new(Vec::new());
        for (header, content) in entries {
            builder.append(header, *content).unwrap();
        }
        let bytes = builder.into_inner().unwrap();
        let result = write(&root, ImportSource::Tar(&mut bytes.as_slice()));
        (outer, result)
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        for path in ["../out", "/out", "a/../../out"] {
            let (outer, result) = unpacked(&[(header(EntryType::Regular, path, 1), b"x")]);
            assert!(result.is_err(), "{path}");
            assert!(!outer.path().join("out").exists());
        }
        let (_outer, result) =
            unpacked(&[(linked(EntryType::Link, "passwd", "../../../../../etc/passwd"), b"")]);
        assert!(result.is_err());
    }

    #[test]
    fn links_on_the_way_stay_inside_the_root() {
        let (outer, result) = unpacked(&[
            (linked(EntryType::Symlink, "up", "../../../../../../tmp"), b""),
            (header(EntryType::Regular, "up/cofferdam-e2-escape", 1), b"x"),
        ]);
        // Inside the root the link leads to /tmp of the root, which the archive does not have.
        assert!(result.is_err() || outer.path().join("root/tmp/cofferdam-e2-escape").exists());
        assert!(!Path::new("/tmp/cofferdam-e2-escape").exists());
    }

    #[test]
    fn a_link_is_replaced_and_not_written_through() {
        let (outer, result) = unpacked(&[
            (header(EntryType::Regular, "kept", 4), b"kept"),
            (linked(EntryType::Symlink, "link", "kept"), b""),
            (header(EntryType::Regular, "link", 3), b"new"),
            (linked(EntryType::Link, "second", "kept"), b""),
            (header(EntryType::Block, "disk", 0), b""),
        ]);
        assert_eq!(result.unwrap(), (7, 1));
        let read = |name: &str| std::fs::read_to_string(outer.path().join("root").join(name)).unwrap();
        assert_eq!(
            (read("kept"), read("link"), read("second")),
            ("kept".into(), "new".into(), "kept".into())
        );
        assert!(!outer.path().join("root/disk").exists());
    }

    #[test]
    fn what_is_no_tar_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [&b""[..], b"\x1f\x8b\x08", b"hello, world", &[7u8; 2000]] {
            assert!(write(folder.path(), ImportSource::Tar(&mut { bytes })).is_err());
        }
    }

    #[test]
    fn a_folder_is_copied_with_its_names_and_modes() {
        let from = tempfile::tempdir().unwrap();
        let to = tempfile::tempdir().unwrap();
        std::fs::create_dir(from.path().join("etc")).unwrap();
        std::fs::write(from.path().join("etc/a"), "a").unwrap();
        std::fs::hard_link(from.path().join("etc/a"), from.path().join("b")).unwrap();
        std::os::unix::fs::symlink("/etc/a", from.path().join("c")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o4711);
        std::fs::set_permissions(from.path().join("etc/a"), mode).unwrap();
        write(to.path(), ImportSource::Folder(from.path())).unwrap();
        let a = to.path().join("etc/a").metadata().unwrap();
        assert_eq!(a.mode() & 0o7777, 0o4711);
        assert_eq!(a.ino(), to.path().join("b").metadata().unwrap().ino());
        assert_eq!(std::fs::read_link(to.path().join("c")).unwrap(), Path::new("/etc/a"));
    }
}
