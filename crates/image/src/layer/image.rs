//! A layer as one EROFS image: its tar as it came, with what the kernel needs to read it as files.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;

use cofferdam_kernel::mount::{Attributes, new_filesystem};
use cofferdam_names::Digest;
use rustix::fs::{Mode, OFlags};

use super::record::Counted;
use crate::Hasher;
use crate::erofs::{self, TAR_AT, Tree};
use crate::tree::archive::{self, Names};
use crate::tree::invalid;
use crate::tree::writer::Limits;

/// What the name of an image ends with; whatever else is mounted as a layer is a folder.
pub(super) const EXTENSION: &str = "erofs";

/// How much is read, hashed and written at once.
const CHUNK: usize = 1 << 18;

/// A stretch of zeroes that is left out of the file.
const HOLE: usize = 1 << 16;

/// Opens the files of a layer: a folder, or an image, which is mounted for as long as the descriptor lives.
///
/// # Errors
/// There is none, or the kernel does not mount it.
pub fn open_layer(files: &Path) -> io::Result<OwnedFd> {
    if files.extension().is_none_or(|extension| extension != EXTENSION) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        return Ok(rustix::fs::open(files, flags, Mode::empty())?);
    }
    let image = File::options().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(files)?;
    // By descriptor: a path could be too long, and could lead elsewhere by then.
    let source = format!("/proc/self/fd/{}", image.as_raw_fd());
    let mounted = new_filesystem("erofs", &source, [], Attributes::NONE)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(&mounted, ".", flags, Mode::empty())?)
}

/// Writes the image of a layer while its uncompressed tar is read; answers the tar's digest.
pub(super) fn fill(path: &Path, stream: &mut dyn Read, limits: Limits) -> io::Result<(Counted, Digest)> {
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    let read = Rc::new(Cell::new(0));
    let mut tar = KeptTar::new(stream, &file, Rc::clone(&read), limits.stream_bytes())?;
    let mut tree = Tree::new(&file, read, limits);
    let left_out = archive::read(&mut tar, Names::Layer, &mut tree)?;
    let (digest, size) = tar.finish()?;
    erofs::write(&tree, &file, TAR_AT + size)?;
    let counted = Counted {
        bytes: tree.bytes(),
        entries: tree.entries(),
        left_out: left_out.nodes,
        hides_all: tree.hides_all(),
        tar: Some(size),
    };
    Ok((counted, digest))
}

/// The tar that an image holds.
pub(super) fn tar_of(path: &Path, size: u64) -> io::Result<impl Read> {
    let mut file = File::open(path)?;
    io::Seek::seek(&mut file, io::SeekFrom::Start(TAR_AT))?;
    Ok(file.take(size))
}

/// A tar that is read, hashed and kept in a file at once. Whoever reads it takes small pieces; the file gets large ones. Another
/// thread hashes and writes, while this one decompresses what comes next.
struct KeptTar<'s> {
    stream: &'s mut dyn Read,
    keeper: Keeper,
    /// The piece that is being given out.
    piece: Arc<Vec<u8>>,
    /// Pieces whose memory is used again, once the keeper is done with them.
    others: VecDeque<Arc<Vec<u8>>>,
    /// How much of it has been.
    used: usize,
    /// How many bytes have been read.
    size: u64,
    /// How many have been given out.
    given: Rc<Cell<u64>>,
    most: u64,
}

impl<'s> KeptTar<'s> {
    fn new(stream: &'s mut dyn Read, file: &File, given: Rc<Cell<u64>>, most: u64) -> io::Result<Self> {
        let (keeper, piece) = (Keeper::new(file.try_clone()?), Arc::default());
        Ok(Self { stream, keeper, piece, others: VecDeque::new(), used: 0, size: 0, given, most })
    }

    /// Memory for the next piece. The first is shorter, so that all others stand in the file at multiples of their size: the page
    /// cache then takes each in one, and not in seven.
    fn room(&mut self) -> Vec<u8> {
        let oldest = self.others.pop_front().and_then(|oldest| match Arc::try_unwrap(oldest) {
            Ok(free) => Some(free),
            Err(held) => {
                self.others.push_front(held);
                None
            }
        });
        let mut room = oldest.unwrap_or_default();
        let start = if self.size == 0 { usize::try_from(TAR_AT).unwrap_or(0) } else { 0 };
        room.resize(CHUNK - start, 0);
        room
    }

    /// Reads the next piece. Whether there was one.
    fn fill(&mut self) -> io::Result<bool> {
        let mut piece = self.room();
        let mut filled = 0;
        while filled < piece.len() {
            match self.stream.read(piece.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        piece.truncate(filled);
        self.size += filled as u64;
        if self.size > self.most {
            return Err(invalid("it expands to more bytes than a layer may have"));
        }
        self.others.push_back(std::mem::replace(&mut self.piece, Arc::new(piece)));
        self.used = 0;
        if filled > 0 {
            self.keeper.keep(Arc::clone(&self.piece))?;
        }
        Ok(filled > 0)
    }

    /// Reads what is left; the digest and the size of all.
    fn finish(mut self) -> io::Result<(Digest, u64)> {
        while self.fill()? {}
        Ok((self.keeper.finish()?, self.size))
    }
}

impl Read for KeptTar<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.piece.len() && !self.fill()? {
            return Ok(0);
        }
        let left = self.piece.get(self.used..).unwrap_or_default();
        let count = left.len().min(buffer.len());
        let (now, _) = left.split_at(count);
        buffer.get_mut(..count).unwrap_or_default().copy_from_slice(now);
        self.used += count;
        self.given.set(self.given.get() + count as u64);
        Ok(count)
    }
}

/// The thread that hashes pieces and writes them into a file. It ends when this is dropped.
struct Keeper {
    pieces: Option<SyncSender<Arc<Vec<u8>>>>,
    thread: Option<JoinHandle<io::Result<Digest>>>,
}

impl Keeper {
    fn new(file: File) -> Self {
        let (pieces, queue) = std::sync::mpsc::sync_channel::<Arc<Vec<u8>>>(2);
        let work = move || {
            let (mut hasher, mut at) = (Hasher::default(), TAR_AT);
            for piece in queue {
                hasher.update(&piece);
                write_with_holes(&file, &piece, at)?;
                at += piece.len() as u64;
            }
            Ok(hasher.finish())
        };
        Self { pieces: Some(pieces), thread: Some(std::thread::spawn(work)) }
    }

    /// Waits while two pieces are in the queue.
    fn keep(&mut self, piece: Arc<Vec<u8>>) -> io::Result<()> {
        let kept = self.pieces.as_ref().is_some_and(|pieces| pieces.send(piece).is_ok());
        // The thread ends early for one reason.
        if kept { Ok(()) } else { self.finish().and(Err(io::Error::other("it could not be written"))) }
    }

    /// The digest of all pieces, once they are written.
    fn finish(&mut self) -> io::Result<Digest> {
        self.pieces = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(io::Error::other("it could not be written")),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.pieces = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes bytes at a place; whole stretches of zeroes stay holes.
fn write_with_holes(file: &File, piece: &[u8], at: u64) -> io::Result<()> {
    let zero = |page: &[u8]| page.len() == HOLE && page.iter().all(|byte| *byte == 0);
    let (mut start, mut position) = (0, 0);
    for page in piece.chunks(HOLE) {
        if zero(page) {
            file.write_all_at(piece.get(start..position).unwrap_or_default(), at + start as u64)?;
            start = position + page.len();
        }
        position += page.len();
    }
    file.write_all_at(piece.get(start..).unwrap_or_default(), at + start as u64)
}
