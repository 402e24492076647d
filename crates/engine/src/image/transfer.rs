//! Images in archives and folders, root file systems as tars, and whether all of it is as it should be.

use std::io::{Read, Write};
use std::path::Path;

use cofferdam_image::tree::LeftOut;
use cofferdam_image::tree::merged::Merged;
use cofferdam_image::tree::owners::Owners;
use cofferdam_image::tree::pack::TarSink;
use cofferdam_image::tree::walk::Walk;
use cofferdam_image::tree::writer::TreeWriter;
use cofferdam_image::{
    Descriptor, LayerForm, Loaded, Platform, Store, StoreError, StoredImage, TransferError, Verified,
};
use cofferdam_names::{ContainerId, ImageReference};
use cofferdam_policy::HOST_IMAGE;
use rustix::fs::{Mode, OFlags};

use super::ready::described;
use crate::Engine;
use crate::error::{Error, Result};
use crate::own_namespace::{as_root, subordinate_maps};

/// Where images are loaded from.
pub enum LoadSource<'a> {
    /// An archive: Docker's or OCI's, compressed or not.
    Archive(&'a mut dyn Read),
    /// A folder: an OCI image layout.
    Folder(&'a Path),
}

impl std::fmt::Debug for LoadSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Archive(_) => f.write_str("Archive"),
            Self::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
        }
    }
}

