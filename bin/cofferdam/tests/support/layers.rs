//! Images of several layers, put into a home's store.

use std::path::{Path, PathBuf};

use cofferdam_image::{ImageConfigFile, LayerOptions, Lease, Store};
use cofferdam_kernel::mount::{Attributes, attach_at_path, new_filesystem};

use super::{Home, busybox_root};

/// Makes an image of folders, the lowest first, and changes its configuration.
pub fn image(home: &Home, name: &str, layers: &[&Path], change: impl FnOnce(&mut ImageConfigFile)) -> String {
    let folder = home.path().join("state/images");
    std::fs::create_dir_all(&folder).unwrap();
    for private in [folder.parent().unwrap(), &folder] {
        std::fs::set_permissions(private, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
    let store = Store::open(&folder).unwrap();
    let lease = store.lease().unwrap();
    let mut config = ImageConfigFile::new("2024-01-02T03:04:05Z".parse().unwrap());
    config.cmd = vec!["/bin/sh".to_owned()];
    config.env = vec!["PATH=/bin".to_owned()];
    let blobs = layers.iter().map(|layer| add(&lease, layer, &mut config)).collect();
    change(&mut config);
    lease.commit(&config, blobs, &[name.parse().unwrap()]).unwrap().digest.to_string()
}

fn add(lease: &Lease, folder: &Path, config: &mut ImageConfigFile) -> cofferdam_image::Descriptor {
    let layer = lease.write_layer(folder, &LayerOptions::default()).unwrap();
    config.diff_ids.push(layer.diff_id);
    layer.descriptor
}

/// A busybox, and so many layers above it, each with a file of its own: `/layer-1` and so on.
pub fn busybox_with(home: &Home, test: &str, name: &str, more: usize) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let root = busybox_root(test, folder.path())?;
    let mut layers = vec![root];
    for number in 1..=more {
        let layer = folder.path().join(format!("layer{number}"));
        std::fs::create_dir(&layer).unwrap();
        std::fs::write(layer.join(format!("layer-{number}")), format!("{number}\n")).unwrap();
        layers.push(layer);
    }
    let layers: Vec<&Path> = layers.iter().map(PathBuf::as_path).collect();
    Some(image(home, name, &layers, |_| {}))
}

/// A layer whose files can be looked at by paths: a folder, or an image that is mounted meanwhile.
pub struct Seen {
    files: PathBuf,
    mounted: Option<tempfile::TempDir>,
}

impl Seen {
    pub fn of(files: &Path) -> Self {
        if files.is_dir() {
            return Self { files: files.to_owned(), mounted: None };
        }
        let at = tempfile::tempdir().unwrap();
        let source = files.to_str().unwrap();
        let mount = new_filesystem("erofs", source, [], Attributes::NONE).unwrap();
        attach_at_path(mount, at.path()).unwrap();
        Self { files: at.path().to_owned(), mounted: Some(at) }
    }
}

impl std::ops::Deref for Seen {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.files
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        if let Some(at) = &self.mounted {
            rustix::mount::unmount(at.path(), rustix::mount::UnmountFlags::DETACH).unwrap();
        }
    }
}
