//! A stream that has to come at a least pace: a server that sends a byte now and then would otherwise hold a pull for ever.

use std::io::{self, Read};
use std::time::{Duration, Instant};

/// Bytes a second; less than any line that an image could come over.
const LEAST: f64 = 1024.0;

/// Fails where fewer bytes come than [`LEAST`] for as long as the patience lasts. What its reader does meanwhile does not count.
pub(crate) struct Steady<R> {
    stream: R,
    patience: Duration,
    /// Since the last look at the pace.
    waited: Duration,
    came: usize,
}

impl<R> Steady<R> {
    pub(crate) fn new(stream: R, patience: Duration) -> Self {
        Self { stream, patience, waited: Duration::ZERO, came: 0 }
    }
}

impl<R: Read> Read for Steady<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let begin = Instant::now();
        let count = self.stream.read(buffer)?;
        self.waited += begin.elapsed();
        self.came = self.came.saturating_add(count);
        if count > 0 && self.waited >= self.patience {
            #[allow(clippy::cast_precision_loss, reason = "a pace")]
            let pace = self.came as f64 / self.waited.as_secs_f64();
            if pace < LEAST {
                let why = format!("only {pace:.0} bytes a second come");
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            (self.waited, self.came) = (Duration::ZERO, 0);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A byte at a time, each after a pause.
    struct Drip(Duration);

    impl Read for Drip {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(self.0);
            Ok(buffer.len().min(1))
        }
    }

    #[test]
    fn what_drips_is_given_up_and_a_slow_reader_is_not() {
        let mut drip = Steady::new(Drip(Duration::from_millis(5)), Duration::from_millis(30));
        let error = io::copy(&mut drip, &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let mut fast = Steady::new(&[7; 100][..], Duration::from_millis(20));
        let mut buffer = [0; 10];
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(5));
            assert_eq!(fast.read(&mut buffer).unwrap(), 10);
        }
        assert_eq!(fast.read(&mut buffer).unwrap(), 0);
    }
}
