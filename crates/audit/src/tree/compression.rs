//! Streams that are compressed, found by their first bytes.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// Whether a file that begins so is compressed in a way that is known here.
pub(super) fn is_compressed(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b])
}

/// The stream as it was before it was compressed.
pub(super) fn open(stream: &mut dyn Read) -> io::Result<Box<dyn Read + '_>> {
    Ok(Box::new(MultiGzDecoder::new(BufReader::new(stream))))
}
