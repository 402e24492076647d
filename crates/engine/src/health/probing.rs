//! One probe from its start to its end: bounded in time, and in what is kept of its output.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use cofferdam_kernel::proc::ProcFs;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};

use crate::exec_session::ExecSession;

/// Docker keeps so many bytes of a probe's output.
const MOST_OUTPUT: usize = 4096;
/// Bytes that are read at a time.
const CHUNK: usize = 4096;
/// What is written beyond what is kept is read this slowly: it is the container that decides how much there is, and not its processor
/// time that is spent.
const PAUSE: Duration = Duration::from_millis(10);
/// How long a process that was killed is waited for.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked for processes of a probe that is ended. One that makes more than can be killed is stopped by its container's
/// limit of processes, and by its end.
const ROUNDS: usize = 50;

/// How a probe ended.
#[derive(Debug)]
pub(super) enum Ending {
    Exited { code: i32, output: String },
    Overdue { output: String },
}

/// The beginning of what was written.
#[derive(Debug, Default)]
struct Output {
    kept: Vec<u8>,
    more: bool,
}

impl Output {
    fn add(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(MOST_OUTPUT - self.kept.len());
        self.kept.extend(bytes.iter().take(kept));
        self.more |= kept < bytes.len();
    }

    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        if self.more { cut_short(&text) } else { cut(&text) }
    }
}

/// A text of at most [`MOST_OUTPUT`] bytes; dots stand for what does not fit.
pub(super) fn cut(text: &str) -> String {
    if text.len() <= MOST_OUTPUT { text.to_owned() } else { cut_short(text) }
}

/// A text that does not fit, or that more would follow.
fn cut_short(text: &str) -> String {
    const DOTS: &str = "...";
    let end = text.floor_char_boundary(MOST_OUTPUT - DOTS.len());
    format!("{}{DOTS}", text.get(..end).unwrap_or_default())
}

/// Waits for the probe's end, or until it has had its time: then all of it is killed.
pub(super) fn follow(session: ExecSession, deadline: Option<Instant>) -> io::Result<Ending> {
    let (process, stdout, stderr) = session.into_output();
    let mut streams = [stdout, stderr];
    let mut output = Output::default();
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            end_all(&process)?;
            return Ok(Ending::Overdue { output: output.text() });
        }
        let ready = wait(process.as_fd(), &streams, left)?;
        let ended = ready.first().copied().unwrap_or(false);
        for (stream, ready) in streams.iter_mut().zip(ready.into_iter().skip(1)) {
            if ready {
                read_some(stream, &mut output)?;
            }
        }
        if ended {
            // What is in the pipes, and no more: a process that it has left behind may go on to write for ever.
            streams.iter_mut().try_for_each(|stream| read_waiting(stream, &mut output))?;
            return Ok(Ending::Exited { code: reap(&process)?, output: output.text() });
        }
        if output.more {
            std::thread::sleep(PAUSE);
        }
    }
}

/// Which of the process and the streams there is something to do with.
fn wait(
    process: BorrowedFd<'_>,
    streams: &[Option<OwnedFd>; 2],
    left: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let sources = [Some(process), streams[0].as_ref().map(AsFd::as_fd), streams[1].as_ref().map(AsFd::as_fd)];
    let mut polled: Vec<PollFd<'_>> =
        sources.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    let timeout = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
    rustix::io::retry_on_intr(|| poll(&mut polled, timeout.as_ref()))?;
    let mut results = polled.iter().map(|fd| !fd.revents().is_empty());
    Ok(sources.iter().map(|source| source.is_some() && results.next().unwrap_or(false)).collect())
}

/// Reads once; a stream that has ended is closed.
fn read_some(stream: &mut Option<OwnedFd>, output: &mut Output) -> io::Result<usize> {
    let Some(open) = stream else { return Ok(0) };
    let mut bytes = [0u8; CHUNK];
    let count = rustix::io::retry_on_intr(|| rustix::io::read(&*open, &mut bytes))?;
    if count == 0 {
        *stream = None;
    }
    output.add(bytes.get(..count).unwrap_or_default());
    Ok(count)
}

fn read_waiting(stream: &mut Option<OwnedFd>, output: &mut Output) -> io::Result<()> {
    let waiting = stream.as_ref().map_or(Ok(0), rustix::io::ioctl_fionread)?;
    let mut left = usize::try_from(waiting).unwrap_or(usize::MAX).min(MOST_OUTPUT + 1);
    while left > 0 {
        let count = read_some(stream, output)?;
        if count == 0 {
            break;
        }
        left = left.saturating_sub(count);
    }
    Ok(())
}

fn reap(process: &OwnedFd) -> io::Result<i32> {
    let wait = || waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED);
    let status = rustix::io::retry_on_intr(wait)?;
    let status = status.ok_or_else(|| io::Error::other("the process has not ended"))?;
    Ok(status.exit_status().or(status.terminating_signal().map(|number| number + 128)).unwrap_or(-1))
}

/// Kills the probe's process with its session and its descendants. It leads the session, and is not reaped before the rest has gone:
/// until then nobody else can have its number.
fn end_all(process: &OwnedFd) -> io::Result<()> {
    let proc = ProcFs::open().map_err(io::Error::other)?;
    let leader = number(process)?;
    let mut ours = BTreeSet::from([leader]);
    for _ in 0..ROUNDS {
        let mut found = false;
        for pid in proc.processes().map_err(io::Error::other)? {
            let Ok(dir) = proc.process(pid) else { continue };
            let Ok(stat) = dir.stat() else { continue };
            let number = pid.as_raw_nonzero().get();
            if number != leader && stat.session != leader && !ours.contains(&stat.ppid) {
                continue;
            }
            ours.insert(number);
            if matches!(stat.state, b'Z' | b'X' | b'x') {
                continue;
            }
            // The folder stays that process's: what it still says after the handle was made, the handle is of.
            let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
            if dir.stat().is_ok_and(|again| again.start_time == stat.start_time) {
                found = true;
                let _ = pidfd_send_signal(&handle, Signal::KILL);
            }
        }
        if !found {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    // One that cannot die (frozen by another, or in a file system that does not answer) is not waited for.
    let mut polled = [PollFd::new(process, PollFlags::IN)];
    let patience = Timespec::try_from(LAST_PATIENCE).map_err(io::Error::other)?;
    if rustix::io::retry_on_intr(|| poll(&mut polled, Some(&patience)))? > 0 {
        reap(process)?;
    }
    Ok(())
}

/// The number of a process that has not been reaped.
fn number(process: &OwnedFd) -> io::Result<i32> {
    use std::os::fd::AsRawFd;
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd()))?;
    let number = info.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    number
        .and_then(Pid::from_raw)
        .map(|pid| pid.as_raw_nonzero().get())
        .ok_or_else(|| io::Error::other("the handle of a process does not tell its number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_bounded_whatever_it_is() {
        let mut output = Output::default();
        output.add(b"short\n");
        assert_eq!(output.text(), "short\n");
        for _ in 0..10 {
            output.add(&[0xff; 1000]);
        }
        let text = output.text();
        assert!(text.len() <= MOST_OUTPUT && text.ends_with("..."), "{}", text.len());
        let mut exact = Output::default();
        exact.add(&[b'x'; MOST_OUTPUT]);
        assert_eq!(exact.text().len(), MOST_OUTPUT);
        assert!(!exact.text().ends_with('.'));
        exact.add(b"y");
        assert!(exact.text().len() <= MOST_OUTPUT && exact.text().ends_with("x..."));
    }
}
