//! What a command is: its flags as one type, and what it does with them.

use std::ffi::OsString;

use clap::{ArgAction, ArgMatches};

use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::usage;

/// One command. Its flags are the fields of the type; reading them has no effect on anything.
pub(crate) trait Run: clap::Parser {
    /// Does it.
    fn run(self, globals: &Globals) -> Outcome;
}

/// A command as the table of commands holds it: nothing is built before it is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// The words that call it: `ps`, or `zone ls`.
    pub(crate) words: &'static str,
    /// One line for listings.
    pub(crate) about: &'static str,
    spec: fn() -> clap::Command,
    run: fn(&mut ArgMatches, &Globals) -> Outcome,
}

/// The entry of a command.
pub(crate) const fn entry<T: Run>(words: &'static str, about: &'static str) -> Entry {
    Entry { words, about, spec: T::command, run: run::<T> }
}

fn run<T: Run>(matches: &mut ArgMatches, globals: &Globals) -> Outcome {
    match T::from_arg_matches_mut(matches) {
        Ok(command) => command.run(globals),
        Err(error) => Err(Report::new(error.to_string())),
    }
}

impl Entry {
    /// Its flags as people see them: for help, completion and manuals.
    pub(crate) fn spec(&self) -> clap::Command {
        let command = (self.spec)();
        let help = clap::Arg::new("help").long("help").action(ArgAction::Help).help("Print this help");
        // As with Docker, where the letter does not mean something else (`run -h`: the host's name).
        let taken = command.get_arguments().any(|argument| argument.get_short() == Some('h'));
        command
            .name(self.words.rsplit(' ').next().unwrap_or_default())
            .bin_name(format!("cofferdam {}", self.words))
            .about(self.about)
            .disable_help_flag(true)
            .arg(if taken { help } else { help.short_alias('h') })
            .disable_version_flag(true)
            .disable_help_subcommand(true)
    }

    /// Its flags as they are read. Beside the ones that people see, everything that Docker's own parser takes: a switch may
    /// have a value (`--rm=false`), the last of several counts, and a value may start with a hyphen.
    pub(crate) fn parser(&self) -> clap::Command {
        self.spec().args_override_self(true).mut_args(|arg| match arg.get_action() {
            ArgAction::SetTrue => arg
                .action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .default_value("false")
                .value_parser(switch),
            ArgAction::Set | ArgAction::Append if !arg.is_positional() => arg.allow_hyphen_values(true),
            _ => arg,
        })
    }

    /// Reads the arguments after the command's words, and does it.
    pub(crate) fn execute(&self, arguments: Vec<OsString>, globals: &Globals) -> Outcome {
        let argv = std::iter::once(OsString::from(self.words)).chain(arguments);
        match self.parser().try_get_matches_from(argv) {
            Ok(mut matches) => (self.run)(&mut matches, globals),
            Err(error) => usage::explain(&error, self),
        }
    }

    /// Reads arguments without doing anything: for tests and the benchmark of parsing.
    #[cfg(test)]
    pub(crate) fn read(&self, arguments: &[&str]) -> Result<ArgMatches, clap::Error> {
        let argv = std::iter::once(self.words).chain(arguments.iter().copied());
        self.parser().try_get_matches_from(argv)
    }
}

/// A boolean as Go reads it.
fn switch(text: &str) -> Result<bool, &'static str> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it is true or false"),
    }
}
