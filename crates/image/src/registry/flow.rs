//! A reader that follows a download: what has come in is unpacked while the rest is still on its way.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How far a blob is.
#[derive(Debug, Default)]
pub(super) struct Flow {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes that are in the file.
    there: u64,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Whole, and checked.
    Whole,
    Broken,
}

impl Flow {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many bytes are there; fewer than before when a download begins anew.
    pub(super) fn reached(&self, there: u64) {
        self.state().there = there;
        self.changed.notify_all();
    }

    /// The blob has its place, or never gets it: readers come to their end.
    pub(super) fn end(&self, whole: bool) {
        self.state().end.get_or_insert(if whole { End::Whole } else { End::Broken });
        self.changed.notify_all();
    }

    /// Whether the download came to no good end.
    pub(super) fn is_broken(&self) -> bool {
        self.state().end == Some(End::Broken)
    }

    /// Follows the blob in this file, which is at its beginning.
    pub(super) fn reader(&self, file: File) -> FlowReader<'_> {
        FlowReader { flow: self, file, at: 0 }
    }
}

/// Reads as far as the download is, and waits for more. It ends only when the blob is whole and its digest is right.
#[derive(Debug)]
pub(super) struct FlowReader<'a> {
    flow: &'a Flow,
    file: File,
    at: u64,
}

impl Read for FlowReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.flow.state();
        loop {
            match state.end {
                Some(End::Broken) => return Err(io::Error::other("the download failed")),
                Some(End::Whole) if state.there <= self.at => return Ok(0),
                _ if state.there > self.at => break,
                _ => state = self.flow.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
        let there = state.there - self.at;
        drop(state);
        let most = usize::try_from(there).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read(buffer.get_mut(..most).unwrap_or_default())?;
        if count == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_reader_sees_the_end_only_when_the_blob_is_whole() {
        for whole in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("blob");
            let mut file = File::create(&path).unwrap();
            let flow = Flow::default();
            let read = std::thread::scope(|scope| {
                let reader = scope.spawn(|| {
                    let mut bytes = Vec::new();
                    flow.reader(File::open(&path).unwrap()).read_to_end(&mut bytes).map(|_| bytes)
                });
                for part in 1..=3u64 {
                    file.write_all(b"abc").unwrap();
                    flow.reached(part * 3);
                }
                flow.end(whole);
                reader.join().unwrap()
            });
            assert_eq!(read.ok(), whole.then(|| b"abcabcabc".to_vec()));
        }
    }
}
