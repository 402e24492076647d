//! `ps`: the processes of a container, as the host's ps(1) shows them.

use std::io::Write;
use std::process::ExitCode;

use cofferdam_runtime::lifecycle::{Container, Lookup};

use super::arguments::{Order, option};
use super::error::{CommandError, UsageError};
use super::{Call, Command, Outcome, state};

pub(super) const PS: Command = Command {
    name: "ps",
    about: "ps displays the processes running inside a container",
    usage: "<container-id> [ps options]",
    flags: &[option("format", "f", "FORMAT", "select one of: table or json (default: table)")],
    order: Order::FlagsFirst,
    run,
};

fn run(call: &Call) -> Outcome {
    let Some((id, options)) = call.arguments.positional.split_first() else {
        return Err(UsageError::Count { command: "ps", wanted: "a container", given: 0 }.into());
    };
    let id = id.parse().map_err(UsageError::from)?;
    let container = Container::find(&call.global.root, &id, Lookup::Look)?;
    let pids: Vec<i32> = container.processes()?.into_iter().map(|pid| pid.as_raw_nonzero().get()).collect();
    match call.arguments.value("format") {
        Some("json") => return state::print_json(&pids, false),
        None | Some("table") => {}
        Some(other) => {
            let rule = "it is table or json".to_owned();
            return Err(UsageError::Value { flag: "format", text: other.to_owned(), rule }.into());
        }
    }
    let default = ["-ef".to_owned()];
    let options = if options.is_empty() { &default[..] } else { options };
    let output = std::process::Command::new("ps")
        .args(options)
        .output()
        .map_err(CommandError::system("cannot run ps(1) of the host"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(CommandError::Refused(format!("ps {}: {said}", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let table = lines_of(&text, &pids).ok_or_else(|| {
        CommandError::Refused("couldn't find PID field in ps output: give options that print it".to_owned())
    })?;
    std::io::stdout().write_all(table.as_bytes()).map_err(CommandError::system("cannot write the output"))?;
    Ok(ExitCode::SUCCESS)
}

/// The heading and the lines of these processes; none if no column is called PID.
fn lines_of(text: &str, pids: &[i32]) -> Option<String> {
    let mut lines = text.lines();
    let heading = lines.next()?;
    let column = heading.split_ascii_whitespace().position(|word| word == "PID")?;
    let ours = lines.filter(|line| {
        let pid = line.split_ascii_whitespace().nth(column).and_then(|word| word.parse::<i32>().ok());
        pid.is_some_and(|pid| pids.contains(&pid))
    });
    Some(std::iter::once(heading).chain(ours).map(|line| format!("{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_lines_are_shown() {
        let text = "UID   PID CMD\nroot    1 init\nroot   17 sh 1\n";
        assert_eq!(lines_of(text, &[17]).unwrap(), "UID   PID CMD\nroot   17 sh 1\n");
        assert_eq!(lines_of("UID CMD\nroot x\n", &[17]), None);
    }
}
