//! An image comes from a registry into the store.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use cofferdam_names::{Digest, ImageReference};

use super::RegistryError;
use super::client::Client;
use super::documents::{By, Fetched};
use super::download::Download;
use super::flow::Flow;
use super::progress::{BlobState, Progress};
use super::session::Session;
use crate::{
    Descriptor, Document, LayerError, Lease, Limits, MAX_DOCUMENT, Manifest, MediaKind, Platform, Store,
    StoreError,
};

/// Blobs that come at the same time.
const PARALLEL: usize = 4;

/// How deep indexes may lie in indexes.
const MOST_NESTED: usize = 4;

/// What to pull of an image.
#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    /// For which platform; none for this machine's, and then a lone manifest of any platform is taken.
    pub platform: Option<Platform>,
}

/// An image that was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// What its name leads to now: a manifest or an index.
    pub descriptor: Descriptor,
    /// The manifest of the platform.
    pub manifest: Descriptor,
    /// Whether the name led to the same before.
    pub unchanged: bool,
}

impl Client {
    /// Pulls an image. Its name leads to it only when all of it is here and checked; what comes before a failure is kept for the
    /// next try.
    ///
    /// # Errors
    /// The registry cannot be used, gives something else than was asked for, or the store cannot be written.
    pub fn pull(
        &self,
        lease: &Lease,
        name: &ImageReference,
        options: &PullOptions,
        progress: &dyn Progress,
    ) -> Result<Pulled, RegistryError> {
        let (descriptor, manifest) = self.fetch(lease, name, options, progress)?;
        let before = lease.store().reference(name)?;
        let unchanged = before.is_some_and(|before| before.digest == descriptor.digest);
        lease.put_pulled(name, &descriptor)?;
        Ok(Pulled { descriptor, manifest, unchanged })
    }

    /// Brings what a name leads to and all that it needs, and gives it no name here: what the lease holds goes with it. Answers
    /// what the name leads to, and the manifest.
    ///
    /// # Errors
    /// As [`Client::pull`].
    pub fn fetch(
        &self,
        lease: &Lease,
        name: &ImageReference,
        options: &PullOptions,
        progress: &dyn Progress,
    ) -> Result<(Descriptor, Descriptor), RegistryError> {
        let sources = self.sources(name.registry(), name.repository())?;
        let (from, documents) = first_source(&sources, name, lease.store(), options)?;
        let sources = sources.get(from..).unwrap_or_default();
        let Some((top, last)) = documents.first().zip(documents.last()) else {
            return Err(RegistryError::answer(name.registry(), "there is no manifest"));
        };
        let Document::Manifest(manifest) = &last.document else {
            return Err(StoreError::Nested { digest: top.descriptor.digest.clone() }.into());
        };
        check_manifest(manifest)?;
        let stop = AtomicBool::new(false);
        let download = Download {
            lease,
            repository: name.repository(),
            patience: self.patience(),
            progress,
            stop: &stop,
        };
        let diff_ids = bring_config(&download, sources, manifest, options, last)?;
        bring_layers(&download, sources, manifest, &diff_ids)?;
        // What cannot be made one is mounted layer by layer.
        let _ = lease.make_stack(&diff_ids);
        for fetched in &documents {
            lease.put_small(fetched.descriptor.media_type.clone(), &fetched.bytes)?;
        }
        Ok((top.descriptor.clone(), last.descriptor.clone()))
    }
}

/// The documents from what the name leads to down to the platform's manifest, from the first source that has them all, and which
/// that was.
fn first_source(
    sources: &[Session],
    name: &ImageReference,
    store: &Store,
    options: &PullOptions,
) -> Result<(usize, Vec<Fetched>), RegistryError> {
    let mut tried = sources.iter().enumerate().peekable();
    while let Some((at, session)) = tried.next() {
        match documents(session, name, store, options) {
            Ok(documents) => return Ok((at, documents)),
            // A mirror that has not what is wanted, or has something else, is passed over.
            Err(error) if tried.peek().is_none() => return Err(error),
            Err(_) => {}
        }
    }
    Err(RegistryError::answer(name.registry(), "there is no source"))
}

fn documents(
    session: &Session,
    name: &ImageReference,
    store: &Store,
    options: &PullOptions,
) -> Result<Vec<Fetched>, RegistryError> {
    let platform = options.platform.clone().unwrap_or_else(Platform::host);
    let mut all = vec![session.document(name.repository(), By::of(name))?];
    while let Some(Fetched { descriptor, document: Document::Index(index), .. }) = all.last() {
        if all.len() > MOST_NESTED {
            return Err(StoreError::Nested { digest: descriptor.digest.clone() }.into());
        }
        let chosen = index.choose(&platform).ok_or_else(|| StoreError::NoPlatform {
            digest: descriptor.digest.clone(),
            platform: Box::new(platform.clone()),
            offered: index.platforms().map(ToString::to_string).collect(),
        })?;
        let next = match known(store, chosen) {
            Some(known) => known,
            None => session.document(name.repository(), By::Descriptor(chosen))?,
        };
        all.push(next);
    }
    Ok(all)
}

