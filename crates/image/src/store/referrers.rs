//! What is about an image: signatures and attestations, kept beside it.
//!
//! The index names each with the digest of what it is about (its subject), so that nothing has to be read to find them. They are
//! no images of their own: listings leave them out, and they go when their subject goes.

use std::collections::BTreeSet;

use cofferdam_names::Digest;

use super::index::Entry;
use super::{Lease, Store, StoreError};
use crate::Descriptor;

/// The annotation of an entry of the index: the digest that the manifest is about.
pub(super) const SUBJECT: &str = "io.cofferdam.subject";

impl Store {
    /// The manifests that are about a manifest or an index, in no order.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, StoreError> {
        let about = |entry: Entry| (entry.subject.as_ref() == Some(subject)).then_some(entry.descriptor);
        Ok(self.index()?.entries.into_iter().filter_map(about).collect())
    }

    /// All manifests that are about others, with these.
    pub(crate) fn all_referrers(&self) -> Result<Vec<(Digest, Descriptor)>, StoreError> {
        let entries = self.index()?.entries.into_iter();
        Ok(entries.filter_map(|entry| Some((entry.subject?, entry.descriptor))).collect())
    }

    /// Forgets what is about something that is not among these.
    pub(crate) fn forget_referrers(&self, kept: &BTreeSet<Digest>) -> Result<(), StoreError> {
        self.change_index(|index| {
            let before = index.entries.len();
            index.entries.retain(|entry| entry.subject.as_ref().is_none_or(|subject| kept.contains(subject)));
            index.entries.len() != before
        })
    }
}

impl Lease {
    /// Keeps a manifest that is about another one.
    ///
    /// # Errors
    /// It is not here, or the index cannot be written.
    pub fn put_referrer(&self, subject: &Digest, descriptor: &Descriptor) -> Result<(), StoreError> {
        let store = self.store();
        if !store.contains(&descriptor.digest) {
            return Err(StoreError::NoBlob { digest: descriptor.digest.clone() });
        }
        store.change_index(|index| {
            let same = |entry: &Entry| {
                entry.subject.as_ref() == Some(subject) && entry.descriptor.digest == descriptor.digest
            };
            if index.entries.iter().any(same) {
                return false;
            }
            let subject = Some(subject.clone());
            index.entries.push(Entry { name: None, subject, descriptor: descriptor.clone() });
            true
        })
    }
}