impl Engine {
    /// Takes images in and unpacks those for this machine.
    ///
    /// # Errors
    /// The source holds none, or one is not what it should be. Then none of them stays that was not here before.
    pub fn load_images(&self, source: LoadSource<'_>) -> Result<Vec<Loaded>> {
        let store = self.image_store()?;
        store.sweep()?;
        let loaded = {
            let lease = store.lease()?;
            let loaded = match source {
                LoadSource::Archive(stream) => lease.load(stream),
                LoadSource::Folder(folder) => lease.load_folder(folder),
            };
            loaded.map_err(Error::from).and_then(|loaded| {
                for Loaded { image, names } in &loaded {
                    if names.iter().any(|name| name.familiar_repository() == HOST_IMAGE) {
                        let why =
                            std::io::Error::other("this name is built in: it means the host's own programs");
                        return Err(Error::io("load", "image host", why));
                    }
                    match store.manifest(image, &Platform::host()) {
                        Ok((_, manifest)) if manifest.is_image() => {
                            let config = store.config(&manifest)?;
                            lease.unpack_all(&manifest, &config)?;
                            // What cannot be made one is mounted layer by layer.
                            let _ = lease.make_stack(&config.diff_ids);
                        }
                        // An artifact, or an image for other machines.
                        Ok(_) | Err(StoreError::NoPlatform { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                // Names last: what cannot be unpacked gets none.
                for Loaded { image, names } in &loaded {
                    lease.keep_as(image, names)?;
                }
                Ok(loaded)
            })
        };
        match loaded {
            Ok(loaded) => {
                for name in loaded.iter().flat_map(|image| &image.names) {
                    self.tell_of_image("load", &name.familiar());
                }
                Ok(loaded)
            }
            Err(error) => {
                self.collect_images(&store)?;
                Err(error)
            }
        }
    }

    /// Writes images, each under the name that was asked for, or under all of its names if it was meant by its id.
    ///
    /// # Errors
    /// One is not there or not what it should be, or the target cannot be written.
    pub fn save_images(&self, words: &[String], out: &mut dyn Write) -> Result<()> {
        let (store, images) = self.chosen(words)?;
        let mut tar = TarSink::new(out);
        store.save(&images, &mut tar)?;
        tar.finish().map_err(TransferError::Write)?;
        Ok(())
    }

    /// The same as an OCI image layout in a folder, which is made.
    ///
    /// # Errors
    /// As [`Engine::save_images`].
    pub fn save_images_to(&self, words: &[String], folder: &Path) -> Result<()> {
        let (store, images) = self.chosen(words)?;
        let failed = |source| Error::io("write", folder.display(), source);
        std::fs::create_dir(folder).map_err(failed)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::open(folder, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        let mut writer = TreeWriter::on_host(open, Owners::Writers);
        store.save(&images, &mut writer)?;
        writer.finish().map_err(failed)
    }

    fn chosen(&self, words: &[String]) -> Result<(Store, Vec<StoredImage>)> {
        let store = self.image_store()?;
        let mut images: Vec<StoredImage> = Vec::new();
        for word in words {
            let found = self.find_image(&store, word)?;
            let asked = word.parse::<ImageReference>().ok().filter(|name| found.names.contains(name));
            let names = asked.map_or_else(|| found.names.clone(), |name| vec![name]);
            match images.iter_mut().find(|other| other.descriptor.digest == found.descriptor.digest) {
                Some(other) => other.names.extend(names),
                None => images.push(StoredImage { descriptor: found.descriptor, names }),
            }
        }
        Ok((store, images))
    }

    /// Writes an image's root file system as one tar.
    ///
    /// # Errors
    /// There is no such image, or a file cannot be read, or the tar not written.
    pub fn export_image(&self, word: &str, out: &mut dyn Write) -> Result<()> {
        let failed = |source| Error::io("export", format!("image {word}"), source);
        let merged = self.merged(word)?;
        let mut tar = TarSink::new(out);
        let walk = Walk { pipes: true, ..Walk::default() };
        merged.folder(Path::new(""), &walk, Path::new(""), &mut tar).map_err(failed)?;
        tar.finish().map_err(failed)?;
        Ok(())
    }

    /// The files of an image as one tree.
    pub(crate) fn merged(&self, word: &str) -> Result<Merged> {
        let store = self.image_store()?;
        let image = self.find_image(&store, word)?;
        // Of one that does not run here the files are shown, too.
        let platform = described(&store, &image.descriptor)?.config.platform;
        let ready = self.ready_stored(&store, &image.descriptor, &platform)?;
        Merged::open(&ready.layers).map_err(|source| Error::io("open", format!("image {word}"), source))
    }

    /// Writes a container's root file system as one tar, without what is mounted in it.
    ///
    /// # Errors
    /// A file cannot be read, or the tar not written.
    pub fn export(&self, id: &ContainerId, out: &mut dyn Write) -> Result<LeftOut> {
        let failed = |source| Error::io("export", format!("container {}", id.short()), source);
        self.definition(id)?.tell(&self.paths, "export", &[]);
        let inside = self.open_inside(id)?;
        let walk = Walk {
            from_host_ids: inside.maps.as_ref(),
            one_file_system: true,
            pipes: true,
            ..Walk::default()
        };
        let work = || {
            let root = inside.root.open(".", OFlags::RDONLY | OFlags::DIRECTORY)?;
            let mut tar = TarSink::new(out);
            let left_out = walk.folder(&root, Path::new(""), &mut tar)?;
            tar.finish()?;
            Ok(left_out)
        };
        work().map_err(failed)
    }

    /// Reads images whole: each blob, each document, and the files of each unpacked layer.
    ///
    /// # Errors
    /// There is no such image, or the store cannot be read. What is wrong in it is no error but a finding.
    pub fn verify_images(&self, words: &[String]) -> Result<Verified> {
        let store = self.image_store()?;
        let (mut verified, mut images) = (Verified::default(), Vec::new());
        for word in words {
            let image = self.find_image(&store, word)?.descriptor;
            store.verify_image(&image, &mut verified);
            images.push(image);
        }
        verify_owned(&store, &images, &mut verified)?;
        Ok(verified)
    }

    /// Reads the whole store.
    ///
    /// # Errors
    /// It cannot be read. What is wrong in it is no error but a finding.
    pub fn verify_all_images(&self) -> Result<Verified> {
        let store = self.image_store()?;
        let mut verified = store.verify_all()?;
        let images: Vec<_> = store.images()?.into_iter().map(|image| image.descriptor).collect();
        verify_owned(&store, &images, &mut verified)?;
        Ok(verified)
    }
}

/// The same of layers that an ordinary user's builds keep with their owners, as one who may read them.
fn verify_owned(store: &Store, images: &[Descriptor], verified: &mut Verified) -> Result<()> {
    if store.owned_layers().is_none() {
        return Ok(());
    }
    let Some(maps) = subordinate_maps()? else { return Ok(()) };
    let owned = store.clone().with_form(LayerForm::Owned);
    let (layers, problems) = as_root(&maps, "verify layers", || {
        let mut found = Verified::default();
        images.iter().for_each(|image| owned.verify_layers(image, &mut found));
        Ok((found.layers, found.problems))
    })?;
    verified.layers += layers;
    verified.problems.extend(problems);
    Ok(())
}