/// A document that is here already.
fn known(store: &Store, descriptor: &Descriptor) -> Option<Fetched> {
    let bytes = store.read_small(descriptor).ok()?;
    let document = Document::parse(&descriptor.media_type, &bytes).ok()?;
    let plain = Descriptor::new(descriptor.media_type.clone(), descriptor.digest.clone(), descriptor.size);
    Some(Fetched { descriptor: plain, bytes, document })
}

/// What no image may have.
fn check_manifest(manifest: &Manifest) -> Result<(), RegistryError> {
    for layer in &manifest.layers {
        let text = layer.media_type.as_str();
        if text.contains("nondistributable") || text.contains(".foreign.") {
            return Err(RegistryError::Foreign {
                digest: layer.digest.clone(),
                media_type: layer.media_type.clone(),
            });
        }
    }
    let config = &manifest.config;
    if config.size > MAX_DOCUMENT {
        return Err(StoreError::TooLarge { digest: config.digest.clone(), size: config.size }.into());
    }
    Ok(())
}

/// Brings the configuration; answers the digests of the layers' tars, none for an artifact.
fn bring_config(
    download: &Download<'_>,
    sources: &[Session],
    manifest: &Manifest,
    options: &PullOptions,
    fetched: &Fetched,
) -> Result<Vec<Digest>, RegistryError> {
    let flow = Flow::default();
    if !download.lease.store().contains(&manifest.config.digest) {
        let quiet = Download { progress: &super::Silent, ..*download };
        quiet.blob(sources, &manifest.config, &flow, &mut |_| {})?;
    }
    if manifest.config.media_type.kind() != MediaKind::Config {
        return Ok(Vec::new());
    }
    let config = download.lease.store().config(manifest)?;
    if config.diff_ids.len() != manifest.layers.len() {
        let (blobs, diff_ids) = (manifest.layers.len(), config.diff_ids.len());
        return Err(StoreError::LayerCount { blobs, diff_ids }.into());
    }
    if let Some(wanted) = options.platform.as_ref().filter(|wanted| wanted.rank(&config.platform).is_none()) {
        return Err(StoreError::NoPlatform {
            digest: fetched.descriptor.digest.clone(),
            platform: Box::new(wanted.clone()),
            offered: vec![config.platform.to_string()],
        }
        .into());
    }
    Ok(config.diff_ids)
}

/// Brings all layers, a few at a time. With the first that fails the others stop.
fn bring_layers(
    download: &Download<'_>,
    sources: &[Session],
    manifest: &Manifest,
    diff_ids: &[Digest],
) -> Result<(), RegistryError> {
    let mut queue: VecDeque<(&Descriptor, Option<&Digest>)> = VecDeque::new();
    for (at, layer) in manifest.layers.iter().enumerate() {
        if queue.iter().all(|(queued, _)| queued.digest != layer.digest) {
            download.progress.blob(&layer.digest, layer.size, BlobState::Waiting);
            queue.push_back((layer, diff_ids.get(at)));
        }
    }
    let workers = queue.len().min(PARALLEL);
    let queue = Mutex::new(queue);
    let failed: Mutex<Option<RegistryError>> = Mutex::new(None);
    let work = || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((layer, diff_id)) = next else { return };
            if download.stop.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = bring_layer(download, sources, layer, diff_id) {
                // In this order: those that stop have errors that say nothing.
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                download.stop.store(true, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Brings one layer, and unpacks it while it comes.
fn bring_layer(
    download: &Download<'_>,
    sources: &[Session],
    layer: &Descriptor,
    diff_id: Option<&Digest>,
) -> Result<(), RegistryError> {
    let flow = Flow::default();
    let tell = |state| download.progress.blob(&layer.digest, layer.size, state);
    let Some(diff_id) = diff_id else {
        download.blob(sources, layer, &flow, &mut |_| {})?;
        tell(BlobState::Done);
        return Ok(());
    };
    std::thread::scope(|scope| {
        let mut followers = Vec::new();
        let came = download.blob(sources, layer, &flow, &mut |ingest| {
            if let Ok(file) = ingest.open_partial() {
                followers.push(scope.spawn(|| follow(download.lease, &flow, file, diff_id)));
            }
        });
        flow.end(came.is_ok());
        if came.is_ok() {
            tell(BlobState::Unpacking);
        }
        let unpacked: Vec<_> = followers.into_iter().filter_map(|follower| follower.join().ok()).collect();
        match (came, unpacked.into_iter().next_back()) {
            (Err(error), _) => return Err(error),
            (Ok(()), Some(Err(Some(error)))) => return Err(error.into()),
            (Ok(()), Some(Ok(()))) => {}
            // It was here before, or the file that was followed was given up for another.
            (Ok(()), _) => {
                download.lease.unpack_blob(&layer.digest, diff_id)?;
            }
        }
        tell(BlobState::Done);
        Ok(())
    })
}

/// Unpacks what comes. The error is none where the download is what failed. What cannot be unpacked does not stop the download:
/// only when the blob is whole is it told whether it, or what an earlier try has left of it, is to blame.
fn follow(lease: &Lease, flow: &Flow, file: File, diff_id: &Digest) -> Result<(), Option<LayerError>> {
    match lease.unpack(diff_id, &mut flow.reader(file), Limits::default()) {
        Ok(_) => Ok(()),
        Err(error) => Err(if flow.is_broken() { None } else { Some(error) }),
    }
}
