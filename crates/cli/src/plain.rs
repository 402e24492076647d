//! Texts of others on a person's terminal: what images, archives, programs and containers say must neither drive the terminal
//! nor look like lines of our own.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

/// Whether a character does something to a terminal or to the order of a line's letters (CVE-2021-42574) in place of being
/// shown.
fn acts(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|letter| acts(letter) && !is_kept(letter)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            _ if !acts(letter) || is_kept(letter) => out.push(letter),
            '\n' | '\r' | '\t' => out.extend(letter.escape_default()),
            '\0'..='\u{ff}' => drop(write!(out, "\\x{:02x}", u32::from(letter))),
            _ => out.extend(letter.escape_unicode()),
        }
    }
    Cow::Owned(out)
}

/// A text as a cell of a table, or in a line: on one line, with what acts in place of being shown written out.
pub(crate) fn cell(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// A text of several lines, which may have tabs.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| matches!(letter, '\n' | '\t'))
}

/// Writes lines on standard output: as they are into a file or a pipe, where a program wants every byte, and cleaned on a
/// terminal.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    std::io::stdout().lock().write_all(shown(text).as_bytes())
}

/// Lines as [`print()`] writes them.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if std::io::stdout().is_terminal() { lines(text) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_is_written_out() {
        assert_eq!(cell("\x1b[31mred\x07\n\tx"), "\\x1b[31mred\\x07\\n\\tx");
        assert_eq!(lines("a\tb\r\nc\u{9b}d"), "a\tb\\r\nc\\x9bd");
        assert_eq!(cell("\u{202e}abc"), "\\u{202e}abc");
        assert!(matches!(cell("plain ä 漢"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn nothing_acts_in_a_cell(text in any::<String>()) {
            prop_assert!(!cell(&text).chars().any(acts));
        }
    }
}
