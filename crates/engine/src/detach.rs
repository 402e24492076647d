//! The keys that leave a container running and give the terminal back.

/// Watches what is typed for the sequence.
#[derive(Debug)]
pub struct DetachFilter {
    keys: Vec<u8>,
    /// How many keys of the sequence have been typed and are held back.
    matched: usize,
}

impl DetachFilter {
    /// Watches for these bytes; for nothing if there are none.
    #[must_use]
    pub fn new(keys: Vec<u8>) -> Self {
        Self { keys, matched: 0 }
    }

    /// Puts what goes on to the container into `out`; says whether the sequence is complete. Keys that may be the start of
    /// the sequence are held back until it is clear.
    pub fn pass(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        if self.keys.is_empty() {
            out.extend_from_slice(input);
            return false;
        }
        for byte in input {
            while self.matched > 0 && self.keys.get(self.matched) != Some(byte) {
                // Not the sequence after all: let the first held key go, and see whether the rest still starts it.
                let held = self.matched;
                let shorter = (0..held)
                    .rev()
                    .find(|length| self.keys.get(..*length) == self.keys.get(held - length..held));
                self.matched = shorter.unwrap_or(0);
                out.extend_from_slice(self.keys.get(..held - self.matched).unwrap_or_default());
            }
            if self.keys.get(self.matched) == Some(byte) {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    self.matched = 0;
                    return true;
                }
            } else {
                out.push(*byte);
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pass(keys: &[u8], inputs: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut filter = DetachFilter::new(keys.to_vec());
        let mut out = Vec::new();
        let done = inputs.iter().any(|input| filter.pass(input, &mut out));
        (out, done)
    }

    #[test]
    fn the_sequence_may_come_in_pieces_and_false_starts_go_through() {
        assert_eq!(pass(b"\x10\x11", &[b"ab\x10", b"\x11cd"]), (b"ab".to_vec(), true));
        assert_eq!(pass(b"\x10\x11", &[b"\x10x"]), (b"\x10x".to_vec(), false));
        assert_eq!(pass(b"\x10\x11", &[b"\x10\x10\x11"]), (b"\x10".to_vec(), true));
        assert_eq!(pass(b"aab", &[b"aaab"]), (b"a".to_vec(), true));
        assert_eq!(pass(b"", &[b"\x10\x11"]), (b"\x10\x11".to_vec(), false));
    }

    proptest! {
        #[test]
        fn agrees_with_a_search(keys in "[ab]{1,4}", input in "[ab]{0,20}") {
            let (out, done) = pass(keys.as_bytes(), &[input.as_bytes()]);
            match input.find(&keys) {
                Some(at) => prop_assert!(done && out == input.as_bytes()[..at]),
                None => prop_assert!(!done && input.as_bytes().starts_with(&out) && input.len() - out.len() < keys.len()),
            }
        }
    }
}
