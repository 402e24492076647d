//! Copies configuration: what everybody on the host may read, and nothing else.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, symlink};
use std::path::Path;

use super::allow_list::{holds_credentials, is_never};
use super::{HostImageError, failed};

/// Files above this size are no configuration.
const MOST_BYTES: u64 = 16 << 20;

/// Copies one entry with all below it. What is missing, no file, folder or link, or not readable for everybody is
/// left out: permissions are the host's own word on what is secret.
pub(super) fn entry(from: &Path, to: &Path) -> Result<(), HostImageError> {
    let Ok(metadata) = from.symlink_metadata() else { return Ok(()) };
    if from.file_name().is_some_and(|name| is_never(&name.to_string_lossy())) {
        return Ok(());
    }
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let target = fs::read_link(from).map_err(failed("read link", from))?;
        return symlink(target, to).map_err(failed("make link", to));
    }
    if metadata.mode() & 0o004 == 0 || kind.is_socket() || kind.is_fifo() {
        return Ok(());
    }
    if kind.is_dir() {
        if metadata.mode() & 0o001 == 0 {
            return Ok(());
        }
        folder(to)?;
        for entry in fs::read_dir(from).map_err(failed("read folder", from))? {
            let name = entry.map_err(failed("read folder", from))?.file_name();
            self::entry(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    if kind.is_file() && metadata.len() <= MOST_BYTES {
        let text = match fs::read(from) {
            Ok(text) => text,
            // An ordinary user's engine, and a stricter rule than the permission bits: left out like the others.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            Err(error) => return Err(failed("read", from)(error)),
        };
        if !holds_credentials(&text) {
            file(to, &text, metadata.mode() & 0o755)?;
        }
    }
    Ok(())
}

/// Makes a folder that everybody may enter.
pub(super) fn folder(path: &Path) -> Result<(), HostImageError> {
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed("make folder", path)(error)),
        _ => Ok(()),
    }
}

/// Makes a file with these permission bits (the umask is not asked: it is another's choice).
pub(super) fn file(path: &Path, text: &[u8], mode: u32) -> Result<(), HostImageError> {
    let write = || {
        let mut file: File = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text)?;
        rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(mode))?;
        Ok(())
    };
    write().map_err(failed("write", path))
}
