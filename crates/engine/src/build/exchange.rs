//! `--cache-from` and `--cache-to`: results of steps come from other machines and go there.
//!
//! A cache elsewhere is an OCI artifact: its configuration lists keys and layers, its layers are the blobs. It is in a registry, or
//! in a folder that is an OCI image layout. Blobs are checked against their digests as any; that a layer is the result of the step
//! whose key it has is a matter of trust, so a zone that wants images signed takes no cache from elsewhere.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cofferdam_build::execute::{BuildCache, CacheEntry, Progress, StageLayer, WantedEntries};
use cofferdam_image::registry::{Client, PullOptions, Silent};
use cofferdam_image::{Descriptor, Document, ImageIndex, Lease, Manifest, MediaType};
use cofferdam_names::ImageReference;
use cofferdam_policy::{Zone, check_pull};
use serde::{Deserialize, Serialize};

use super::BuildReach;
use crate::error::{Error, Result};

/// The type of a cache's configuration.
const CONFIG: &str = "application/vnd.cofferdam.build-cache.v1+json";

/// The type of BuildKit's.
const BUILDKIT: &str = "application/vnd.buildkit.cacheconfig.v0";

/// Where a cache is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachePlace {
    /// In a folder.
    Local(PathBuf),
    /// In a registry.
    Registry(ImageReference),
}

/// Where results go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheExport {
    /// To where.
    pub place: CachePlace,
    /// Those of all stages, not only of what is in the image.
    pub all: bool,
    /// Whether the build goes on if they cannot be written.
    pub optional: bool,
}

impl std::fmt::Display for CachePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::Registry(name) => f.write_str(&name.familiar()),
        }
    }
}

/// What a cache's configuration says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    entries: Vec<CacheEntry>,
}

/// Which results the build must tell of.
pub(super) fn wanted(exports: &[CacheExport]) -> WantedEntries {
    match exports.iter().map(|export| export.all).max() {
        None => WantedEntries::None,
        Some(false) => WantedEntries::Target,
        Some(true) => WantedEntries::All,
    }
}

/// Takes the results that a place has. One that cannot be used is told of, and the build goes on without; one that the zone does
/// not allow ends it.
pub(super) fn import(
    place: &CachePlace,
    zone: &Zone,
    lease: &Lease,
    cache: &BuildCache,
    reach: &BuildReach<'_>,
    progress: &mut dyn Progress,
) -> Result<()> {
    check(place, zone)?;
    let taken = match place {
        CachePlace::Local(folder) => from_folder(folder, lease, cache),
        CachePlace::Registry(name) => from_registry(name, lease, cache, reach),
    };
    match taken {
        Ok(count) => progress.note(&format!("{count} results of steps came from {place}")),
        Err(error) => progress.note(&format!("the cache {place} is not used: {}", error.with_causes())),
    }
    Ok(())
}

fn check(place: &CachePlace, zone: &Zone) -> Result<()> {
    if zone.images.want_signature() {
        let by_key = !zone.images.signed_by.value.is_empty();
        let rule = if by_key { &zone.images.signed_by.place } else { &zone.images.keyless.place };
        let place = place.to_string();
        let why = format!("zone `{}` wants images signed ({rule}), and a cache is not", zone.name.value);
        return Err(Error::io("use the cache", place, io::Error::other(why)));
    }
    match place {
        CachePlace::Local(_) => Ok(()),
        CachePlace::Registry(name) => Ok(check_pull(zone, name, &name.familiar())?),
    }
}

fn from_registry(
    name: &ImageReference,
    lease: &Lease,
    cache: &BuildCache,
    reach: &BuildReach<'_>,
) -> Result<usize> {
    let client: Client = (reach.client)()?;
    // Of what is none nothing more is fetched: it may be an image.
    check_kind(&client.document(name)?)?;
    let (_, manifest) = client.fetch(lease, name, &PullOptions::default(), &Silent)?;
    take(&manifest, lease, cache, &mut |_| Ok(()))
}

fn from_folder(folder: &Path, lease: &Lease, cache: &BuildCache) -> Result<usize> {
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path);
        bytes.map_err(|source| Error::io("read", path.display(), source))
    };
    let index: MediaType = media_type(MediaType::OCI_INDEX)?;
    let found = Document::parse(&index, &read(folder.join("index.json"))?).map_err(unusable)?;
    let Document::Index(found) = found else { return Err(unusable("it is no index")) };
    let manifest = found.manifests.first().ok_or_else(|| unusable("its index is empty"))?;
    let mut bring = |blob: &Descriptor| bring(folder, blob, lease);
    bring(manifest)?;
    let document = lease.store().document(manifest)?;
    check_kind(&document)?;
    if let Document::Manifest(found) = document {
        bring(&found.config)?;
    }
    take(manifest, lease, cache, &mut bring)
}

/// Copies a blob of a folder into the store, where its digest is checked.
fn bring(folder: &Path, blob: &Descriptor, lease: &Lease) -> Result<()> {
    let path = folder.join("blobs/sha256").join(blob.digest.hex());
    let failed = |source| Error::io("read", path.display(), source);
    let Some(mut ingest) = lease.ingest(blob)? else { return Ok(()) };
    ingest.restart()?;
    let mut file = File::open(&path).map_err(failed)?;
    io::copy(&mut file, &mut ingest).map_err(failed)?;
    Ok(ingest.finish()?)
}

