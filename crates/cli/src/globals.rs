//! Flags that stand before the command: `--root`, `--log-level`, `--debug`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::report::Report;
use crate::suggest::nearest;
use crate::usage::BAD_FLAG;

/// What the flags before the command say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Globals {
    /// `--root DIR`: state and run state live below it; absent for the usual places.
    pub(crate) root: Option<PathBuf>,
    /// `--log-level LEVEL`, or `--debug`.
    pub(crate) log_level: Option<LogLevel>,
}

/// How much is logged on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the usual words")]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// What is to be done after the flags have been read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// `--version`
    Version,
    /// `--help`, or nothing at all.
    Help,
    /// A command with its arguments.
    Command(Vec<OsString>),
}

impl Globals {
    /// Says something on standard error if so much is to be logged.
    pub(crate) fn log(&self, level: LogLevel, text: impl FnOnce() -> String) {
        if self.log_level.is_some_and(|most| level <= most) {
            use std::io::Write;
            // A log that cannot be written keeps no command from its work.
            let _ = writeln!(std::io::stderr().lock(), "cofferdam: {}: {}", level.name(), text());
        }
    }
}

impl LogLevel {
    fn name(self) -> &'static str {
        LEVELS.iter().find(|(_, level)| *level == self).map_or("log", |(name, _)| name)
    }
}

const FLAGS: [&str; 5] = ["--root", "--log-level", "--debug", "--version", "--help"];
const LEVELS: [(&str, LogLevel); 6] = [
    ("error", LogLevel::Error),
    ("fatal", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

/// Reads the flags before the command; `arguments` are those after the program's name.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<(Globals, Wish), Report> {
    let mut globals = Globals::default();
    let mut arguments = arguments.into_iter();
    loop {
        let Some(word) = arguments.next() else { return Ok((globals, Wish::Help)) };
        let text = word.to_str().unwrap_or_default();
        if !text.starts_with('-') {
            return Ok((globals, Wish::Command(std::iter::once(word).chain(arguments).collect())));
        }
        let (flag, attached) = match text.split_once('=') {
            Some((flag, value)) => (flag, Some(OsString::from(value))),
            None => (text, None),
        };
        let mut value = || {
            let value = attached.clone().or_else(|| arguments.next());
            value.ok_or_else(|| Report::new(format!("flag {flag} needs a value")).status(BAD_FLAG))
        };
        match flag {
            "--root" => globals.root = Some(root(&value()?)?),
            "--log-level" | "-l" => globals.log_level = Some(level(&value()?)?),
            "--debug" | "-D" => globals.log_level = Some(LogLevel::Debug),
            "--version" | "-v" => return Ok((globals, Wish::Version)),
            "--help" | "-h" => return Ok((globals, Wish::Help)),
            _ => {
                let report = Report::new(format!("unknown flag {flag}")).status(BAD_FLAG);
                return Err(match nearest(flag, FLAGS.into_iter()) {
                    Some(near) => report.hint(format!("did you mean {near}?")),
                    None => report.hint("a command's own flags stand after its name; see `cofferdam --help`"),
                });
            }
        }
    }
}

/// The same flags as clap describes them: for completion and manuals.
pub(crate) fn spec() -> clap::Command {
    let flag = |name: &'static str, help: &'static str| clap::Arg::new(name).long(name).help(help);
    clap::Command::new("cofferdam")
        .about("A secure-by-default container engine")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg(flag("root", "Keep state and run state below this folder").value_name("DIR"))
        .arg(flag("log-level", "Log this much on standard error").short('l').value_name("LEVEL"))
        .arg(flag("debug", "Log everything").short('D').action(clap::ArgAction::SetTrue))
}

fn root(value: &OsStr) -> Result<PathBuf, Report> {
    if value.is_empty() {
        return Err(Report::new("flag --root needs a folder").status(BAD_FLAG));
    }
    // Absolute from here on: the parts that work with it change their working directory.
    std::path::absolute(value)
        .map_err(|error| Report::new("cannot tell the working directory").because(&error))
}

fn level(value: &OsStr) -> Result<LogLevel, Report> {
    let known = LEVELS.iter().find(|(name, _)| value == *name).map(|(_, level)| *level);
    known.ok_or_else(|| {
        Report::new(format!("unknown log level {value:?}"))
            .status(BAD_FLAG)
            .hint("levels are error, warn, info, debug and trace")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn flags_stand_before_the_command() {
        let (globals, wish) = read(words(&["--root", "/x", "--debug", "run", "--rm", "host"])).unwrap();
        assert_eq!(globals, Globals { root: Some("/x".into()), log_level: Some(LogLevel::Debug) });
        assert_eq!(wish, Wish::Command(words(&["run", "--rm", "host"])));
        assert_eq!(read(words(&["--root=/y", "-v"])).unwrap().1, Wish::Version);
        assert_eq!(read(words(&[])).unwrap().1, Wish::Help);
    }

    #[test]
    fn mistakes_are_named() {
        let text = |arguments: &[&str]| read(words(arguments)).unwrap_err().text();
        assert_eq!(text(&["--rot", "/x"]), "cofferdam: unknown flag --rot\n  hint: did you mean --root?\n");
        assert_eq!(text(&["--root"]), "cofferdam: flag --root needs a value\n");
        assert_eq!(
            text(&["--log-level", "loud"]),
            "cofferdam: unknown log level \"loud\"\n  hint: levels are error, warn, info, debug and trace\n"
        );
    }
}
