//! `image rm` and `image prune`: takes names away, then what nothing needs any more.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_image::{Collected, Descriptor, LayerForm, Store, StoredImage};
use cofferdam_names::{Digest, ImageReference};
use cofferdam_shim::Event;

use super::ready::checked;
use crate::Engine;
use crate::Selection;
use crate::definition::understood;
use crate::error::{Error, Result};
use crate::own_namespace::{as_root, subordinate_maps};
use crate::store::Record;

/// What a removal did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageRemoval {
    /// Names that are gone.
    pub untagged: Vec<ImageReference>,
    /// The ids of images that are gone.
    pub deleted: Vec<String>,
    /// Bytes that were freed. What somebody may still be adding to is freed by the next removal.
    pub freed: u64,
}

/// The container that uses an image as its own or mounts it, running or not.
pub(crate) fn user<'r>(records: &'r [Record], id: &str) -> Option<&'r Record> {
    // One whose request does not read may mount any.
    let may_mount = |record: &Record| {
        understood(record).map_or(true, |request| request.mounted_images().any(|(_, own)| own == Some(id)))
    };
    records.iter().find(|record| record.image_id == id || may_mount(record))
}

/// Leaves out, of what has no name, all that is about something that is kept: signatures and attestations, as other programs keep
/// them in a layout.
fn without_kept_subjects(
    store: &Store,
    mut doomed: Vec<(Descriptor, Vec<ImageReference>)>,
    mut kept: BTreeSet<Digest>,
) -> Result<Vec<(Descriptor, Vec<ImageReference>)>> {
    // What is about a signature stays with it, in whatever order they are listed.
    loop {
        let mut left = Vec::new();
        let before = doomed.len();
        for (descriptor, names) in doomed {
            // One that cannot be read is about nothing.
            let subject = store.document(&descriptor).ok().and_then(|document| document.subject().cloned());
            if names.is_empty() && subject.is_some_and(|subject| kept.contains(&subject.digest)) {
                kept.extend(store.reached_from(&descriptor)?.blobs);
            } else {
                left.push((descriptor, names));
            }
        }
        if left.len() == before {
            return Ok(left);
        }
        doomed = left;
    }
}

impl Engine {
    /// Takes an image's name away, and the image with its last one; by an id, all of its names.
    ///
    /// # Errors
    /// There is none, it has several names and is meant by its id, or a container uses it; with `force` only what a container
    /// uses stays, without a name.
    pub fn remove_image(&self, word: &str, force: bool) -> Result<ImageRemoval> {
        let store = self.image_store()?;
        let image = self.find_image(&store, word)?;
        let id = image.descriptor.digest.to_string();
        let by_name = word.parse::<ImageReference>().ok().filter(|name| image.names.contains(name));
        let removal = self.store.locked(|records| -> Result<ImageRemoval> {
            let mut removal = ImageRemoval::default();
            let user = user(records, &id);
            if let Some(name) = by_name.filter(|_| image.names.len() > 1) {
                store.remove_reference(&name, false)?;
                removal.untagged.push(name);
                return Ok(removal);
            }
            if image.names.len() > 1 && !force {
                let names: Vec<String> = image.names.iter().map(ImageReference::familiar).collect();
                return Err(Error::SeveralNames { word: word.to_owned(), names: names.join(", ") });
            }
            match user {
                None => {
                    removal.untagged = store.remove_image(&image.descriptor.digest)?;
                    removal.deleted.push(id.clone());
                }
                Some(user) if !force => {
                    let user = user.id.short().to_owned();
                    return Err(Error::ImageInUse { name: word.to_owned(), user });
                }
                Some(_) => {
                    for name in &image.names {
                        store.remove_reference(name, true)?;
                    }
                    removal.untagged.clone_from(&image.names);
                }
            }
            Ok(removal)
        })?;
        for name in &removal.untagged {
            self.tell_of_image("untag", &name.familiar());
        }
        self.finish_removal(&store, removal)
    }

    /// Removes the images of a selection that no container uses: those without a name, or all.
    ///
    /// # Errors
    /// They cannot be read, or one cannot be removed.
    pub fn prune_images(&self, all: bool, which: &Selection) -> Result<ImageRemoval> {
        let store = self.image_store()?;
        let removal = self.store.locked(|records| -> Result<ImageRemoval> {
            let mut removal = ImageRemoval::default();
            let (mut doomed, mut kept) = (Vec::new(), BTreeSet::new());
            for StoredImage { descriptor, names } in store.images()? {
                let id = descriptor.digest.to_string();
                let selected = || {
                    let Ok(known) = checked(&store, &descriptor) else {
                        return which == &Selection::default();
                    };
                    let created = known.config.created.unwrap_or(cofferdam_names::Timestamp::from_unix(0, 0));
                    which.has(created, &known.config.labels)
                };
                if !(all || names.is_empty()) || user(records, &id).is_some() || !selected() {
                    kept.extend(store.reached_from(&descriptor)?.blobs);
                } else {
                    doomed.push((descriptor, names));
                }
            }
            for (descriptor, names) in without_kept_subjects(&store, doomed, kept)? {
                removal.untagged.extend(names);
                store.remove_image(&descriptor.digest)?;
                removal.deleted.push(descriptor.digest.to_string());
            }
            Ok(removal)
        })?;
        self.finish_removal(&store, removal)
    }

    /// Frees what nothing needs any more, and tells of it.
    fn finish_removal(&self, store: &Store, mut removal: ImageRemoval) -> Result<ImageRemoval> {
        for id in &removal.deleted {
            self.forget_accounts(id);
            self.tell_of_image("delete", id);
        }
        removal.freed = self.collect_images(store)?.bytes;
        Ok(removal)
    }

    /// Removes blobs and layers that neither an image nor the build cache needs; nothing while somebody adds some.
    pub(crate) fn collect_images(&self, store: &Store) -> Result<Collected> {
        let reached = self.build_cache_reached()?;
        let mut bytes = 0;
        if store.owned_layers().is_some()
            && let Some(maps) = subordinate_maps()?
        {
            let owned = store.clone().with_form(LayerForm::Owned);
            let collect = || Ok(owned.collect(&reached)?.unwrap_or_default().bytes);
            bytes = as_root(&maps, "remove layers", collect)?;
        }
        let mut collected = store.collect(&reached)?.unwrap_or_default();
        collected.bytes += bytes;
        Ok(collected)
    }

    pub(crate) fn tell_of_image(&self, action: &str, name: &str) {
        let attributes = BTreeMap::from([("name".to_owned(), name.to_owned())]);
        // What happened has happened: a full disk does not undo it.
        let _ = Event::now("image", action, name, attributes).append(&self.paths.events());
    }
}
