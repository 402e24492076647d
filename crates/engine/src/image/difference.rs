//! `image diff`: what one image has that another has not.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cofferdam_image::tree::walk::Walk;
use cofferdam_image::tree::{Attributes, TreeSink};
use cofferdam_image::{Hasher, digest_of};
use cofferdam_names::Digest;

use crate::error::{Error, Result};
use crate::{Change, ChangeKind, Engine};

/// What each path of a tree is, as a digest of all that matters.
#[derive(Default)]
struct Listing(BTreeMap<PathBuf, Digest>);

impl Listing {
    fn add(&mut self, path: &Path, kind: &str, attributes: &Attributes, content: &str) {
        if path.as_os_str().is_empty() {
            return;
        }
        // Times alone are no difference that anybody wants to see.
        let Attributes { uid, gid, mode, modified: _, xattrs } = attributes;
        let text = format!("{kind} {uid} {gid} {mode:o} {xattrs:?} {content}");
        self.0.insert(path.to_owned(), digest_of(text.as_bytes()));
    }
}

impl TreeSink for Listing {
    fn folder(&mut self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        self.add(path, "folder", attributes, "");
        Ok(())
    }

    fn file(
        &mut self,
        path: &Path,
        attributes: &Attributes,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        let mut hasher = Hasher::default();
        hasher.read(&mut content.take(size))?;
        self.add(path, "file", attributes, hasher.finish().as_str());
        Ok(())
    }

    fn link(&mut self, path: &Path, attributes: &Attributes, target: &[u8]) -> io::Result<()> {
        self.add(path, "link", attributes, &format!("{target:?}"));
        Ok(())
    }

    fn hard_link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        // The same file: its digest is that of the name which came first.
        if let Some(digest) = self.0.get(target).cloned() {
            self.0.insert(path.to_owned(), digest);
        }
        Ok(())
    }

    fn pipe(&mut self, path: &Path, attributes: &Attributes) -> io::Result<bool> {
        self.add(path, "pipe", attributes, "");
        Ok(true)
    }
}

impl Engine {
    /// The paths in which the second image differs from the first, in order.
    ///
    /// # Errors
    /// There is no such image, or a file cannot be read.
    pub fn image_difference(&self, first: &str, second: &str) -> Result<Vec<Change>> {
        let (old, new) = (self.listing(first)?, self.listing(second)?);
        let change = |kind, path: &Path| Change { kind, path: format!("/{}", path.display()) };
        let mut changes: Vec<Change> = old
            .0
            .keys()
            .filter(|path| !new.0.contains_key(*path))
            .map(|path| change(ChangeKind::Deleted, path))
            .collect();
        changes.extend(new.0.iter().filter_map(|(path, digest)| match old.0.get(path) {
            None => Some(change(ChangeKind::Added, path)),
            Some(before) if before != digest => Some(change(ChangeKind::Changed, path)),
            Some(_) => None,
        }));
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }

    fn listing(&self, word: &str) -> Result<Listing> {
        let mut listing = Listing::default();
        let walk = Walk { pipes: true, ..Walk::default() };
        self.merged(word)?
            .folder(Path::new(""), &walk, Path::new(""), &mut listing)
            .map_err(|source| Error::io("read", format!("image {word}"), source))?;
        Ok(listing)
    }
}
