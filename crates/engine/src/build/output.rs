//! What becomes of a result: an image with what is said of it, or files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use cofferdam_build::attest::{self, Material, Provenance};
use cofferdam_build::execute::{BuildError, BuiltStage, Layers, StageLayer, Workshop};
use cofferdam_image::tree::owners::Owners;
use cofferdam_image::tree::pack::TarSink;
use cofferdam_image::tree::walk::Walk;
use cofferdam_image::tree::writer::TreeWriter;
use cofferdam_image::{
    Descriptor, ImageConfigFile, ImageIndex, Lease, Manifest, MediaType, Platform, digest_of,
};
use cofferdam_names::{Digest, ImageReference, Timestamp};
use serde_json::Value;

use super::recipe::Recipe;
use super::{BuildOutput, BuildRequest, Built};
use crate::error::{Error, Result};

/// What marks an attestation beside its image, in BuildKit's words.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";

/// What a statement says of the image of this name and digest.
type Predicate = Box<dyn Fn(&str, &Digest) -> Value>;

/// A statement that is to be made: its kind, and what it says once the image's digest is known.
pub(super) struct Said {
    kind: &'static str,
    predicate: Predicate,
}

fn io_error(operation: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> BuildError {
    let path = path.as_ref().to_owned();
    move |source| BuildError::Io { operation, path, source }
}

/// The result as one tree.
fn open_result(
    shop: &Workshop<'_>,
    layers: &[StageLayer],
) -> std::result::Result<std::os::fd::OwnedFd, BuildError> {
    let empty = shop.options.folder.join("nothing");
    if !empty.exists() {
        std::fs::create_dir(&empty).map_err(io_error("make", &empty))?;
    }
    Layers::ready(shop.lease, layers, &empty)?.open().map_err(io_error("open", "the layers of the result"))
}

/// Packages, and the databases that were not read.
pub(super) type Packages = (Vec<attest::Package>, Vec<String>);

/// A result whose files are not needed any more.
pub(super) struct Made {
    pub(super) stage: BuiltStage,
    /// What is in it, where the image is to say so.
    pub(super) packages: Option<Packages>,
}

/// Does everything with a result for which its files are needed.
pub(super) fn write(
    request: &BuildRequest,
    shop: &Workshop<'_>,
    stage: BuiltStage,
) -> std::result::Result<Made, BuildError> {
    let packages = match &request.output {
        BuildOutput::Image => request.sbom.then(|| packages(shop, &stage)).transpose()?,
        BuildOutput::Local(folder) => {
            files(shop, &stage, folder)?;
            None
        }
        BuildOutput::Tar(path) => {
            tar(shop, &stage, path.as_deref())?;
            None
        }
    };
    Ok(Made { stage, packages })
}

/// What is said of a result.
pub(super) fn attestations(
    request: &BuildRequest,
    recipe: &Recipe,
    shop: &Workshop<'_>,
    made: &Made,
) -> Vec<Said> {
    let mut said = Vec::new();
    if let Some((packages, unread)) = made.packages.clone() {
        let created = made.stage.config.created.unwrap_or(Timestamp::from_unix(0, 0));
        let predicate = move |name: &str, image: &Digest| {
            let unread: Vec<&str> = unread.iter().map(String::as_str).collect();
            attest::spdx(name, image, created, &packages, &unread)
        };
        said.push(Said { kind: attest::SPDX, predicate: Box::new(predicate) });
    }
    if request.provenance {
        let target = shop.plan.stages.get(shop.plan.target).map(|stage| stage.name.clone());
        let images = shop.images.iter();
        let provenance = Provenance {
            file: recipe.name.clone(),
            dockerfile: digest_of(recipe.text.as_bytes()),
            target: target.unwrap_or_default(),
            platform: request.plan.platform.to_string(),
            arguments: request.plan.build_args.keys().cloned().collect(),
            materials: images
                .map(|(wanted, image)| Material {
                    name: wanted.name.clone(),
                    platform: wanted.platform.to_string(),
                    digest: image.digest.clone(),
                })
                .collect(),
        };
        let predicate = move |_: &str, _: &Digest| provenance.predicate();
        said.push(Said { kind: attest::SLSA, predicate: Box::new(predicate) });
    }
    said
}

/// The packages of a result, which the same layers always have: they are looked up once.
fn packages(shop: &Workshop<'_>, stage: &BuiltStage) -> std::result::Result<Packages, BuildError> {
    let layers: Vec<u8> =
        stage.layers.iter().flat_map(|layer| layer.diff_id.as_str().bytes().chain(*b" ")).collect();
    let chain = digest_of(&layers);
    if let Some(text) = shop.cache.text("packages", &chain)
        && let Ok(found) = serde_json::from_str(&text)
    {
        return Ok(found);
    }
    let root = open_result(shop, &stage.layers)?;
    let (found, unread) = attest::packages(&root).map_err(io_error("read", "the packages of the result"))?;
    let unread: Vec<String> = unread.into_iter().map(str::to_owned).collect();
    if let Ok(text) = serde_json::to_string(&(&found, &unread)) {
        shop.cache.put_text("packages", &chain, &text);
    }
    Ok((found, unread))
}

/// Writes the image, and beside it what is said of it: an index of both, as BuildKit makes it, in which the statements' manifest
/// is also a referrer of the image's (OCI distribution-spec, "Listing Referrers").
pub(super) fn image(
    lease: &Lease,
    stage: BuiltStage,
    said: Vec<Said>,
    tags: &[ImageReference],
) -> Result<Built> {
    let layers = stage.layers.iter().map(StageLayer::descriptor);
    let layers = layers.collect::<std::result::Result<Vec<_>, _>>();
    let layers =
        layers.map_err(|source| Error::Build { file: "the image".to_owned(), source: Box::new(source) })?;
    let manifest = lease.put_image(&stage.config, layers)?;
    let config = match lease.store().document(&manifest)? {
        cofferdam_image::Document::Manifest(found) => Some(found.config),
        cofferdam_image::Document::Index(_) => None,
    };
    let image = if said.is_empty() {
        manifest.clone()
    } else {
        let platform = stage.config.platform.clone();
        let name = tags.first().map_or_else(|| "image".to_owned(), ImageReference::familiar);
        put_index(lease, &manifest, platform, &name, said)?
    };
    if tags.is_empty() {
        lease.put_unnamed(&image)?;
    }
    for tag in tags {
        lease.put_reference(tag, &image)?;
    }
    Ok(Built { image: Some(image), manifest: Some(manifest), config, cached: 0 })
}

fn put_index(
    lease: &Lease,
    manifest: &Descriptor,
    platform: Platform,
    name: &str,
    said: Vec<Said>,
) -> Result<Descriptor> {
    let json = |error: serde_json::Error| Error::io("write", "what is said of the image", error.into());
    let media_type = |text: &str| -> Result<MediaType> {
        text.parse().map_err(|error| Error::io("name", text, io::Error::other(error)))
    };
    let mut layers = Vec::new();
    for Said { kind, predicate } in said {
        let predicate = predicate(name, &manifest.digest);
        let statement = attest::statement(name, &manifest.digest, kind, &predicate);
        let bytes = serde_json::to_vec(&statement).map_err(json)?;
        let mut layer = put_blob(lease, media_type(attest::STATEMENT)?, &bytes)?;
        layer.annotations.insert("in-toto.io/predicate-type".to_owned(), kind.to_owned());
        layers.push(layer);
    }
    let nowhere = Platform {
        os: "unknown".to_owned(),
        architecture: "unknown".to_owned(),
        variant: None,
        os_version: None,
    };
    let config = ImageConfigFile {
        created: None,
        platform: nowhere.clone(),
        diff_ids: layers.iter().map(|layer| layer.digest.clone()).collect(),
        ..ImageConfigFile::new(Timestamp::from_unix(0, 0))
    };
    let config = lease.put_small(media_type(MediaType::OCI_CONFIG)?, &config.to_bytes().map_err(json)?)?;
    let statements = Manifest {
        media_type: media_type(MediaType::OCI_MANIFEST)?,
        config,
        layers,
        subject: Some(manifest.clone()),
        artifact_type: Some("application/vnd.docker.attestation.manifest.v1+json".to_owned()),
        annotations: BTreeMap::new(),
    };
    let bytes = statements.to_bytes().map_err(json)?;
    let mut statements = lease.put_small(statements.media_type, &bytes)?;
    statements.platform = Some(nowhere);
    statements.annotations = BTreeMap::from([
        (REFERENCE_TYPE.to_owned(), "attestation-manifest".to_owned()),
        (REFERENCE_DIGEST.to_owned(), manifest.digest.to_string()),
    ]);
    let index = ImageIndex {
        media_type: media_type(MediaType::OCI_INDEX)?,
        manifests: vec![Descriptor { platform: Some(platform), ..manifest.clone() }, statements],
        subject: None,
        annotations: BTreeMap::new(),
    };
    Ok(lease.put_small(index.media_type.clone(), &index.to_bytes().map_err(json)?)?)
}

/// Writes a blob that may be larger than a document.
fn put_blob(lease: &Lease, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor> {
    let failed = |source| Error::io("write", "what is said of the image", source);
    let mut draft = lease.draft()?;
    draft.write_all(bytes).map_err(failed)?;
    let (digest, size) = draft.finish()?;
    Ok(Descriptor::new(media_type, digest, size))
}

/// Copies the files of a result into a folder. They become the caller's own: a folder of the host's gets no owners, no
/// set-user-ID bits and no attributes from an image.
fn files(shop: &Workshop<'_>, stage: &BuiltStage, folder: &Path) -> std::result::Result<(), BuildError> {
    std::fs::create_dir_all(folder).map_err(io_error("make", folder))?;
    let root = open_result(shop, &stage.layers)?;
    let copy = || -> io::Result<()> {
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let target = rustix::fs::open(folder, flags, Mode::empty())?;
        let mut writer = TreeWriter::on_host(target, Owners::Writers);
        Walk { disarm: true, ..Walk::default() }.folder(&root, Path::new(""), &mut writer)?;
        writer.finish()
    };
    copy().map_err(io_error("write", folder))
}

/// Writes the files of a result as a tar.
fn tar(shop: &Workshop<'_>, stage: &BuiltStage, path: Option<&Path>) -> std::result::Result<(), BuildError> {
    let root = open_result(shop, &stage.layers)?;
    let newest = stage.config.created.map(Timestamp::unix_seconds);
    let write = |out: &mut dyn Write| -> io::Result<()> {
        let mut sink = TarSink::new(out);
        Walk { newest, ..Walk::default() }.folder(&root, Path::new(""), &mut sink)?;
        sink.finish()?.flush()
    };
    match path {
        Some(path) => {
            let mut file = File::create(path).map_err(io_error("write", path))?;
            write(&mut file).map_err(io_error("write", path))
        }
        None => write(&mut io::stdout().lock()).map_err(io_error("write", "the tar to standard output")),
    }
}
