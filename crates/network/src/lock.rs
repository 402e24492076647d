//! One change at a time: whoever changes the table, or decides by what is in it, holds this lock. It ends with its holder.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use cofferdam_kernel::file_lock;
use rustix::fs::FlockOperation;

/// The whole machine's, whatever the state folder is, because the table is.
const PATH: &str = "/run/cofferdam-network.lock";
/// An ordinary user's network is a namespace of the engine's own, which stands for itself.
const NAMESPACE: &str = "/proc/self/ns/net";

/// The lock, held.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "it is what is locked")] File);

impl Lock {
    pub(crate) fn take() -> io::Result<Self> {
        let file = if rustix::process::geteuid().is_root() {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = options.custom_flags(libc_nofollow()).open(PATH)?;
            file_lock::lock(&file)?;
            file
        } else {
            let file = File::open(NAMESPACE)?;
            // It cannot be opened to write, as the other kind of lock wants it.
            rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))?;
            file
        };
        Ok(Self(file))
    }
}

/// `O_NOFOLLOW`: a link in the file's place is not the lock.
fn libc_nofollow() -> i32 {
    i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0)
}
