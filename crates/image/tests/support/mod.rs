//! Tars and stores for tests.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "tests: a failed unwrap is a failed test, and each uses a part"
)]

use std::path::{Path, PathBuf};

use cofferdam_image::{Layer, LayerError, LayerForm, LayerRecord, Limits, Store, digest_of, open_layer};
use cofferdam_names::Digest;
use tar::EntryType;

pub(crate) fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("images")).unwrap();
    (folder, store.with_form(form()))
}

/// The same tests run on layers of both forms: those of the programs `*_image` on images.
pub(crate) fn form() -> LayerForm {
    if env!("CARGO_CRATE_NAME").ends_with("_image") { LayerForm::Best } else { LayerForm::Folder }
}

/// A layer whose files can be looked at by paths.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) files: PathBuf,
    pub(crate) diff_id: Digest,
    pub(crate) record: LayerRecord,
    mounted: Option<tempfile::TempDir>,
}

pub(crate) fn see(layer: Layer) -> Seen {
    let Layer { diff_id, files, record } = layer;
    if files.is_dir() {
        return Seen { files, diff_id, record, mounted: None };
    }
    let at = tempfile::tempdir().unwrap();
    attach(&files, at.path());
    Seen { files: at.path().to_owned(), diff_id, record, mounted: Some(at) }
}

/// Mounts a layer's image.
pub(crate) fn attach(image: &Path, at: &Path) {
    let source = image.to_str().unwrap();
    let attributes = cofferdam_kernel::mount::Attributes::NONE;
    let mount = cofferdam_kernel::mount::new_filesystem("erofs", source, [], attributes).unwrap();
    cofferdam_kernel::mount::attach_at_path(mount, at).unwrap();
}

impl Drop for Seen {
    fn drop(&mut self) {
        if let Some(at) = &self.mounted {
            rustix::mount::unmount(at.path(), rustix::mount::UnmountFlags::DETACH).unwrap();
        }
    }
}

/// A tar that is written by hand: the crate's own setters refuse what a hostile archive holds.
#[derive(Default)]
pub(crate) struct Tar(Vec<u8>);

impl Tar {
    pub(crate) fn entry(self, kind: EntryType, path: &str, link: &str, content: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
        header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
        header.set_gid(u64::from(rustix::process::getegid().as_raw()));
        header.set_mtime(1_700_000_000);
        self.header(header, content)
    }

    pub(crate) fn header(mut self, mut header: tar::Header, content: &[u8]) -> Self {
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        self.entry(EntryType::Regular, path, "", content.as_bytes())
    }

    pub(crate) fn folder(self, path: &str) -> Self {
        self.entry(EntryType::Directory, path, "", b"")
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, target, b"")
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Link, path, target, b"")
    }

    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut text = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + rest.to_string().len();
            if length.to_string().len() != rest.to_string().len() {
                length += 1;
            }
            text.extend(format!("{length} {key}=").as_bytes());
            text.extend(*value);
            text.push(b'\n');
        }
        self.entry(EntryType::XHeader, "pax", "", &text)
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

/// Unpacks a tar that says itself what its digest is.
pub(crate) fn unpack(store: &Store, tar: &[u8]) -> Result<Seen, LayerError> {
    unpack_as(store, tar, &digest_of(tar), Limits::default())
}

pub(crate) fn unpack_as(
    store: &Store,
    tar: &[u8],
    diff_id: &Digest,
    limits: Limits,
) -> Result<Seen, LayerError> {
    let lease = store.lease().unwrap();
    Ok(see(lease.unpack(diff_id, &mut { tar }, limits)?.layer()))
}

/// Opens layers as the lower ones of an overlay.
pub(crate) fn opened(lower: &[PathBuf]) -> Vec<std::os::fd::OwnedFd> {
    let attributes = cofferdam_kernel::mount::Attributes::NONE;
    let open = |path: &PathBuf| match path.is_dir() {
        true => open_layer(path).unwrap(),
        // The mount itself: an overlay takes none whose own descriptor is closed.
        false => {
            cofferdam_kernel::mount::new_filesystem("erofs", path.to_str().unwrap(), [], attributes).unwrap()
        }
    };
    lower.iter().map(open).collect()
}

/// What is left of a layer: nothing, after an error.
pub(crate) fn leftovers(store: &Store) -> Vec<PathBuf> {
    let folder = store.folder().join("layers");
    std::fs::read_dir(folder)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default()
}

/// The whole chain of an error.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

pub(crate) fn read(layer: &Seen, path: &str) -> String {
    std::fs::read_to_string(layer.files.join(Path::new(path))).unwrap()
}
