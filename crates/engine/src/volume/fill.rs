//! A new volume begins with what the image has at its place, as Docker's do.

use std::io;
use std::path::{Path, PathBuf};

use cofferdam_kernel::file_lock;
use cofferdam_names::ContainerPath;

use super::folder::VolumeFolder;
use crate::error::{Error, Result};
use cofferdam_image::tree::merged::Merged;
use cofferdam_image::tree::owners::Owners;
use cofferdam_image::tree::walk::Walk;
use cofferdam_image::tree::writer::TreeWriter;

/// Copies a folder of the image into the volume, if that is empty. The folder is resolved inside the image (CVE-2022-23648);
/// where the image has none, there is nothing to copy.
pub(super) fn fill(volume: &VolumeFolder, layers: &[PathBuf], target: &ContainerPath) -> Result<()> {
    let failed = |source| Error::io("fill", format!("volume {}", volume.meta.name), source);
    // One fills it, the others wait and find it full.
    let lock = std::fs::File::options().read(true).write(true).open(volume.lock_file()).map_err(failed)?;
    file_lock::lock(&lock).map_err(failed)?;
    let data = volume.data();
    if std::fs::read_dir(&data).map_err(failed)?.next().is_some() {
        return Ok(());
    }
    copy(layers, target, &data).map_err(failed)
}

fn copy(layers: &[PathBuf], target: &ContainerPath, data: &Path) -> io::Result<()> {
    // An ordinary user cannot give files away.
    let owners = if rustix::process::geteuid().is_root() { Owners::Same } else { Owners::Writers };
    let image = Merged::open(layers)?;
    let mut writer = TreeWriter::at_path(data, owners)?;
    let copied = image
        .folder(Path::new(target.relative()), &Walk::default(), Path::new(""), &mut writer)
        .and_then(|_| writer.finish());
    if copied.is_err() {
        // Half a copy would count as the volume's own content.
        cofferdam_image::tree::removal::remove(data)?;
        std::fs::create_dir(data)?;
    }
    copied
}
