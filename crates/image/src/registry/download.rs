//! One blob on its way here.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;

use super::call::{Answer, Call, Pauses};
use super::documents::pull_scope;
use super::flow::Flow;
use super::progress::{BlobState, Progress};
use super::session::Session;
use super::{RegistryError, error};
use crate::{Descriptor, Ingest, Lease, StoreError};

/// Hashed and written at a time, and at a multiple of it in the file: the page cache takes that in one piece.
const BUFFER: usize = 256 << 10;

/// So much of a blob is progress: the counting of failed tries begins anew.
const PROGRESS: u64 = 64 << 10;

/// The most tries of one blob, whatever their progress.
const MOST_TRIES: u32 = 200;

/// Where blobs come from and what they are reported to.
pub(super) struct Download<'a> {
    pub(super) lease: &'a Lease,
    pub(super) repository: &'a str,
    pub(super) patience: super::Patience,
    pub(super) progress: &'a dyn Progress,
    /// Set when another blob failed: this one will not be needed.
    pub(super) stop: &'a AtomicBool,
}

impl Download<'_> {
    /// Brings a blob here, from the first source that has it. `begun` is told of the file that it comes into.
    pub(super) fn blob(
        &self,
        sources: &[Session],
        blob: &Descriptor,
        flow: &Flow,
        begun: &mut dyn FnMut(&Ingest),
    ) -> Result<(), RegistryError> {
        let mut tried = 0;
        loop {
            let Some(mut ingest) = self.lease.ingest(blob)? else {
                self.progress.blob(&blob.digest, blob.size, BlobState::Present);
                return Ok(());
            };
            begun(&ingest);
            let resumed = ingest.offset() > 0;
            let last = tried + 1 >= sources.len();
            let Some(session) = sources.get(tried) else {
                return Err(RegistryError::answer("the registry", "there is no source for a blob"));
            };
            let came = self.fill(session, blob, &mut ingest, flow);
            match came.and_then(|()| ingest.finish().map_err(RegistryError::from)) {
                Ok(()) => return Ok(()),
                // What an earlier try has left was wrong; it is gone now.
                Err(RegistryError::Store(StoreError::WrongDigest { .. })) if resumed => {}
                Err(error) if last || self.stopped() || matches!(error, RegistryError::Store(_)) => {
                    return Err(error);
                }
                Err(_) => tried += 1,
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Asks until all bytes are there.
    fn fill(
        &self,
        session: &Session,
        blob: &Descriptor,
        ingest: &mut Ingest,
        flow: &Flow,
    ) -> Result<(), RegistryError> {
        let mut pauses = Pauses::new(self.patience);
        let mut good = ingest.offset();
        for _ in 0..MOST_TRIES {
            flow.reached(ingest.offset());
            if ingest.offset() == blob.size {
                return Ok(());
            }
            let answer = self.ask(session, blob, ingest)?;
            let Err(source) = self.copy(answer, blob, ingest, flow) else { continue };
            if source.kind() == io::ErrorKind::InvalidData {
                return Err(RegistryError::answer(session.host(), error::cleaned(&source.to_string())));
            }
            if self.stopped() || source.kind() == io::ErrorKind::StorageFull {
                return Err(StoreError::Io {
                    operation: "write",
                    path: self.lease.store().blob_path(&blob.digest),
                    source,
                }
                .into());
            }
            if ingest.offset() >= good + PROGRESS {
                pauses.restart();
                good = ingest.offset();
            }
            let Some(pause) = pauses.next() else {
                return Err(broken(session, blob, pauses.taken() + 1, ingest.offset(), source));
            };
            self.progress.blob(&blob.digest, blob.size, BlobState::Again);
            sleep(pause);
        }
        let source = io::Error::other("it breaks off again and again");
        Err(broken(session, blob, MOST_TRIES, ingest.offset(), source))
    }

    /// Asks for what is missing.
    fn ask(
        &self,
        session: &Session,
        blob: &Descriptor,
        ingest: &mut Ingest,
    ) -> Result<Answer, RegistryError> {
        let (host, offset) = (session.host(), ingest.offset());
        let url = session.endpoint.url(&format!("{}/blobs/{}", self.repository, blob.digest));
        let mut call = Call::get(url, &pull_scope(&session.endpoint.repository(self.repository)));
        if offset > 0 {
            call = call.header("range", format!("bytes={offset}-"));
        }
        let answer = session.send(&call)?;
        let expected = match answer.status {
            200 => {
                if offset > 0 {
                    // It cannot carry on where it was.
                    ingest.restart()?;
                }
                blob.size
            }
            206 if offset > 0 && starts_at(&answer, offset) => blob.size - offset,
            206 => {
                return Err(RegistryError::answer(
                    host,
                    format!("it gives another part of blob {} than was asked for", blob.digest),
                ));
            }
            _ => {
                let what = format!("blob {}", blob.digest);
                return Err(answer.into_error(host, &what, session.anonymous()));
            }
        };
        match answer.length() {
            Some(length) if length != expected => Err(RegistryError::answer(
                host,
                format!(
                    "it says that there are {length} bytes of blob {}, and there should be {expected}",
                    blob.digest
                ),
            )),
            _ => Ok(answer),
        }
    }

    fn copy(
        &self,
        mut answer: Answer,
        blob: &Descriptor,
        ingest: &mut Ingest,
        flow: &Flow,
    ) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let room = BUFFER - usize::try_from(ingest.offset() % BUFFER as u64).unwrap_or(0);
            let (mut filled, mut last) = (0, Ok(1));
            while filled < room && matches!(last, Ok(1..)) {
                last = answer.body.read(buffer.get_mut(filled..room).unwrap_or_default());
                filled += last.as_ref().map_or(0, |count| *count);
                if self.stopped() {
                    return Err(io::Error::other("another part of the image failed"));
                }
                let there = ingest.offset() + filled as u64;
                self.progress.blob(&blob.digest, blob.size, BlobState::Moving(there));
            }
            // Before a line that broke is told of: the next try carries on from there.
            ingest.write_all(buffer.get(..filled).unwrap_or_default())?;
            flow.reached(ingest.offset());
            if last? == 0 {
                break;
            }
        }
        if ingest.offset() == blob.size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

fn broken(session: &Session, blob: &Descriptor, times: u32, got: u64, source: io::Error) -> RegistryError {
    let (host, digest) = (session.host().to_owned(), blob.digest.clone());
    RegistryError::Broken { host, digest, times, got, size: blob.size, source }
}

/// Whether a part begins where it should (RFC 9110, 14.4).
fn starts_at(answer: &Answer, offset: u64) -> bool {
    let range = answer.header("content-range").and_then(|range| range.trim().strip_prefix("bytes "));
    range.and_then(|range| range.split_once('-')).is_some_and(|(start, _)| start.trim().parse() == Ok(offset))
}
