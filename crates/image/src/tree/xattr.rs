//! Extended attributes of files (xattr(7)), and which of them may come from outside.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::AsFd;

use cofferdam_kernel::credentials::is_root_of_host;
use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
use rustix::io::Errno;

/// The kernel's most (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
const MOST_BYTES: usize = 65_536;

/// Whether an attribute of a foreign file is taken over: file capabilities, access lists and a user's own. Not those with
/// which an overlay file system finds its way (`trusted.overlay.redirect` and its `user.` twin lead to other files), and no
/// label of a security module.
pub(crate) fn may_travel(name: &[u8]) -> bool {
    match name {
        b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default" => true,
        name => name.starts_with(b"user.") && !name.starts_with(b"user.overlay."),
    }
}

/// The attributes of an open file or folder that may travel. A file system without any has none.
pub(super) fn read(file: impl AsFd) -> io::Result<Vec<(CString, Vec<u8>)>> {
    let mut names = Vec::new();
    match flistxattr(
        &file,
        rustix::buffer::spare_capacity({
            names.reserve(MOST_BYTES);
            &mut names
        }),
    ) {
        Ok(_) => {}
        Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| may_travel(name)) {
        let name = CString::new(name)?;
        let mut value = Vec::with_capacity(MOST_BYTES);
        match fgetxattr(&file, name.as_c_str(), rustix::buffer::spare_capacity(&mut value)) {
            Ok(_) => {
                value.shrink_to_fit();
                found.push((name, value));
            }
            // Gone since it was listed.
            Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// Gives an open file or folder these attributes. An ordinary user may set none but a user's own: the others stay away, as
/// the owners of files do.
pub(super) fn write(file: impl AsFd, xattrs: &[(CString, Vec<u8>)]) -> io::Result<()> {
    for (name, value) in xattrs {
        match fsetxattr(&file, name.as_c_str(), value, XattrFlags::empty()) {
            Ok(()) => {}
            Err(Errno::PERM | Errno::INVAL) if !is_root_of_host() => {}
            // A file system that has no such attributes (a tmpfs has no `user.` ones): the file is as good as it can be there.
            Err(Errno::NOTSUP) if name.to_bytes().starts_with(b"user.") => {}
            Err(error) => {
                let name: &CStr = name;
                return Err(io::Error::new(
                    io::Error::from(error).kind(),
                    format!("attribute {}: {error}", name.to_string_lossy()),
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_overlay_reads_stays_away() {
        for (name, travels) in [
            ("security.capability", true),
            ("user.mime_type", true),
            ("system.posix_acl_access", true),
            ("trusted.overlay.opaque", false),
            ("trusted.overlay.redirect", false),
            ("user.overlay.whiteout", false),
            ("security.selinux", false),
            ("security.ima", false),
            ("", false),
        ] {
            assert_eq!(may_travel(name.as_bytes()), travels, "{name}");
        }
    }
}
