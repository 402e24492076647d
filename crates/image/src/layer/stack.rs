//! The layers of an image as one image of names ([`erofs::write_stack`]): a container mounts it once, instead of each layer.
//!
//! `layers/<hex>/` holds `stack.erofs` and what it was made of, under the digest of the layers' own digests. It shows what an overlay
//! of the layers shows. Content stays in the layers' images, which are its devices; only of layers that hold little it is copied.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cofferdam_kernel::credentials::is_root_of_host;
use cofferdam_kernel::mount::{Attributes, new_filesystem};
use cofferdam_names::Digest;
use serde::{Deserialize, Serialize};

use super::record::{Identity, this_boot};
use super::unpack::lock;
use super::verify::of_file;
use super::{IMAGE, LayerError, LayerForm, RECORD, remove};
use crate::{Lease, Store, StoreError, digest_of, erofs};

/// The version of records, and of the images that they are of.
const VERSION: u32 = 2;

/// From how many layers on one image is made of them: fewer are mounted as fast one by one.
const FROM: usize = 3;

/// Its name.
const STACK: &str = "stack.erofs";

/// Layers as one, ready to be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// The image of names.
    pub image: PathBuf,
    /// The layers, topmost first.
    pub layers: Vec<PathBuf>,
    /// Those that are its devices, in this order: of the others it holds the files' content itself.
    pub devices: Vec<PathBuf>,
}

/// What a stack was made of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    boot: String,
    identity: Identity,
    /// Topmost first.
    layers: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    diff_id: Digest,
    identity: Identity,
    /// Whether it is a device of the stack.
    device: bool,
}

/// The name of a stack of these layers, the lowest first.
pub(crate) fn stack_id(diff_ids: &[Digest]) -> Digest {
    let names: Vec<&str> = diff_ids.iter().map(Digest::as_str).collect();
    digest_of(format!("cofferdam stack\n{}", names.join("\n")).as_bytes())
}

impl Store {
    /// The layers of an image, the lowest first, as one, if that was made. Each of them is the one that it was made of, as
    /// [`Store::layer`] tells.
    ///
    /// # Errors
    /// Its record cannot be read.
    pub fn stack(&self, diff_ids: &[Digest]) -> Result<Option<Stack>, StoreError> {
        if diff_ids.len() < FROM {
            return Ok(None);
        }
        let folder = self.layer_folder(&stack_id(diff_ids));
        let path = folder.join(RECORD);
        let record: Option<Record> = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(StoreError::io("read", &path)(error)),
        };
        let Some(record) = record else { return Ok(None) };
        let image = folder.join(STACK);
        let same = |path: &Path, identity| Identity::of(path).is_ok_and(|found| found == identity);
        let known = record.version == VERSION && this_boot().is_ok_and(|boot| boot == record.boot);
        if !known || !same(&image, record.identity) {
            return Ok(None);
        }
        let (mut layers, mut devices) = (Vec::with_capacity(record.layers.len()), Vec::new());
        for Part { diff_id, identity, device } in record.layers {
            let layer = self.layer_folder(&diff_id).join(IMAGE);
            if !diff_ids.contains(&diff_id) || !same(&layer, identity) {
                return Ok(None);
            }
            if device {
                devices.push(layer.clone());
            }
            layers.push(layer);
        }
        Ok(Some(Stack { image, layers, devices }))
    }

    /// Whether a stack that is ready is what its layers make.
    ///
    /// # Errors
    /// It is not, or cannot be read.
    pub(crate) fn verify_stack(&self, diff_ids: &[Digest]) -> Result<(), LayerError> {
        let Some(stack) = self.stack(diff_ids)? else { return Ok(()) };
        let id = stack_id(diff_ids);
        let _lease = self.lease()?;
        let scratch = self.layers().join(format!(".new-verify-{}-{}", id.hex(), std::process::id()));
        remove(&scratch)?;
        let compared = fill(&scratch, &stack.layers)
            .and_then(|_| Ok(of_file(&scratch.join(STACK))? == of_file(&stack.image)?));
        remove(&scratch)?;
        match compared {
            Ok(true) => Ok(()),
            Ok(false) => Err(StoreError::Changed { diff_id: id }.into()),
            Err(source) => Err(LayerError::Unpack { diff_id: id, source }),
        }
    }
}

