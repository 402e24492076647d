//! The terminal of a container's process: opened in the container's own devpts.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use cofferdam_confinement::{Process, WindowSize};
use cofferdam_kernel::mount::{Depth, attach, clone_tree};
use cofferdam_kernel::task::set_controlling_terminal;
use cofferdam_names::ContainerPath;
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::rootfs::root_dir::RootDir;
use crate::step::{Step, StepError};

/// Both sides of a terminal.
pub(crate) struct Terminal {
    pub(crate) master: OwnedFd,
    pub(crate) slave: OwnedFd,
}

/// Opens a new terminal of the container. The slave is taken through the master (`TIOCGPTPEER`), never by a path that
/// the container could have replaced (CVE-2025-52565).
pub(crate) fn open(process: &Process, root: &RootDir) -> Result<Terminal, StepError> {
    Step::Terminal.run("/dev/pts/ptmx", || {
        let master = root.open("dev/pts/ptmx", OFlags::RDWR | OFlags::NOCTTY)?;
        rustix::pty::unlockpt(&master)?;
        let slave =
            ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        let owner = rustix::fs::Uid::from_raw(process.user.uid);
        rustix::fs::fchown(&slave, Some(owner), None)?;
        if let Some(WindowSize { rows, columns }) = process.window {
            tcsetwinsize(&slave, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?;
        }
        Ok(Terminal { master, slave })
    })
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
