//! All layers of an image at once.

use std::num::NonZero;
use std::sync::Mutex;
use std::thread::Scope;
use std::time::{Duration, Instant};

use cofferdam_names::Digest;

use super::LayerError;
use crate::{Descriptor, ImageConfigFile, Lease, Manifest};

impl Lease {
    /// Unpacks those layers of an image that are not yet, some at once. When it comes back, none of
    /// the threads that it started is left: the process may be cloned.
    ///
    /// # Errors
    /// The first that a layer gave; the others are finished nevertheless.
    pub fn unpack_all(&self, manifest: &Manifest, config: &ImageConfigFile) -> Result<(), LayerError> {
        let mut missing: Vec<(&Descriptor, &Digest)> = Vec::new();
        for (blob, diff_id) in manifest.layers.iter().zip(&config.diff_ids) {
            let known = missing.iter().any(|(_, other)| *other == diff_id);
            if !known && self.store().layer(diff_id)?.is_none() {
                missing.push((blob, diff_id));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let wanted = missing.len();
        // The largest first: the last to be begun should be short.
        missing.sort_by_key(|(blob, _)| blob.size);
        let queue = Mutex::new(missing);
        let next = || queue.lock().ok().and_then(|mut queue| queue.pop());
        let work = || -> Result<(), LayerError> {
            let mut result = Ok(());
            while let Some((blob, diff_id)) = next() {
                let unpacked = self.unpack_blob(&blob.digest, diff_id).map(|_| ());
                result = result.and(unpacked);
            }
            result
        };
        with_threads(|scope, threads| {
            let handles: Vec<_> = (1..threads.min(wanted)).map(|_| scope.spawn(work)).collect();
            let mut result = work();
            for handle in handles {
                result = result.and(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            result
        })
    }
}

/// Does work with threads that it starts itself; it is told how many layers are well unpacked at once. When it comes back, none of
/// them is left: the process may be cloned.
pub(crate) fn with_threads<'e, R>(work: impl for<'s> FnOnce(&'s Scope<'s, 'e>, usize) -> R) -> R {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let before = threads_now();
    // More than processors: what decompresses the last layer has one of them alone, and the others should not be idle before.
    let result = std::thread::scope(|scope| work(scope, processors + 2));
    // A thread that has been joined is still the kernel's for a moment.
    let deadline = Instant::now() + Duration::from_secs(1);
    while threads_now() > before && Instant::now() < deadline {
        std::thread::sleep(Duration::from_micros(50));
    }
    result
}

/// How many threads this process has.
fn threads_now() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}
