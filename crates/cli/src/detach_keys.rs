//! `--detach-keys`: the keys that leave a container running and give the terminal back.

use std::str::FromStr;

use thiserror::Error;

/// A sequence of keys, as the bytes that a terminal sends for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DetachKeys(Vec<u8>);

/// A text that is no sequence of keys.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "invalid detach keys {text:?}: {key:?} is no key; keys are single characters or ctrl- and one of a-z @ [ \\ ] ^ _, \
         with commas between them"
)]
pub(crate) struct InvalidKeys {
    text: String,
    key: String,
}

impl Default for DetachKeys {
    /// ctrl-p, ctrl-q
    fn default() -> Self {
        Self(vec![0x10, 0x11])
    }
}

impl FromStr for DetachKeys {
    type Err = InvalidKeys;

    /// An empty text means that there are none.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let key =
            |word: &str| key(word).ok_or_else(|| InvalidKeys { text: text.to_owned(), key: word.to_owned() });
        text.split(',').map(key).collect::<Result<_, _>>().map(Self)
    }
}

fn key(word: &str) -> Option<u8> {
    if let [single] = word.as_bytes() {
        return single.is_ascii().then_some(*single);
    }
    let [letter] = word.strip_prefix("ctrl-")?.as_bytes() else { return None };
    match letter {
        b'a'..=b'z' => Some(letter - b'a' + 1),
        b'@' => Some(0),
        b'[' => Some(0x1b),
        b'\\' => Some(0x1c),
        b']' => Some(0x1d),
        b'^' => Some(0x1e),
        b'_' => Some(0x1f),
        _ => None,
    }
}

/// Watches what is typed for the sequence.
#[derive(Debug)]
pub(crate) struct DetachFilter {
    keys: Vec<u8>,
    /// How many keys of the sequence have been typed and are held back.
    matched: usize,
}

impl DetachFilter {
    pub(crate) fn new(keys: &DetachKeys) -> Self {
        Self { keys: keys.0.clone(), matched: 0 }
    }

    /// Puts what goes on to the container into `out`; says whether the sequence is complete. Keys that may be the start of
    /// the sequence are held back until it is clear.
    pub(crate) fn pass(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
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

    fn pass(keys: &str, inputs: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut filter = DetachFilter::new(&keys.parse().unwrap());
        let mut out = Vec::new();
        let done = inputs.iter().any(|input| filter.pass(input, &mut out));
        (out, done)
    }

    #[test]
    fn keys_of_docker() {
        assert_eq!("ctrl-p,ctrl-q".parse(), Ok(DetachKeys::default()));
        assert_eq!("ctrl-@,a,ctrl-_,ctrl-\\".parse(), Ok(DetachKeys(vec![0, b'a', 0x1f, 0x1c])));
        assert_eq!("".parse(), Ok(DetachKeys(vec![])));
        for bad in ["ctrl-", "ctrl-A", "ctrl-1", "ab", "a,,b", "ä"] {
            assert!(bad.parse::<DetachKeys>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_sequence_may_come_in_pieces_and_false_starts_go_through() {
        assert_eq!(pass("ctrl-p,ctrl-q", &[b"ab\x10", b"\x11cd"]), (b"ab".to_vec(), true));
        assert_eq!(pass("ctrl-p,ctrl-q", &[b"\x10x"]), (b"\x10x".to_vec(), false));
        assert_eq!(pass("ctrl-p,ctrl-q", &[b"\x10\x10\x11"]), (b"\x10".to_vec(), true));
        assert_eq!(pass("a,a,b", &[b"aaab"]), (b"a".to_vec(), true));
        assert_eq!(pass("", &[b"\x10\x11"]), (b"\x10\x11".to_vec(), false));
    }

    proptest! {
        #[test]
        fn agrees_with_a_search(keys in "[ab]{1,4}", input in "[ab]{0,20}") {
            let spelled: Vec<String> = keys.chars().map(String::from).collect();
            let (out, done) = pass(&spelled.join(","), &[input.as_bytes()]);
            match input.find(&keys) {
                Some(at) => prop_assert!(done && out == input.as_bytes()[..at]),
                None => prop_assert!(!done && input.as_bytes().starts_with(&out) && input.len() - out.len() < keys.len()),
            }
        }
    }
}
