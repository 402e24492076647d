//! `cofferdam --help`: the overview of all commands.

use std::fmt::Write;

use crate::commands::COMMANDS;

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
