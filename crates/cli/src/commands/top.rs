//! `cofferdam top`: the processes of a container.

use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::ProcessRow;
use cofferdam_names::Timestamp;

use crate::command::Run;
use crate::globals::Globals;
use crate::plain;
use crate::report::{Outcome, Report};
use crate::session::{container, engine};
use crate::{table, when};

/// Flags of `top`.
#[derive(Debug, Parser)]
#[command(override_usage = "cofferdam top CONTAINER [PS OPTIONS]")]
pub(crate) struct TopCommand {
    /// Name or id, and options of ps(1) for other columns
    #[arg(value_name = "CONTAINER [PS OPTIONS]", num_args = 1.., trailing_var_arg = true, required = true)]
    words: Vec<String>,
}

impl Run for TopCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let Some((name, options)) = self.words.split_first() else {
            return Err(Report::new("missing CONTAINER"));
        };
        let engine = engine(globals)?;
        if !options.is_empty() {
            let processes = engine.top(&container(&engine, name)?)?;
            plain::print(&by_ps(options, &processes)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let now = when::now();
        let mut lines = vec!["UID\tPID\tPPID\tC\tSTIME\tTTY\tTIME\tCMD".to_owned()];
        lines.extend(engine.top(&container(&engine, name)?)?.iter().map(|process| line(process, now)));
        let text = table::align(lines.iter().map(String::as_str));
        plain::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What ps(1) of the host says with these options of the container's processes, as with Docker.
fn by_ps(options: &[String], processes: &[ProcessRow]) -> Result<String, Report> {
    let run = |more: &[String]| {
        let output = std::process::Command::new("ps")
            .args(options)
            .args(more)
            .stdin(std::process::Stdio::null())
            .output();
        output.map_err(|error| {
            Report::new("cannot run ps")
                .because(&error)
                .hint("without options it is not needed (Debian: procps)")
        })
    };
    // With options that choose no processes ps shows those of its own terminal, so it is told which; with others that do it
    // refuses to be told, and shows enough.
    let pids: Vec<String> = processes.iter().map(|process| process.pid.to_string()).collect();
    let mut output = run(&["-q".to_owned(), pids.join(",")])?;
    if !output.status.success() {
        output = run(&[])?;
    }
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Report::new(format!("ps refused {}", options.join(" "))).hint(said.trim()));
    }
    of_processes(&String::from_utf8_lossy(&output.stdout), processes).ok_or_else(|| {
        Report::new("cannot tell which lines of ps are the container's").hint("let ps show the column PID")
    })
}

/// The header, and the lines whose column PID is one of the processes'; none without that column.
fn of_processes(text: &str, processes: &[ProcessRow]) -> Option<String> {
    let mut lines = text.lines();
    let header = lines.next()?;
    let column = header.split_whitespace().position(|name| name == "PID")?;
    let own = |line: &&str| {
        let pid = line.split_whitespace().nth(column).and_then(|word| word.parse::<i32>().ok());
        pid.is_some_and(|pid| processes.iter().any(|process| process.pid == pid))
    };
    Some(std::iter::once(header).chain(lines.filter(own)).map(|line| format!("{line}\n")).collect())
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
