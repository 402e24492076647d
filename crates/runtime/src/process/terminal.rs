//! The terminal of a container's process: opened in the container's own devpts.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use cofferdam_confinement::WindowSize;
use cofferdam_kernel::mount::{Depth, attach, clone_tree};
use cofferdam_kernel::task::set_controlling_terminal;
use cofferdam_names::ContainerPath;
use rustix::fs::{FileType, OFlags, Uid, fstat, fstatfs, major, minor};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::rootfs::root_dir::RootDir;
use crate::step::{Step, StepError};

/// `/dev/ptmx` and a devpts's own `ptmx` (`<linux/major.h>`).
const PTMX_DEVICE: (u32, u32) = (5, 2);
/// statfs(2)
const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;

/// Both sides of a terminal.
pub(crate) struct Terminal {
    pub(crate) master: OwnedFd,
    pub(crate) slave: OwnedFd,
}

/// Opens a new terminal of the container for a user, named as the caller's user namespace numbers it.
///
/// What stands at `/dev/pts/ptmx` is looked at before it is opened, and the slave is taken through the master
/// (`TIOCGPTPEER`), never by a path that the container could have replaced (CVE-2025-52565).
pub(crate) fn open(owner: u32, window: Option<WindowSize>, root: &RootDir) -> Result<Terminal, StepError> {
    Step::Terminal.run("/dev/pts/ptmx", || {
        check_multiplexer(&root.open("dev/pts/ptmx", OFlags::PATH)?)?;
        let master = root.open("dev/pts/ptmx", OFlags::RDWR | OFlags::NOCTTY)?;
        // Once more: it could have been swapped in between.
        check_multiplexer(&master)?;
        rustix::pty::unlockpt(&master)?;
        let slave =
            ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        rustix::fs::fchown(&slave, Some(Uid::from_raw(owner)), None)?;
        if let Some(WindowSize { rows, columns }) = window {
            tcsetwinsize(&slave, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?;
        }
        Ok(Terminal { master, slave })
    })
}

fn check_multiplexer(file: &OwnedFd) -> io::Result<()> {
    let stat = fstat(file)?;
    let is_multiplexer = (major(stat.st_rdev), minor(stat.st_rdev)) == PTMX_DEVICE
        && FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && u64::try_from(fstatfs(file)?.f_type).is_ok_and(|magic| magic == DEVPTS_SUPER_MAGIC);
    if is_multiplexer { Ok(()) } else { Err(io::Error::other("it is no terminal multiplexer of a devpts")) }
}

/// Shows the terminal at `/dev/console`, by descriptor.
pub(crate) fn bind_console(terminal: &Terminal, root: &RootDir) -> Result<(), StepError> {
    Step::Terminal.run("/dev/console", || {
        let console: ContainerPath = "/dev/console".parse().map_err(io::Error::other)?;
        let target = root.make_file(&console)?;
        attach(clone_tree(&terminal.slave, "", Depth::One)?, target)
    })
}

/// Makes the slave the controlling terminal and the three standard streams of the caller's session.
pub(crate) fn enter(slave: &OwnedFd) -> Result<(), StepError> {
    Step::Terminal.run("controlling terminal", || set_controlling_terminal(slave))?;
    become_stdio([slave.as_fd(), slave.as_fd(), slave.as_fd()])
}

/// Puts three descriptors in the places of standard input, output and error.
pub(crate) fn become_stdio([stdin, stdout, stderr]: [BorrowedFd<'_>; 3]) -> Result<(), StepError> {
    Step::Terminal.run("standard streams", || {
        rustix::stdio::dup2_stdin(stdin)?;
        rustix::stdio::dup2_stdout(stdout)?;
        rustix::stdio::dup2_stderr(stderr)?;
        Ok(())
    })
}
