//! What is about an image: its signatures come here, and signatures and attestations go there with it.
//!
//! cosign's signatures are found by a tag (`sha256-<hex>.sig`), and everything that names its subject by the referrers' API, or by
//! the tag that stands for it where a registry has no such API (distribution-spec 1.1, "Referrers Tag Schema").

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use cofferdam_names::{Digest, ImageReference};
use ureq::http::Method;

use super::RegistryError;
use super::call::Call;
use super::client::Client;
use super::documents::{By, Fetched, pull_scope};
use super::download::Download;
use super::flow::Flow;
use super::progress::Silent;
use super::session::Session;
use super::upload::Upload;
use crate::signature::{MOST_TEXT, is_signature, is_simple, may_be_signature, signature_manifest};
use crate::{Descriptor, Document, ImageIndex, Lease, Manifest, MediaType, Store, StoreError};

/// The most referrers of one image that are looked at.
const MOST_REFERRERS: usize = 50;

/// The tag of cosign's signatures.
fn signature_tag(subject: &Digest) -> String {
    format!("sha256-{}.sig", subject.hex())
}

/// The tag that stands for the referrers' API.
fn referrers_tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

impl Client {
    /// Brings the signatures of an image here: of any of these digests, its index's and its manifest's. They are only brought, not
    /// judged. Answers how many manifests of signatures were found.
    ///
    /// # Errors
    /// The registry cannot be used, or the store cannot be written. That there are none is no error.
    pub fn pull_signatures(
        &self,
        lease: &Lease,
        name: &ImageReference,
        digests: &[Digest],
    ) -> Result<usize, RegistryError> {
        let session = self.registry(name.registry(), name.repository())?;
        let (repository, stop) = (name.repository(), AtomicBool::new(false));
        let download =
            Download { lease, repository, patience: self.patience(), progress: &Silent, stop: &stop };
        let mut found = 0;
        for subject in digests {
            let mut signatures = Vec::new();
            signatures
                .extend(none_if_missing(session.document(repository, By::Tag(&signature_tag(subject))))?);
            for descriptor in session.referrers(repository, subject)? {
                let fetched = session.document(repository, By::Descriptor(&descriptor))?;
                let about = match &fetched.document {
                    Document::Manifest(manifest) => manifest.subject.as_ref(),
                    Document::Index(_) => None,
                };
                if about.is_some_and(|about| about.digest == *subject) {
                    signatures.push(fetched);
                }
            }
            let sources = std::slice::from_ref(&session);
            for signature in signatures {
                found += usize::from(bring(&download, sources, subject, &signature)?);
            }
        }
        Ok(found)
    }
}

