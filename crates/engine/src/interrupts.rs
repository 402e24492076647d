//! A client that passes its signals on can still be ended by them, as Docker's: the third one is for itself.

use cofferdam_kernel::signal::Signal;

/// So many requests to end reach the container; the last of them ends the client as well.
const MOST: u32 = 3;

/// Counts the requests to end that a client was sent.
#[derive(Debug, Default)]
pub(crate) struct Interrupts {
    seen: u32,
}

impl Interrupts {
    /// Counts a signal; says whether the client is to end now.
    pub(crate) fn count(&mut self, signal: Signal) -> bool {
        if matches!(signal, Signal::INT | Signal::TERM) {
            self.seen += 1;
        }
        self.seen >= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_request_to_end_is_for_the_client() {
        let mut interrupts = Interrupts::default();
        assert!(![Signal::INT, Signal::USR1, Signal::USR1, Signal::TERM].map(|it| interrupts.count(it))[3]);
        assert!(interrupts.count(Signal::INT));
    }
}
