//! `cofferdam top`: the processes of a container.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::ProcessRow;
use cofferdam_names::Timestamp;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::{container, engine};
use crate::{table, when};

/// Flags of `top`.
#[derive(Debug, Parser)]
#[command(override_usage = "cofferdam top CONTAINER")]
pub(crate) struct TopCommand {
    /// Name or id
    #[arg(value_name = "CONTAINER", num_args = 1.., trailing_var_arg = true, required = true)]
    words: Vec<String>,
}

impl Run for TopCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let Some((name, options)) = self.words.split_first() else {
            return Err(Report::new("missing CONTAINER"));
        };
        if let Some(option) = options.first() {
            return Err(Report::new(format!("cannot pass {option} to ps: processes are read without it"))
                .hint("the columns are UID PID PPID C STIME TTY TIME CMD"));
        }
        let engine = engine(globals)?;
        let now = when::now();
        let mut lines = vec!["UID\tPID\tPPID\tC\tSTIME\tTTY\tTIME\tCMD".to_owned()];
        lines.extend(engine.top(&container(&engine, name)?)?.iter().map(|process| line(process, now)));
        let text = table::align(lines.iter().map(String::as_str));
        std::io::stdout().lock().write_all(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn line(process: &ProcessRow, now: Timestamp) -> String {
    let seconds = process.ticks / 100;
    let time = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let started = when::seconds(process.started);
    // As ps: the time of day within a day, the date before.
    let day = now.since(process.started).as_secs() >= 86_400;
    let started = if day { started.get(..10) } else { started.get(11..16) }.unwrap_or_default();
    format!(
        "{}\t{}\t{}\t{}\t{started}\t{}\t{time}\t{}",
        process.uid,
        process.pid,
        process.ppid,
        process.cpu_per_10k / 100,
        terminal(process.tty),
        process.command.replace(char::is_control, " "),
    )
}

/// `tty_nr` of proc_pid_stat(5) as ps shows it: only pseudo terminals (major 136 to 143) occur in containers.
fn terminal(number: i32) -> String {
    let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
    match major {
        136..=143 => format!("pts/{}", minor + (major - 136) * 256),
        _ => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals() {
        assert_eq!(terminal(0), "?");
        assert_eq!(terminal(136 << 8 | 3), "pts/3");
    }
}