fn none_if_missing(found: Result<Fetched, RegistryError>) -> Result<Option<Fetched>, RegistryError> {
    match found {
        Ok(found) => Ok(Some(found)),
        // Some registries deny what is not there.
        Err(RegistryError::NotFound { .. } | RegistryError::Denied { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Brings one manifest of signatures with its blobs. Whether it was one.
fn bring(
    download: &Download<'_>,
    sources: &[Session],
    subject: &Digest,
    signature: &Fetched,
) -> Result<bool, RegistryError> {
    let Document::Manifest(manifest) = &signature.document else { return Ok(false) };
    let blobs = || std::iter::once(&manifest.config).chain(&manifest.layers);
    if !is_signature(manifest) || blobs().any(|blob| blob.size > MOST_TEXT) {
        return Ok(false);
    }
    for blob in blobs() {
        download.blob(sources, blob, &Flow::default(), &mut |_| {})?;
    }
    let descriptor = download.lease.put_small(signature.descriptor.media_type.clone(), &signature.bytes)?;
    download.lease.put_referrer(subject, &descriptor)?;
    Ok(true)
}

impl Session {
    /// What may be signatures among the manifests that name this one as their subject.
    fn referrers(&self, repository: &str, subject: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let url = self.endpoint.url(&format!("{repository}/referrers/{subject}"));
        let scopes = pull_scope(&self.endpoint.repository(repository));
        let answer =
            self.send(&Call::new(Method::GET, url, &scopes).header("accept", MediaType::OCI_INDEX))?;
        let is_index =
            answer.header("content-type").is_some_and(|kind| kind.starts_with(MediaType::OCI_INDEX));
        let index = if answer.status == 200 && is_index {
            let what = format!("the referrers of {subject}");
            let bytes = self.small(answer, &what)?;
            read_index(&bytes).map_err(|source| RegistryError::Document {
                host: self.host().to_owned(),
                what,
                source,
            })?
        } else {
            answer.finish();
            match none_if_missing(self.document(repository, By::Tag(&referrers_tag(subject))))? {
                Some(Fetched { document: Document::Index(index), .. }) => *index,
                _ => return Ok(Vec::new()),
            }
        };
        Ok(index.manifests.into_iter().filter(may_be_signature).take(MOST_REFERRERS).collect())
    }
}

fn read_index(bytes: &[u8]) -> Result<ImageIndex, crate::DocumentError> {
    match Document::parse(&MediaType::OCI_INDEX.parse()?, bytes)? {
        Document::Index(index) => Ok(*index),
        Document::Manifest(_) => Err(crate::DocumentError::Contradiction("it is no index")),
    }
}

/// Pushes what the store has about a manifest or an index.
pub(super) fn push(upload: &Upload<'_>, store: &Store, subject: &Descriptor) -> Result<(), RegistryError> {
    for referrer in store.referrers(&subject.digest)? {
        let Document::Manifest(manifest) = store.document(&referrer)? else { continue };
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            upload.blob(blob, &[])?;
        }
        if manifest.subject.is_none() {
            if is_signature(&manifest) && manifest.layers.iter().all(is_simple) {
                push_signature(upload, store, &subject.digest, &referrer, *manifest)?;
            }
            continue;
        }
        let bytes = store.read_small(&referrer)?;
        let noted =
            upload.session.put_document(upload.repository, referrer.digest.as_str(), &referrer, &bytes)?;
        if !noted {
            note(upload, &subject.digest, &referrer, &manifest)?;
        }
    }
    Ok(())
}

/// Puts signatures under cosign's tag, beside those that are there.
fn push_signature(
    upload: &Upload<'_>,
    store: &Store,
    subject: &Digest,
    ours: &Descriptor,
    mut manifest: Manifest,
) -> Result<(), RegistryError> {
    let (session, repository, tag) = (upload.session, upload.repository, signature_tag(subject));
    let there = none_if_missing(session.document(repository, By::Tag(&tag)))?;
    let mut descriptor = ours.clone();
    let mut bytes = store.read_small(ours)?;
    if let Some(Fetched { document: Document::Manifest(there), .. }) = there {
        let same = |one: &Descriptor, two: &Descriptor| {
            one.digest == two.digest && one.annotations == two.annotations
        };
        if manifest.layers.iter().all(|layer| there.layers.iter().any(|known| same(known, layer))) {
            return Ok(());
        }
        let mut layers = there.layers;
        manifest.layers.retain(|layer| !layers.iter().any(|known| same(known, layer)));
        layers.append(&mut manifest.layers);
        let lease = store.lease()?;
        let unwritable = |error: crate::signature::SignatureError| {
            RegistryError::answer(session.host(), format!("cannot add to its signatures: {error}"))
        };
        let merged = signature_manifest(&lease, layers).map_err(unwritable)?;
        upload.blob(&merged.config, &[])?;
        bytes =
            merged.to_bytes().map_err(|error| unwritable(crate::signature::SignatureError::Write(error)))?;
        descriptor = lease.put_small(merged.media_type, &bytes)?;
    }
    session.put_document(repository, &tag, &descriptor, &bytes)?;
    Ok(())
}

/// Adds a referrer to the tag that stands for the API.
fn note(
    upload: &Upload<'_>,
    subject: &Digest,
    referrer: &Descriptor,
    manifest: &Manifest,
) -> Result<(), RegistryError> {
    let (session, repository, tag) = (upload.session, upload.repository, referrers_tag(subject));
    let kind = |source| StoreError::Document { digest: subject.clone(), source };
    let mut index = match none_if_missing(session.document(repository, By::Tag(&tag)))? {
        Some(Fetched { document: Document::Index(index), .. }) => *index,
        _ => ImageIndex {
            media_type: MediaType::OCI_INDEX.parse().map_err(kind)?,
            manifests: Vec::new(),
            subject: None,
            annotations: BTreeMap::new(),
        },
    };
    if index.manifests.iter().any(|known| known.digest == referrer.digest) {
        return Ok(());
    }
    let artifact = manifest.artifact_type.clone();
    index.manifests.push(Descriptor {
        artifact_type: artifact.or_else(|| Some(manifest.config.media_type.to_string())),
        annotations: manifest.annotations.clone(),
        ..Descriptor::new(referrer.media_type.clone(), referrer.digest.clone(), referrer.size)
    });
    let bytes = index.to_bytes().map_err(|error| {
        RegistryError::answer(session.host(), format!("cannot add to its referrers: {error}"))
    })?;
    let descriptor = Descriptor::new(index.media_type, crate::digest_of(&bytes), bytes.len() as u64);
    session.put_document(repository, &tag, &descriptor, &bytes)?;
    Ok(())
}
