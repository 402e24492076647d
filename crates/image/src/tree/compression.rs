//! Streams that are compressed, found by their first bytes.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

use super::invalid;

/// The most memory that the dictionary of a foreign stream may ask for.
const MOST_DICTIONARY_KIB: u32 = 128 << 10;

/// The stream as it was before it was compressed with gzip, zstd or xz; any other one as it is.
pub fn open<'r>(stream: &'r mut dyn Read) -> io::Result<Box<dyn Read + 'r>> {
    let mut head = Vec::new();
    Read::take(&mut *stream, 6).read_to_end(&mut head)?;
    let kind = kind_of(&head);
    let whole = BufReader::with_capacity(1 << 17, io::Cursor::new(head).chain(stream));
    Ok(match kind {
        Kind::Plain => Box::new(whole),
        Kind::Gzip => Box::new(MultiGzDecoder::new(whole)),
        Kind::Zstd => Box::new(ZstdFrames { frame: None, rest: Some(whole) }),
        Kind::Xz => Box::new(XzReader::new_mem_limit(whole, true, MOST_DICTIONARY_KIB)),
        Kind::Unknown(program) => {
            let message = format!(
                "it is compressed with {program}; give it as `{program} -dc FILE | ... import - NAME`"
            );
            return Err(invalid(message));
        }
    })
}

/// Whether a stream that begins so is compressed, in a way that is known here or not.
#[must_use]
pub fn is_compressed(head: &[u8]) -> bool {
    kind_of(head) != Kind::Plain
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Unknown(&'static str),
}

fn kind_of(head: &[u8]) -> Kind {
    match head {
        [0x1f, 0x8b, ..] => Kind::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Kind::Zstd,
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Kind::Xz,
        [b'B', b'Z', b'h', ..] => Kind::Unknown("bzip2"),
        _ => Kind::Plain,
    }
}

/// zstd frames, one after another (as `zstd -T0` or `cat a.zst b.zst` may write them).
struct ZstdFrames<R: BufRead> {
    frame: Option<StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>,
    rest: Option<R>,
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(frame) = &mut self.frame {
                match frame.read(buffer)? {
                    0 => self.rest = self.frame.take().map(StreamingDecoder::into_inner),
                    count => return Ok(count),
                }
            }
            let Some(mut rest) = self.rest.take() else { return Ok(0) };
            if rest.fill_buf()?.is_empty() {
                self.rest = Some(rest);
                return Ok(0);
            }
            let frame = StreamingDecoder::new(rest)
                .map_err(|error| invalid(format!("its zstd does not read: {error}")))?;
            self.frame = Some(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        for (head, kind) in [
            (&b"\x1f\x8b\x08"[..], Kind::Gzip),
            (b"\x28\xb5\x2f\xfd", Kind::Zstd),
            (b"\xfd7zXZ\0", Kind::Xz),
            (b"BZh9", Kind::Unknown("bzip2")),
            (b"etc/", Kind::Plain),
            (b"", Kind::Plain),
        ] {
            assert_eq!(kind_of(head), kind, "{head:?}");
        }
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        for bytes in [&b"\x1f\x8b\x08"[..], b"\x28\xb5\x2f\xfd\x04", b"\xfd7zXZ\0\0"] {
            let mut source = bytes;
            let read = open(&mut source).and_then(|mut stream| stream.read_to_end(&mut Vec::new()));
            assert!(read.is_err(), "{bytes:?}");
        }
    }
}
