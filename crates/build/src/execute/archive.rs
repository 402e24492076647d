//! Which files `ADD` unpacks.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use cofferdam_image::tree::compression;

/// Whether an open file is a tar, compressed or not. It is read from its beginning afterwards.
pub(super) fn is_archive(file: &mut File) -> io::Result<bool> {
    let mut block = [0u8; 512];
    let read = match compression::open(file) {
        Ok(mut stream) => fill(&mut stream, &mut block),
        // Compressed, and broken: no archive that could be unpacked.
        Err(_) => Ok(0),
    };
    file.seek(SeekFrom::Start(0))?;
    let whole = read.is_ok_and(|count| count == block.len());
    Ok(whole && (block.get(257..262) == Some(b"ustar") || is_old_header(&block)))
}

fn fill(stream: &mut dyn Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// A header from before POSIX has no name of its format, but its sum.
fn is_old_header(block: &[u8; 512]) -> bool {
    let sum = |from: usize, to: usize| {
        block.get(from..to).map_or(0, |part| part.iter().map(|byte| u32::from(*byte)).sum::<u32>())
    };
    let text = block.get(148..156).and_then(|field| std::str::from_utf8(field).ok()).unwrap_or_default();
    let text = text.trim_matches(|letter: char| letter == '\0' || letter == ' ');
    let expected = sum(0, 148) + 8 * 32 + sum(156, 512);
    block.first().is_some_and(|first| *first != 0) && u32::from_str_radix(text, 8) == Ok(expected)
}
