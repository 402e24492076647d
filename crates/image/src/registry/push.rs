//! An image goes from the store to a registry.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use cofferdam_names::{Digest, ImageReference};
use ureq::http::Method;

use super::call::{Call, Payload};
use super::client::Client;
use super::progress::{BlobState, Progress};
use super::session::Session;
use super::upload::{Upload, push_scope};
use super::{RegistryError, referrers};
use crate::{Descriptor, Document, Platform, Store, StoreError};

/// Blobs that go at the same time.
const PARALLEL: usize = 4;

/// The most repositories that are asked to give a blob.
const MOST_SOURCES: usize = 3;

/// What to push of an image.
#[derive(Debug, Clone, Default)]
pub struct PushOptions {
    /// Only the image for this platform; none for all that the name leads to.
    pub platform: Option<Platform>,
}

/// A document that is pushed.
struct Part {
    descriptor: Descriptor,
    bytes: Vec<u8>,
    document: Document,
}

impl Client {
    /// Pushes what a name leads to, and what in the store refers to it: signatures, attestations. Answers what the tag leads to
    /// there.
    ///
    /// # Errors
    /// Not all of it is here, the registry cannot be used, or takes it for something else.
    pub fn push(
        &self,
        store: &Store,
        name: &ImageReference,
        options: &PushOptions,
        progress: &dyn Progress,
    ) -> Result<Descriptor, RegistryError> {
        let missing = || RegistryError::Incomplete { image: Box::new(name.clone()), what: "it".to_owned() };
        let mut top = store.reference(name)?.ok_or_else(missing)?;
        if let Some(platform) = &options.platform {
            top = store.manifest(&top, platform)?.0;
        }
        self.push_document(store, name, &top, progress)
    }

    /// Pushes a manifest or an index of the store under a name that it need not have here.
    ///
    /// # Errors
    /// As [`Client::push`].
    pub fn push_document(
        &self,
        store: &Store,
        name: &ImageReference,
        top: &Descriptor,
        progress: &dyn Progress,
    ) -> Result<Descriptor, RegistryError> {
        let mut parts = Vec::new();
        gather(store, name, top, &mut parts, 0)?;
        let session = self.registry(name.registry(), name.repository())?;
        let upload = Upload {
            store,
            session: &session,
            repository: name.repository(),
            patience: self.patience(),
            progress,
        };
        send_blobs(&upload, &blobs(&parts), &elsewhere(store, name)?)?;
        let tagged = name.tag().filter(|_| name.digest().is_none_or(|digest| *digest == top.digest));
        for part in &parts {
            let word = match tagged {
                Some(tag) if part.descriptor.digest == top.digest => tag,
                _ => part.descriptor.digest.as_str(),
            };
            session.put_document(name.repository(), word, &part.descriptor, &part.bytes)?;
        }
        for part in &parts {
            referrers::push(&upload, store, &part.descriptor)?;
        }
        Ok(parts.pop().map_or_else(|| top.clone(), |part| part.descriptor))
    }
}

/// The documents below one, each after those that it needs.
fn gather(
    store: &Store,
    name: &ImageReference,
    descriptor: &Descriptor,
    parts: &mut Vec<Part>,
    depth: usize,
) -> Result<(), RegistryError> {
    if depth > 4 {
        return Err(StoreError::Nested { digest: descriptor.digest.clone() }.into());
    }
    if parts.iter().any(|part| part.descriptor.digest == descriptor.digest) {
        return Ok(());
    }
    let incomplete = |what: String| RegistryError::Incomplete { image: Box::new(name.clone()), what };
    if !store.contains(&descriptor.digest) {
        let platform =
            descriptor.platform.as_ref().map_or_else(String::new, |platform| format!(" for {platform}"));
        return Err(incomplete(format!("image {}{platform} of its index", descriptor.digest)));
    }
    let bytes = store.read_small(descriptor)?;
    let document = store.document(descriptor)?;
    match &document {
        Document::Index(index) => {
            for manifest in &index.manifests {
                gather(store, name, manifest, parts, depth + 1)?;
            }
        }
        Document::Manifest(manifest) => {
            let mut needed = std::iter::once(&manifest.config).chain(&manifest.layers);
            if let Some(blob) = needed.find(|blob| !store.contains(&blob.digest)) {
                return Err(incomplete(format!("blob {}", blob.digest)));
            }
        }
    }
    parts.push(Part { descriptor: descriptor.clone(), bytes, document });
    Ok(())
}

