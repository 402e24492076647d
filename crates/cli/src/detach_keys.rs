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

impl DetachKeys {
    /// The bytes of the sequence; empty for no sequence.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_docker() {
        assert_eq!("ctrl-p,ctrl-q".parse(), Ok(DetachKeys::default()));
        assert_eq!("ctrl-@,a,ctrl-_,ctrl-\\".parse(), Ok(DetachKeys(vec![0, b'a', 0x1f, 0x1c])));
        assert_eq!("".parse(), Ok(DetachKeys(vec![])));
        for bad in ["ctrl-", "ctrl-A", "ctrl-1", "ab", "a,,b", "ä"] {
            assert!(bad.parse::<DetachKeys>().is_err(), "{bad}");
        }
    }
}
