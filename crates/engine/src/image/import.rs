//! `image import`: a folder or a tar becomes an image.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use cofferdam_names::Timestamp;
use cofferdam_policy::{HOST_IMAGE, ImageConfig};
use cofferdam_shim::Event;
use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use super::claim::Claim;
use crate::Engine;
use crate::create::new_id;
use crate::engine::make_private_folder;
use crate::error::{Error, Result};
use crate::removal::remove_tree;
use crate::store::ImageRecord;
use cofferdam_image::tree::owners::Owners;
use cofferdam_image::tree::walk::Walk;
use cofferdam_image::tree::writer::TreeWriter;
use cofferdam_image::tree::{LeftOut, archive};

/// Where an image comes from.
pub enum ImportSource<'a> {
    /// A folder that holds a root file system. Other file systems that are mounted in it are left out.
    Folder(&'a Path),
    /// A tar of one, as it is or compressed with gzip, zstd or xz.
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

/// What the name of a folder begins with that an import is filling.
pub(super) const IMPORTING: &str = ".importing-";

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
        self.clean_images()?;
        let images = self.paths.images();
        make_private_folder(&images)?;
        let id = new_id()?.to_string();
        let folder = images.join(&id);
        let unfinished = images.join(format!("{IMPORTING}{id}"));
        make_private_folder(&unfinished)?;
        // Held until the image has its name: until then nothing but this says that the folder belongs to anything.
        let _claim = Claim::take(&unfinished).map_err(failed)?;
        let imported =
            self.fill(source, &unfinished, &folder).map_err(failed).and_then(|(size, left_out)| {
                let created = Timestamp::from(SystemTime::now());
                let config = serde_json::to_string(config).map_err(|error| failed(error.into()))?;
                let record = ImageRecord { name: name.to_owned(), id: id.clone(), created, size, config };
                let orphan = self.store.put_image(&record)?;
                Ok((Imported { image: summary(record), left_out: left_out.nodes }, orphan))
            });
        let (imported, orphan) = match imported {
            Ok(imported) => imported,
            Err(error) => {
                remove_tree(&unfinished)?;
                remove_tree(&folder)?;
                return Err(error);
            }
        };
        if let Some(orphan) = orphan
            && !self.store.image_in_use(&orphan)?
        {
            remove_tree(&images.join(orphan))?;
        }
        self.tell_of_image("import", name);
        Ok(imported)
    }

    /// Writes the files beside their place, and gives them their place when all are there.
    fn fill(&self, source: ImportSource<'_>, unfinished: &Path, folder: &Path) -> io::Result<(u64, LeftOut)> {
        let root = unfinished.join("root");
        std::fs::create_dir(&root)?;
        let written = write(&root, source)?;
        // After a power cut the name must not stand for empty files.
        rustix::fs::syncfs(std::fs::File::open(unfinished)?)?;
        std::fs::rename(unfinished, folder)?;
        Ok(written)
    }

    pub(super) fn tell_of_image(&self, action: &str, name: &str) {
        let attributes = BTreeMap::from([("name".to_owned(), name.to_owned())]);
        // What happened has happened: a full disk does not undo it.
        let _ = Event::now("image", action, name, attributes).append(&self.paths.events());
    }
}

pub(super) fn summary(record: ImageRecord) -> ImageSummary {
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

/// Writes all files; answers their bytes and what was left out.
fn write(root: &Path, source: ImportSource<'_>) -> io::Result<(u64, LeftOut)> {
    // An ordinary user cannot give files away.
    let owners = if rustix::process::geteuid().is_root() { Owners::Same } else { Owners::Writers };
    let mut writer = TreeWriter::at_path(root, owners)?;
    std::fs::set_permissions(root, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    let left_out = match source {
        ImportSource::Folder(folder) => {
            // The folder itself may be named by a link.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = rustix::fs::open(folder, flags, Mode::empty())?;
            Walk { one_file_system: true, ..Walk::default() }.folder(&folder, Path::new(""), &mut writer)?
        }
        ImportSource::Tar(stream) => archive::unpack(stream, &mut writer)?,
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

#[cfg(test)]
mod tests {
    use tar::EntryType;

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
    fn unpacked(entries: &[(tar::Header, &[u8])]) -> (tempfile::TempDir, io::Result<(u64, LeftOut)>) {
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
        assert_eq!(result.unwrap(), (7, LeftOut { nodes: 1 }));
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
