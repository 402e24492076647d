//! Tars, compressed or not, as trees and as layers of images: any bytes end in entries or an error, and no entry's content is
//! longer than it says.

#![no_main]

use std::io::{self, Read};
use std::path::Path;

use cofferdam_image::tree::archive::{Names, read, unpack};
use cofferdam_image::tree::{Attributes, TreeSink};
use libfuzzer_sys::fuzz_target;

/// Takes everything and keeps nothing. A little input may stand for very much output: that is for the real sink's limits.
struct Nothing {
    left: u64,
}

impl Nothing {
    fn take(&mut self, bytes: u64) -> io::Result<()> {
        self.left = self.left.checked_sub(bytes.max(64)).ok_or_else(|| io::Error::other("enough"))?;
        Ok(())
    }
}

impl TreeSink for Nothing {
    fn folder(&mut self, _: &Path, _: &Attributes) -> io::Result<()> {
        self.take(0)
    }

    fn file(&mut self, _: &Path, _: &Attributes, size: u64, content: &mut dyn Read) -> io::Result<()> {
        let read = io::copy(&mut content.take(self.left), &mut io::sink())?;
        assert!(read <= size, "{read} bytes of a file of {size}");
        self.take(read)
    }

    fn link(&mut self, _: &Path, _: &Attributes, _: &[u8]) -> io::Result<()> {
        self.take(0)
    }

    fn hard_link(&mut self, _: &Path, _: &Path) -> io::Result<()> {
        self.take(0)
    }

    fn whiteout(&mut self, _: &Path) -> io::Result<()> {
        self.take(0)
    }

    fn opaque(&mut self, _: &Path) -> io::Result<()> {
        self.take(0)
    }
}

fuzz_target!(|bytes: &[u8]| {
    const MOST: u64 = 4 << 20;
    let _ = unpack(&mut &*bytes, &mut Nothing { left: MOST });
    let _ = read(&mut &*bytes, Names::Layer, &mut Nothing { left: MOST });
});
