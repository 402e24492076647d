//! Terminals: raw mode that is undone whatever happens, and sizes (termios(3)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::termios::{OptionalActions, Termios, Winsize, tcgetattr, tcsetattr};

/// A terminal in raw mode; dropping it gives the mode from before back.
#[derive(Debug)]
pub struct RawMode<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> RawMode<'a> {
    /// Puts the terminal into raw mode (cfmakeraw(3)).
    ///
    /// # Errors
    /// ENOTTY, or EIO for a terminal that has been hung up.
    pub fn enter(terminal: BorrowedFd<'a>) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        // After what was written has gone out, so that a prompt is not garbled.
        tcsetattr(terminal, OptionalActions::Drain, &raw)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        // A terminal that has gone needs no mode; there is nobody to tell either.
        let _ = tcsetattr(self.terminal, OptionalActions::Drain, &self.before);
    }
}

/// Rows and columns; none where the terminal does not know them.
///
/// # Errors
/// ENOTTY
pub fn size(terminal: impl AsFd) -> io::Result<Option<(u16, u16)>> {
    let size = rustix::termios::tcgetwinsize(terminal)?;
    Ok((size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col)))
}

/// Sets rows and columns; the foreground processes of the terminal get SIGWINCH.
///
/// # Errors
/// ENOTTY
pub fn set_size(terminal: impl AsFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(rustix::termios::tcsetwinsize(terminal, size)?)
}

#[cfg(test)]
mod tests {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    use rustix::termios::LocalModes;

    use super::*;

    #[test]
    fn raw_mode_is_undone_and_sizes_travel() {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let echoes = || tcgetattr(&slave).unwrap().local_modes.contains(LocalModes::ECHO);
        assert!(echoes());
        let raw = RawMode::enter(slave.as_fd()).unwrap();
        assert!(!echoes());
        drop(raw);
        assert!(echoes());
        assert_eq!(size(&slave).unwrap(), None);
        set_size(&master, 24, 80).unwrap();
        assert_eq!(size(&slave).unwrap(), Some((24, 80)));
        assert!(size(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
