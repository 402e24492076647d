//! `cofferdam man`: the manual page of a command, or all of them into a folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};

/// Flags of `man`.
#[derive(Debug, Parser)]
pub(crate) struct ManCommand {
    /// Write all pages into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
    /// The command's words (default: the page of cofferdam itself)
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

impl Run for ManCommand {
    fn run(self, _: &Globals) -> Outcome {
        if let Some(dir) = &self.dir {
            return write_all(dir);
        }
        let page = if self.command.is_empty() {
            page(super::tree())?
        } else {
            let words: Vec<&str> = self.command.iter().map(String::as_str).collect();
            page(super::find(&words)?.0.spec().bin_name("").display_name(page_name(&words.join(" "))))?
        };
        std::io::stdout().lock().write_all(&page)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn page_name(words: &str) -> String {
    format!("cofferdam-{}", words.replace(' ', "-"))
}

fn page(command: clap::Command) -> Result<Vec<u8>, Report> {
    let mut text = Vec::new();
    let man = clap_mangen::Man::new(command).source(format!("Cofferdam {}", env!("CARGO_PKG_VERSION")));
    man.render(&mut text).map_err(|error| Report::new("cannot write a manual page").because(&error))?;
    Ok(text)
}

fn write_all(dir: &Path) -> Outcome {
    let write = |name: String, text: Vec<u8>| {
        let path = dir.join(name);
        std::fs::write(&path, text)
            .map_err(|error| Report::new(format!("cannot write {}", path.display())).because(&error))
    };
    write("cofferdam.1".to_owned(), page(super::tree())?)?;
    for entry in super::COMMANDS {
        let name = page_name(entry.words);
        write(format!("{name}.1"), page(entry.spec().display_name(name.clone()))?)?;
    }
    Ok(ExitCode::SUCCESS)
}
