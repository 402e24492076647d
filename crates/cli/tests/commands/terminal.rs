//! A terminal for a command: a pseudo terminal whose other side is the test.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::home::Home;

/// A command on a terminal of its own.
pub struct Terminal {
    /// The test's side.
    ours: File,
    /// Kept open, so that the settings can be read after the command has ended.
    theirs: OwnedFd,
    child: Child,
    seen: String,
}

const PATIENCE: Duration = Duration::from_secs(10);

impl Terminal {
    /// Starts a command; setsid(1) makes the terminal its controlling one, so that it gets SIGWINCH.
    pub fn start(home: &Home, words: &[&str], rows: u16, columns: u16) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
        tcsetwinsize(&ours, size(rows, columns)).unwrap();
        let stdio = || Stdio::from(theirs.try_clone().unwrap());
        let child = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .arg(home.program())
            .args(words)
            .env("COFFERDAM_ROOT", home.path().join("root"))
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .unwrap();
        Self { ours: File::from(ours), theirs, child, seen: String::new() }
    }

    /// Types something.
    pub fn types(&mut self, text: &str) {
        self.ours.write_all(text.as_bytes()).unwrap();
    }

    pub fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(&self.ours, size(rows, columns)).unwrap();
    }

    /// Sends the command itself a signal: setsid(1) has become it.
    pub fn signals(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// The terminal's settings.
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.theirs).unwrap()
    }

    /// Reads until the text has appeared after what was read before.
    pub fn sees(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.seen.contains(text) {
            assert!(Instant::now() < end, "waited in vain for {text:?} in {:?}", self.seen);
            self.read_some();
        }
        let at = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..at);
    }

    fn read_some(&mut self) {
        let mut fds = [PollFd::new(&self.ours, PollFlags::IN)];
        let wait = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        if poll(&mut fds, Some(&wait)).unwrap() > 0 {
            let mut buffer = [0; 4096];
            let count = self.ours.read(&mut buffer).unwrap_or(0);
            self.seen += &String::from_utf8_lossy(&buffer[..count]);
        }
    }

    /// Waits for the end; the exit code.
    pub fn ends(&mut self) -> i32 {
        let end = Instant::now() + PATIENCE;
        loop {
            self.read_some();
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < end, "waited in vain for the end; seen {:?}", self.seen);
        }
    }

    /// What has been printed and not been waited for.
    pub fn rest(&mut self) -> &str {
        self.read_some();
        &self.seen
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Gone already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.theirs.as_fd();
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