impl Lease {
    /// Makes the layers of an image, which are ready, into one. None if they are few, or too large, or not all images, or this
    /// kernel does not mount what comes of it: they are mounted one by one then.
    ///
    /// # Errors
    /// A layer is not ready, or cannot be read, or the store cannot be written.
    pub fn make_stack(&self, diff_ids: &[Digest]) -> Result<Option<Stack>, LayerError> {
        let store = self.store();
        let wanted = diff_ids.len() >= FROM && store.form() == LayerForm::Best;
        if !wanted || !is_root_of_host() {
            return Ok(None);
        }
        let id = stack_id(diff_ids);
        let _locked = lock(store, &id)?;
        if let Some(stack) = store.stack(diff_ids)? {
            return Ok(Some(stack));
        }
        let layers = store.snapshot(diff_ids)?;
        if layers.len() < FROM || !layers.iter().all(|layer| layer.ends_with(IMAGE)) {
            return Ok(None);
        }
        let draft = store.layers().join(format!(".new-{}", id.hex()));
        remove(&draft)?;
        let failed = |source| LayerError::Unpack { diff_id: id.clone(), source };
        let made = fill(&draft, &layers).and_then(|devices| match devices {
            Some(devices) => record(&draft, &layers, &devices).map(|()| true),
            None => Ok(false),
        });
        if !made.as_ref().is_ok_and(|made| *made) {
            remove(&draft)?;
            return made.map(|_| None).map_err(failed);
        }
        let place = store.layer_folder(&id);
        remove(&place)?;
        std::fs::rename(&draft, &place).map_err(StoreError::io("write", &place))?;
        Ok(store.stack(diff_ids)?)
    }
}

/// Writes a stack into a new folder; answers which of the layers are its devices. None if there can be none.
fn fill(draft: &Path, layers: &[PathBuf]) -> io::Result<Option<Vec<usize>>> {
    std::fs::DirBuilder::new().mode(0o700).create(draft)?;
    let path = draft.join(STACK);
    let file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
    let Some(devices) = erofs::write_stack(layers, &file)? else { return Ok(None) };
    let paths: Vec<&Path> = devices.iter().filter_map(|at| layers.get(*at)).map(PathBuf::as_path).collect();
    Ok(open_stack(&path, &paths).is_ok().then_some(devices))
}

fn record(draft: &Path, layers: &[PathBuf], devices: &[usize]) -> io::Result<()> {
    let part = |(at, layer): (usize, &PathBuf)| {
        let name = layer.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let diff_id = format!("sha256:{name}").parse().map_err(io::Error::other)?;
        Ok(Part { diff_id, identity: Identity::of(layer)?, device: devices.contains(&at) })
    };
    let layers = layers.iter().enumerate().map(part).collect::<io::Result<_>>()?;
    let identity = Identity::of(&draft.join(STACK))?;
    let record = Record { version: VERSION, boot: this_boot()?, identity, layers };
    std::fs::write(draft.join(RECORD), serde_json::to_vec(&record)?)
}

/// Mounts a stack for as long as the descriptor lives.
///
/// # Errors
/// A file cannot be opened, or the kernel does not mount it.
fn open_stack(image: &Path, devices: &[&Path]) -> io::Result<OwnedFd> {
    let open = |path: &Path| File::options().read(true).open(path);
    let image = open(image)?;
    let devices = devices.iter().map(|device| open(device)).collect::<io::Result<Vec<File>>>()?;
    let options: Vec<String> =
        devices.iter().map(|device| format!("device=/proc/self/fd/{}", device.as_raw_fd())).collect();
    let source = format!("/proc/self/fd/{}", image.as_raw_fd());
    new_filesystem("erofs", &source, options.iter().map(String::as_str), Attributes::NONE)
}
