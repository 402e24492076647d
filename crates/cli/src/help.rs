//! `cofferdam --help`: the overview of all commands, and of a group.

use std::fmt::Write;

use crate::commands::{COMMANDS, find, members};

const HEAD: &str = "\
Usage: cofferdam [--root DIR] [--log-level LEVEL] [--debug] COMMAND [ARG...]

A secure-by-default container engine: every container lives in a trust zone that is proven to be in force.

  cofferdam run --rm host -- python3 script.py     run a program of this host, boxed in
  cofferdam plan host                              show every wall, without running anything

";
const TAIL: &str = "
Flags before the command:
  --root DIR         keep state and run state below this folder (also: COFFERDAM_ROOT)
  --log-level LEVEL  log error, warn, info, debug or trace on standard error
  --debug            the same as --log-level debug
  --version          show the version

`cofferdam COMMAND --help` shows the flags of a command. Docker's groups work as well: `cofferdam container ls`.
";

/// The overview.
pub(crate) fn overview() -> String {
    let width = COMMANDS.iter().map(|entry| entry.words.len()).max().unwrap_or(0);
    let mut text = HEAD.to_owned() + "Commands:\n";
    for entry in COMMANDS {
        let _ = writeln!(text, "  {:width$}  {}", entry.words, entry.about);
    }
    text + TAIL
}

/// The commands of a group, such as `zone`; nothing for a word that is a command itself, or none.
pub(crate) fn group(name: &str) -> Option<String> {
    let members = members(name);
    if members.is_empty() || find(&[name]).is_ok() {
        return None;
    }
    let width = members.iter().map(|word| word.len()).max().unwrap_or(0);
    let mut text = format!("Usage: cofferdam {name} COMMAND [ARG...]\n\nCommands:\n");
    for word in members {
        let about = find(&[name, word]).map_or("", |(entry, _)| entry.about);
        let _ = writeln!(text, "  {word:width$}  {about}");
    }
    let _ = writeln!(text, "\n`cofferdam {name} COMMAND --help` shows the flags of a command.");
    Some(text)
}
