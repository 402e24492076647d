//! `/proc/PID/uid_map`, `gid_map` and `setgroups` (user_namespaces(7)).

use super::parse::{ParseError, decimal, lines, words};

/// One line of an id map. `outside` is as the reader's user namespace shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IdMapLine {
    /// First id inside the namespace.
    pub inside: u32,
    /// First id outside of it.
    pub outside: u32,
    /// How many ids.
    pub size: u32,
}

/// Whether setgroups(2) is allowed in the process's user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the file's")]
pub enum SetgroupsState {
    Allow,
    Deny,
}

/// Reads `uid_map` or `gid_map`; an empty file is a namespace whose map is not written yet.
pub fn parse_id_map(bytes: &[u8]) -> Result<Vec<IdMapLine>, ParseError> {
    lines(bytes)
        .map(|line| {
            let mut words = words(line);
            let mut number = || decimal("id map line", words.next().unwrap_or_default());
            let parsed = IdMapLine { inside: number()?, outside: number()?, size: number()? };
            if words.next().is_some() {
                return Err(ParseError::new("id map line", line));
            }
            Ok(parsed)
        })
        .collect()
}

/// Reads `setgroups`.
pub fn parse_setgroups(bytes: &[u8]) -> Result<SetgroupsState, ParseError> {
    match bytes.trim_ascii() {
        b"allow" => Ok(SetgroupsState::Allow),
        b"deny" => Ok(SetgroupsState::Deny),
        other => Err(ParseError::new("setgroups", other)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_lines_as_the_kernel_pads_them() {
        let map =
            parse_id_map(b"         0     100000      65536\n     70000          5          1\n").unwrap();
        assert_eq!(
            map,
            [
                IdMapLine { inside: 0, outside: 100_000, size: 65_536 },
                IdMapLine { inside: 70_000, outside: 5, size: 1 },
            ]
        );
        assert_eq!(parse_id_map(b"         0          0 4294967295\n").unwrap()[0].size, u32::MAX);
        assert_eq!(parse_id_map(b"").unwrap(), []);
        for bad in ["0 0\n", "0 0 1 2\n", "a 0 1\n", "0 0 4294967296\n"] {
            assert!(parse_id_map(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn setgroups_is_one_of_two_words() {
        assert_eq!(parse_setgroups(b"deny\n"), Ok(SetgroupsState::Deny));
        assert_eq!(parse_setgroups(b"allow\n"), Ok(SetgroupsState::Allow));
        assert!(parse_setgroups(b"").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_id_map(&bytes);
            let _ = parse_setgroups(&bytes);
        }

        #[test]
        fn what_the_kernel_prints_is_read_back(inside: u32, outside: u32, size: u32) {
            let text = format!("{inside:10} {outside:10} {size:10}\n");
            prop_assert_eq!(parse_id_map(text.as_bytes()), Ok(vec![IdMapLine { inside, outside, size }]));
        }
    }
}
