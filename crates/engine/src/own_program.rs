//! Where this program's file is.

use std::path::PathBuf;

use cofferdam_runtime::start::PROGRAM_VARIABLE;

/// The file of this program, for `--init`. A process that runs from a copy of it (CVE-2019-5736) was told where it came from
/// by the one that made the copy.
pub(crate) fn path() -> Option<PathBuf> {
    let own = std::fs::read_link("/proc/self/exe").ok().filter(|path| is_same_file(path));
    own.or_else(|| {
        std::env::var_os(PROGRAM_VARIABLE)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute() && path.is_file())
    })
}

/// Whether the path still leads to what runs: a copy's path (`/memfd:...`, or one in no mount namespace) does not.
fn is_same_file(path: &std::path::Path) -> bool {
    let stat = |path: &std::path::Path| rustix::fs::stat(path).map(|stat| (stat.st_dev, stat.st_ino)).ok();
    stat(path).is_some_and(|found| Some(found) == stat(std::path::Path::new("/proc/self/exe")))
}
