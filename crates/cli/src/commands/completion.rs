//! `cofferdam completion`: a completion script for a shell.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::command::Run;
use crate::globals::Globals;
use crate::report::Outcome;

/// Flags of `completion`.
#[derive(Debug, Parser)]
pub(crate) struct CompletionCommand {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Shells with a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the shells' names")]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Run for CompletionCommand {
    fn run(self, _: &Globals) -> Outcome {
        let shell = match self.shell {
            Shell::Bash => clap_complete::Shell::Bash,
            Shell::Zsh => clap_complete::Shell::Zsh,
            Shell::Fish => clap_complete::Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut super::tree(), "cofferdam", &mut script);
        std::io::stdout().lock().write_all(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}
