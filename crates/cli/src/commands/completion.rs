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

/// What the words after a command name: the kind, as the scripts call it, and the commands.
const NAMES: &[(&str, &[&str])] = &[
    ("running", &["attach", "exec", "kill", "pause", "stop", "top", "unpause"]),
    (
        "containers",
        &[
            "commit", "cp", "diff", "export", "inspect", "logs", "rename", "restart", "rm", "start", "stats",
            "update", "verify", "wait",
        ],
    ),
    (
        "images",
        &[
            "create",
            "image history",
            "image inspect",
            "image rm",
            "image save",
            "image tag",
            "plan",
            "rmi",
            "run",
        ],
    ),
    ("volumes", &["volume inspect", "volume rm"]),
    ("zones", &["zone rm", "zone show", "zone verify"]),
];

impl Run for CompletionCommand {
    fn run(self, _: &Globals) -> Outcome {
        let (shell, names) = match self.shell {
            Shell::Bash => (clap_complete::Shell::Bash, include_str!("completion/names.bash")),
            Shell::Zsh => (clap_complete::Shell::Zsh, include_str!("completion/names.zsh")),
            Shell::Fish => (clap_complete::Shell::Fish, include_str!("completion/names.fish")),
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut super::tree(), "cofferdam", &mut script);
        script.extend(filled(names, self.shell).bytes());
        std::io::stdout().lock().write_all(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The script with the commands in the places of its marks (`@running@` and so on), as patterns of that shell for the first
/// two words.
fn filled(script: &str, shell: Shell) -> String {
    NAMES.iter().fold(script.to_owned(), |script, (kind, commands)| {
        let patterns: Vec<String> = commands.iter().map(|command| pattern(command, shell)).collect();
        let joined = patterns.join(if shell == Shell::Fish { " " } else { "|" });
        script.replace(&format!("@{kind}@"), &joined)
    })
}

fn pattern(command: &str, shell: Shell) -> String {
    // One word and anything, or two words.
    let words = if command.contains(' ') { command.to_owned() } else { format!("{command} *") };
    match shell {
        Shell::Fish => format!("'{words}'"),
        Shell::Bash | Shell::Zsh => words.replace(' ', "\\ "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_of_commands_that_there_are() {
        for command in NAMES.iter().flat_map(|(_, commands)| *commands) {
            let words: Vec<&str> = command.split(' ').collect();
            assert!(super::super::find(&words).is_ok(), "{command}");
        }
        for (script, shell) in [
            (include_str!("completion/names.bash"), Shell::Bash),
            (include_str!("completion/names.zsh"), Shell::Zsh),
            (include_str!("completion/names.fish"), Shell::Fish),
        ] {
            let script = filled(script, shell);
            for (kind, _) in NAMES {
                assert!(!script.contains(&format!("@{kind}@")) && script.contains(kind), "{shell:?} {kind}");
            }
        }
    }
}