/// Whether it is a cache that this program has written. BuildKit lists its own in an index beside the layers, or in a manifest.
fn check_kind(document: &Document) -> Result<()> {
    let (config, listed) = match document {
        Document::Manifest(manifest) => (Some(&manifest.config), [].as_slice()),
        Document::Index(index) => (None, index.manifests.as_slice()),
    };
    if config.is_some_and(|config| config.media_type.as_str() == CONFIG) {
        return Ok(());
    }
    let is_buildkits = |part: &Descriptor| part.media_type.as_str() == BUILDKIT;
    if config.is_some_and(is_buildkits) || listed.iter().any(is_buildkits) {
        return Err(unusable(
            "it is BuildKit's, whose keys stand for steps of its own (docs/build.md); --cache-to writes one of this program's",
        ));
    }
    Err(unusable("it is no cache, but an image or something else; --cache-to writes a cache beside it"))
}

/// Takes what a manifest of a cache lists and is not here. How many results that were.
fn take(
    manifest: &Descriptor,
    lease: &Lease,
    cache: &BuildCache,
    bring: &mut dyn FnMut(&Descriptor) -> Result<()>,
) -> Result<usize> {
    let Document::Manifest(found) = lease.store().document(manifest)? else {
        return Err(unusable("it is no manifest"));
    };
    let listing = lease.store().read_small(&found.config)?;
    let listing: Listing = serde_json::from_slice(&listing).map_err(unusable)?;
    let mut count = 0;
    for entry in listing.entries {
        if cache.has(&entry.key) {
            continue;
        }
        if let Some(layer) = &entry.layer {
            bring(&layer_descriptor(layer)?)?;
            if !lease.store().contains(&layer.blob) {
                return Err(unusable("it lists a layer that it has not got"));
            }
        }
        cache.take(entry, lease.store());
        count += 1;
    }
    Ok(count)
}

/// Writes results to a place.
pub(super) fn export(
    place: &CacheExport,
    entries: &[CacheEntry],
    lease: &Lease,
    reach: &BuildReach<'_>,
    progress: &mut dyn Progress,
) -> Result<()> {
    match write(place, entries, lease, reach) {
        Err(error) if place.optional => {
            progress.note(&format!("the cache {} is not written: {}", place.place, error.with_causes()));
            Ok(())
        }
        written => written,
    }
}

fn write(export: &CacheExport, entries: &[CacheEntry], lease: &Lease, reach: &BuildReach<'_>) -> Result<()> {
    let mut layers: BTreeMap<_, Descriptor> = BTreeMap::new();
    for layer in entries.iter().filter_map(|entry| entry.layer.as_ref()) {
        layers.insert(layer.blob.clone(), layer_descriptor(layer)?);
    }
    let listing = serde_json::to_vec(&Listing { entries: entries.to_vec() }).map_err(unusable)?;
    let manifest = Manifest {
        media_type: media_type(MediaType::OCI_MANIFEST)?,
        config: lease.put_small(media_type(CONFIG)?, &listing)?,
        layers: layers.into_values().collect(),
        subject: None,
        artifact_type: Some(CONFIG.to_owned()),
        annotations: BTreeMap::new(),
    };
    let bytes = manifest.to_bytes().map_err(unusable)?;
    let top = lease.put_small(manifest.media_type.clone(), &bytes)?;
    match &export.place {
        CachePlace::Registry(name) => {
            (reach.client)()?.push_document(lease.store(), name, &top, &Silent)?;
            Ok(())
        }
        CachePlace::Local(folder) => to_folder(folder, &top, &manifest, lease)
            .map_err(|source| Error::io("write the cache", folder.display(), source)),
    }
}

/// Writes an OCI image layout; its index last, so that a folder is a cache or is none.
fn to_folder(folder: &Path, top: &Descriptor, manifest: &Manifest, lease: &Lease) -> io::Result<()> {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs)?;
    for blob in manifest.layers.iter().chain([&manifest.config, top]) {
        let path = blobs.join(blob.digest.hex());
        if !path.exists() {
            let draft = path.with_extension("draft");
            let mut file = lease.store().open_blob(&blob.digest).map_err(io::Error::other)?;
            io::copy(&mut file, &mut File::create(&draft)?)?;
            std::fs::rename(&draft, &path)?;
        }
    }
    std::fs::write(folder.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}")?;
    let index = ImageIndex {
        media_type: MediaType::OCI_INDEX.parse().map_err(io::Error::other)?,
        manifests: vec![top.clone()],
        subject: None,
        annotations: BTreeMap::new(),
    };
    let draft = folder.join("index.draft");
    std::fs::write(&draft, index.to_bytes()?)?;
    std::fs::rename(&draft, folder.join("index.json"))
}

fn layer_descriptor(layer: &StageLayer) -> Result<Descriptor> {
    layer.descriptor().map_err(unusable)
}

fn media_type(text: &str) -> Result<MediaType> {
    text.parse().map_err(unusable)
}

fn unusable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::io("use", "a cache of build steps", io::Error::other(why))
}
