//! Arguments that cannot be read, in our own words.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::command::Entry;
use crate::report::{Outcome, Report};

/// The exit status for a flag that is unknown or cannot be read, whatever the command.
pub(crate) const BAD_FLAG: u8 = 125;

/// Flags that Docker's `run` has and Cofferdam does not: they are refused like any unknown flag, but by name.
const DOCKER_ONLY: [&str; 9] = [
    "--gpus",
    "--isolation",
    "--link",
    "--link-local-ip",
    "--runtime",
    "--storage-opt",
    "--use-api-socket",
    "--volume-driver",
    "--volumes-from",
];

/// Help where help was asked for; otherwise a report of what is wrong.
pub(crate) fn explain(error: &clap::Error, entry: &Entry) -> Outcome {
    if error.kind() == ErrorKind::DisplayHelp {
        std::io::stdout().lock().write_all(help(entry).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let see = format!("see `cofferdam {} --help`", entry.words);
    Err(report(error).hint(see).status(status(error)))
}

/// Docker's exit statuses: a flag that is unknown or cannot be read is one thing, too few or too many words another.
fn status(error: &clap::Error) -> u8 {
    let of_flag = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.starts_with('-'),
        _ => false,
    };
    if of_flag && error.kind() != ErrorKind::MissingRequiredArgument { BAD_FLAG } else { 1 }
}

/// The help text of a command.
pub(crate) fn help(entry: &Entry) -> String {
    entry.spec().render_help().to_string()
}

fn report(error: &clap::Error) -> Report {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let flag = bare(&argument);
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            unknown_flag(&flag, text(ContextKind::SuggestedArg))
        }
        ErrorKind::UnknownArgument => Report::new(format!("unexpected argument {argument:?}")),
        ErrorKind::ValueValidation => {
            let report = Report::new(format!("invalid value {value:?} for {flag}"));
            match error.source() {
                Some(source) => report.because(source),
                None => report,
            }
        }
        ErrorKind::InvalidValue if value.is_empty() => Report::new(format!("flag {flag} needs a value")),
        ErrorKind::InvalidValue => {
            let report = Report::new(format!("invalid value {value:?} for {flag}"));
            match text(ContextKind::ValidValue) {
                Some(valid) => report.hint(format!("it is one of {valid}")),
                None => report,
            }
        }
        ErrorKind::MissingRequiredArgument => Report::new(format!("missing argument: {flag}")),
        ErrorKind::ArgumentConflict => {
            let other = bare(&text(ContextKind::PriorArg).unwrap_or_default());
            Report::new(format!("{flag} and {other} exclude each other"))
        }
        ErrorKind::InvalidUtf8 => Report::new("an argument is not valid UTF-8"),
        _ => {
            let rendered = error.to_string();
            Report::new(rendered.lines().next().unwrap_or_default().trim_start_matches("error: "))
        }
    }
}

/// An argument without its value's name: `--tty[=<TTY>]` is `--tty`, `<IMAGE [COMMAND]>...` is `IMAGE`.
fn bare(argument: &str) -> String {
    argument
        .trim_start_matches(['<', '['])
        .split([' ', '=', '[', ']', '>'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn unknown_flag(flag: &str, near: Option<String>) -> Report {
    let report = Report::new(format!("unknown flag {flag}"));
    if DOCKER_ONLY.contains(&flag) {
        return report.hint(format!("{flag} is a flag of Docker's that Cofferdam does not have yet"));
    }
    match near {
        Some(near) => report.hint(format!("did you mean {near}?")),
        None => report,
    }
}

#[cfg(test)]
mod tests {
    use crate::commands::find;

    #[test]
    fn a_bad_flag_is_125_and_a_missing_word_is_1() {
        let status = |words: &[&str]| {
            let (entry, count) = find(&words[..words.len().min(2)]).unwrap();
            super::status(&entry.read(&words[count..]).unwrap_err())
        };
        for words in [
            &["ps", "--bogus"][..],
            &["stop", "-t", "abc", "x"],
            &["run", "--bogus", "x"],
            &["logs", "--tail"],
        ] {
            assert_eq!(status(words), 125, "{words:?}");
        }
        for words in [&["rm"][..], &["run"], &["logs", "a", "b"], &["ps", "extra"], &["volume", "rm"]] {
            assert_eq!(status(words), 1, "{words:?}");
        }
    }
}