/// The blobs of some documents, each once.
fn blobs(parts: &[Part]) -> Vec<Descriptor> {
    let mut seen = BTreeSet::new();
    let manifests = parts.iter().filter_map(|part| match &part.document {
        Document::Manifest(manifest) => Some(manifest),
        Document::Index(_) => None,
    });
    let all = manifests.flat_map(|manifest| std::iter::once(&manifest.config).chain(&manifest.layers));
    all.filter(|blob| seen.insert(blob.digest.clone())).cloned().collect()
}

/// Which other repositories of the same registry have which blobs, as far as the store's names tell.
fn elsewhere(store: &Store, name: &ImageReference) -> Result<BTreeMap<Digest, Vec<String>>, RegistryError> {
    let mut known: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
    for (other, descriptor) in store.references()? {
        if other.registry() != name.registry() || other.repository() == name.repository() {
            continue;
        }
        let mut parts = Vec::new();
        // One that is not all here was not pushed or pulled as a whole.
        if gather(store, &other, &descriptor, &mut parts, 0).is_err() {
            continue;
        }
        for blob in blobs(&parts) {
            let repositories = known.entry(blob.digest).or_default();
            if repositories.len() < MOST_SOURCES
                && !repositories.iter().any(|known| known == other.repository())
            {
                repositories.push(other.repository().to_owned());
            }
        }
    }
    Ok(known)
}

/// Sends blobs, a few at a time. With the first that fails no other begins.
fn send_blobs(
    upload: &Upload<'_>,
    blobs: &[Descriptor],
    elsewhere: &BTreeMap<Digest, Vec<String>>,
) -> Result<(), RegistryError> {
    for blob in blobs {
        upload.progress.blob(&blob.digest, blob.size, BlobState::Waiting);
    }
    let queue: Mutex<VecDeque<&Descriptor>> = Mutex::new(blobs.iter().collect());
    let failed: Mutex<Option<RegistryError>> = Mutex::new(None);
    let work = || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(blob) = next else { return };
            let from: Vec<&str> =
                elsewhere.get(&blob.digest).into_iter().flatten().map(String::as_str).collect();
            if let Err(error) = upload.blob(blob, &from) {
                queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..blobs.len().min(PARALLEL) {
            scope.spawn(work);
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

impl Session {
    /// Puts a document under a tag or its digest. Whether the registry has taken note of what it is about.
    pub(super) fn put_document(
        &self,
        repository: &str,
        word: &str,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<bool, RegistryError> {
        let url = self.endpoint.url(&format!("{repository}/manifests/{word}"));
        let call = Call::new(Method::PUT, url, &[push_scope(repository)])
            .header("content-type", descriptor.media_type.as_str())
            .payload(Payload::Bytes(bytes));
        let answer = self.send(&call)?;
        if answer.status != 201 {
            return Err(answer.into_error(
                self.host(),
                &format!("manifest {word} in {repository}"),
                self.anonymous(),
            ));
        }
        if answer.header("docker-content-digest").is_some_and(|digest| digest != descriptor.digest.as_str()) {
            let why = format!("it took manifest {} as another one", descriptor.digest);
            return Err(RegistryError::answer(self.host(), why));
        }
        let noted = answer.header("oci-subject").is_some();
        answer.finish();
        Ok(noted)
    }
}
