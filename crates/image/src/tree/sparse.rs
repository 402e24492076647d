//! Holes in files: not written where the source has zeroes, and read from GNU tar's own way to leave them out.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use super::invalid;

/// A block that a file system could leave out.
const BLOCK: usize = 4096;

const ZEROES: [u8; BLOCK] = [0; BLOCK];

/// Copies so many bytes into a new, empty file. What is zero for whole blocks becomes a hole.
pub(super) fn copy(source: &mut dyn Read, target: &File, size: u64) -> io::Result<()> {
    if copy_at(source, target, 0, size)? { target.set_len(size) } else { Ok(()) }
}

/// Copies so many bytes to a place where the file has none yet. Whether the last of them are a hole.
pub(crate) fn copy_at(source: &mut dyn Read, target: &File, start: u64, size: u64) -> io::Result<bool> {
    let mut buffer = vec![0u8; 64 * 1024];
    let (mut at, end) = (start, start.saturating_add(size));
    let mut ends_in_hole = false;
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        let chunk = buffer.get_mut(..wanted).unwrap_or_default();
        source.read_exact(chunk)?;
        for block in chunk.chunks(BLOCK) {
            ends_in_hole = block == ZEROES;
            if !ends_in_hole {
                target.write_all_at(block, at)?;
            }
            at += block.len() as u64;
        }
    }
    Ok(ends_in_hole)
}

/// A file in GNU tar's sparse format 1.0 ("Storing Sparse Files" in its manual): the content begins with a map in decimal
/// lines, filled up to 512 bytes, then come the pieces without what is between them.
pub(super) struct SparseFile<'r> {
    source: &'r mut dyn Read,
    /// Where the pieces belong, and their lengths.
    pieces: VecDeque<(u64, u64)>,
    position: u64,
    size: u64,
}

/// More pieces than a file of an archive has.
const MOST_PIECES: u64 = 1 << 20;

impl<'r> SparseFile<'r> {
    /// Reads the map. `size` is the length of the whole file.
    pub(super) fn new(source: &'r mut dyn Read, size: u64) -> io::Result<Self> {
        let mut read = 0usize;
        let mut number = |source: &mut dyn Read| -> io::Result<u64> {
            let mut digits = String::new();
            loop {
                let mut byte = [0u8];
                source.read_exact(&mut byte)?;
                read += 1;
                match byte[0] {
                    b'\n' => return digits.parse().map_err(|_| invalid("its sparse map does not read")),
                    digit @ b'0'..=b'9' if digits.len() < 20 => digits.push(char::from(digit)),
                    _ => return Err(invalid("its sparse map does not read")),
                }
            }
        };
        let count = number(source)?;
        if count > MOST_PIECES {
            return Err(invalid("its sparse map is too long"));
        }
        let mut pieces = VecDeque::new();
        let mut end = 0u64;
        for _ in 0..count {
            let (offset, length) = (number(source)?, number(source)?);
            if offset < end || offset.checked_add(length).is_none_or(|end| end > size) {
                return Err(invalid("its sparse map is out of order, or longer than the file"));
            }
            end = offset + length;
            pieces.push_back((offset, length));
        }
        let mut filler = vec![0u8; read.next_multiple_of(512) - read];
        source.read_exact(&mut filler)?;
        Ok(Self { source, pieces, position: 0, size })
    }
}

impl Read for SparseFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.pieces.front().is_some_and(|(offset, length)| offset + length <= self.position) {
            self.pieces.pop_front();
        }
        let (is_data, until) = match self.pieces.front() {
            Some((offset, length)) if *offset <= self.position => (true, offset + length),
            Some((offset, _)) => (false, *offset),
            None => (false, self.size),
        };
        let room = usize::try_from(until - self.position).unwrap_or(usize::MAX).min(buffer.len());
        let part = buffer.get_mut(..room).unwrap_or_default();
        let count = if is_data {
            match self.source.read(part)? {
                0 if room > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => count,
            }
        } else {
            part.fill(0);
            room
        };
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn zeroes_become_holes() {
        let mut text = vec![7u8; 5000];
        text.resize(4 << 20, 0);
        let mut file = tempfile::tempfile().unwrap();
        copy(&mut text.as_slice(), &file, text.len() as u64).unwrap();
        let metadata = file.metadata().unwrap();
        assert_eq!(metadata.len(), 4 << 20);
        assert!(metadata.blocks() * 512 < 100_000, "{} blocks", metadata.blocks());
        let mut back = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut back).unwrap();
        assert!(back == text);
        assert!(copy(&mut &b"short"[..], &file, 10).is_err());
    }

    #[test]
    fn a_map_says_where_the_pieces_belong() {
        let mut stream = b"2\n3\n2\n8\n1\n".to_vec();
        stream.resize(512, 0);
        stream.extend(b"abc");
        let mut source = stream.as_slice();
        let mut file = SparseFile::new(&mut source, 10).unwrap();
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        assert_eq!(text, b"\0\0\0ab\0\0\0c\0");
        for bad in ["x\n", "1\n5\n9\n", "2\n5\n2\n3\n1\n", "99999999\n", "1\n"] {
            let mut stream = bad.as_bytes().to_vec();
            stream.resize(512, 0);
            assert!(SparseFile::new(&mut stream.as_slice(), 10).is_err(), "{bad:?}");
        }
    }
}
