//! Instructions with types.

use cofferdam_image::Healthcheck;

use super::copy::Transfer;
use super::error::{DockerfileError, Problem};
use super::flags::Flags;
use super::lines::{Heredoc, Lines, RawInstruction};
use super::mount::{BuildMount, NetworkChoice};
use super::{KEYWORDS, healthcheck, lines, words};
use crate::suggestion::nearest;

/// What is executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `["program", "argument"]`: as it is.
    Exec(Vec<String>),
    /// A text for the shell of the stage.
    Shell(String),
}

/// `RUN`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The command. A here-document alone is its text.
    pub command: Command,
    /// A here-document that begins with `#!`: the program is this file.
    pub script: Option<Heredoc>,
    /// `--mount`
    pub mounts: Vec<BuildMount>,
    /// `--network`
    pub network: NetworkChoice,
}

/// An instruction of a stage. Texts have their variables still in them where the reference says that they are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the reference's names")]
pub enum Instruction {
    Add(Transfer),
    Arg(Vec<(String, Option<String>)>),
    Cmd(Command),
    Copy(Transfer),
    Entrypoint(Command),
    Env(Vec<(String, String)>),
    Expose(String),
    Healthcheck(Healthcheck),
    Label(Vec<(String, String)>),
    Maintainer(String),
    /// The instruction as it stands, here-documents included.
    OnBuild(String),
    Run(Run),
    Shell(Vec<String>),
    StopSignal(String),
    User(String),
    Volume(Vec<String>),
    Workdir(String),
}

/// An instruction and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// From 1.
    pub line: usize,
    /// As it stands, continuation lines joined, without here-documents.
    pub text: String,
    /// What it is.
    pub instruction: Instruction,
}

impl Located {
    /// Gives an instruction its type.
    ///
    /// # Errors
    /// It is none of those that stand in a stage, or its arguments cannot be.
    pub fn parse(raw: &RawInstruction, escape: char) -> Result<Self, DockerfileError> {
        let instruction = typed(raw, escape).map_err(|problem| problem.at(raw.line))?;
        Ok(Self { line: raw.line, text: format!("{} {}", raw.name, raw.rest), instruction })
    }

    /// The instruction that a base image asks for (`ONBUILD`). Its line is that of `FROM`.
    ///
    /// # Errors
    /// It is no instruction of a stage.
    pub fn parse_trigger(text: &str, line: usize) -> Result<Self, DockerfileError> {
        let one = |lines: Lines| lines.instructions.into_iter().next();
        let raw = one(Lines::parse(text).map_err(|error| error.problem.at(line))?)
            .ok_or_else(|| Problem::arguments("ONBUILD", "the base image has an empty one").at(line))?;
        check_trigger(&raw.name).map_err(|problem| problem.at(line))?;
        Self::parse(&RawInstruction { line, ..raw }, '\\')
    }
}

fn check_trigger(name: &str) -> Result<(), Problem> {
    match name {
        "ONBUILD" | "FROM" | "MAINTAINER" => {
            Err(Problem::arguments("ONBUILD", format!("{name} cannot stand in it")))
        }
        _ => Ok(()),
    }
}

pub(super) fn unknown(name: &str) -> Problem {
    Problem::UnknownInstruction { word: name.to_owned(), nearest: nearest(name, &KEYWORDS).and_then(keyword) }
}

fn keyword(found: &str) -> Option<&'static str> {
    KEYWORDS.into_iter().find(|keyword| *keyword == found)
}

fn typed(raw: &RawInstruction, escape: char) -> Result<Instruction, Problem> {
    let Some(name) = keyword(&raw.name) else { return Err(unknown(&raw.name)) };
    let rest = raw.rest.as_str();
    // CMD and ENTRYPOINT alone are legal for Docker: an empty CMD is none.
    if rest.is_empty() && !matches!(name, "CMD" | "ENTRYPOINT") {
        return Err(Problem::arguments(name, "it needs arguments"));
    }
    Ok(match name {
        "ADD" => Instruction::Add(Transfer::parse(true, raw, escape)?),
        "COPY" => Instruction::Copy(Transfer::parse(false, raw, escape)?),
        "ARG" => Instruction::Arg(arguments(rest, escape)?),
        "CMD" => Instruction::Cmd(command(rest)),
        "ENTRYPOINT" => Instruction::Entrypoint(command(rest)),
        "ENV" => Instruction::Env(pairs("ENV", rest, escape)?),
        "EXPOSE" => Instruction::Expose(rest.to_owned()),
        "HEALTHCHECK" => Instruction::Healthcheck(healthcheck::parse(rest, escape)?),
        "LABEL" => Instruction::Label(pairs("LABEL", rest, escape)?),
        "MAINTAINER" => Instruction::Maintainer(rest.to_owned()),
        "ONBUILD" => on_build(raw, escape)?,
        "RUN" => Instruction::Run(run(raw, escape)?),
        "SHELL" => match words::json_list(rest) {
            Some(list) if !list.is_empty() => Instruction::Shell(list),
            _ => return Err(Problem::arguments(name, "it is a JSON list: [\"/bin/sh\", \"-c\"]")),
        },
        "STOPSIGNAL" => Instruction::StopSignal(rest.to_owned()),
        "USER" => Instruction::User(rest.to_owned()),
        "VOLUME" => {
            let list = words::json_list(rest).unwrap_or_else(|| words::split(rest, escape));
            if list.iter().any(|path| path.trim().is_empty()) || list.is_empty() {
                return Err(Problem::arguments(name, "a path cannot be empty"));
            }
            Instruction::Volume(list)
        }
        "WORKDIR" => Instruction::Workdir(rest.to_owned()),
        _ => return Err(Problem::arguments("FROM", "it begins a stage")),
    })
}

fn command(rest: &str) -> Command {
    match words::json_list(rest) {
        Some(list) => Command::Exec(list),
        None if rest.is_empty() => Command::Exec(Vec::new()),
        None => Command::Shell(rest.to_owned()),
    }
}

fn run(raw: &RawInstruction, escape: char) -> Result<Run, Problem> {
    let known = ["mount", "network", "security", "device"];
    let (flags, rest) = Flags::take("RUN", &raw.rest, escape, &known, &["mount", "device"])?;
    let why = "a step of a build gets no more rights than the zone `build` has, whoever asks";
    match flags.one("security")?.as_deref() {
        None | Some("sandbox") => {}
        // CVE-2024-23653: privileges that nobody granted.
        Some(other) => return Err(Problem::NotBuilt { what: format!("RUN --security={other}"), why }),
    }
    if !flags.all("device")?.is_empty() {
        return Err(Problem::NotBuilt { what: "RUN --device".into(), why });
    }
    let mounts = flags.all("mount")?.iter().map(|text| BuildMount::parse(text)).collect::<Result<_, _>>()?;
    let network =
        flags.one("network")?.map_or(Ok(NetworkChoice::Default), |text| NetworkChoice::parse(&text))?;
    if rest.is_empty() {
        return Err(Problem::arguments("RUN", "it needs a command"));
    }
    let mut script = None;
    let command = match raw.heredocs.as_slice() {
        [] => command(rest),
        [first] if lines::heredoc(rest).is_some() => {
            if first.content.starts_with("#!") {
                script = Some(first.clone());
            }
            Command::Shell(first.text())
        }
        all => {
            // The shell itself reads them.
            let mut whole = rest.to_owned();
            for heredoc in all {
                whole.push('\n');
                whole.push_str(&heredoc.content);
                whole.push_str(&heredoc.name);
            }
            Command::Shell(whole)
        }
    };
    if matches!(&command, Command::Exec(list) if list.is_empty()) {
        return Err(Problem::arguments("RUN", "it needs a command"));
    }
    Ok(Run { command, script, mounts, network })
}

fn on_build(raw: &RawInstruction, escape: char) -> Result<Instruction, Problem> {
    let (name, rest) = raw.rest.split_once(char::is_whitespace).unwrap_or((&raw.rest, ""));
    let inner = RawInstruction {
        line: raw.line,
        name: name.to_ascii_uppercase(),
        rest: rest.trim().to_owned(),
        heredocs: raw.heredocs.clone(),
    };
    check_trigger(&inner.name)?;
    typed(&inner, escape)?;
    let mut text = raw.rest.clone();
    for heredoc in &raw.heredocs {
        text.push('\n');
        text.push_str(&heredoc.content);
        text.push_str(&heredoc.name);
    }
    Ok(Instruction::OnBuild(text))
}

/// `ARG a b=c`
pub(super) fn arguments(rest: &str, escape: char) -> Result<Vec<(String, Option<String>)>, Problem> {
    let pair = |word: String| {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        if name.is_empty() || name.contains(['"', '\'', '$']) {
            return Err(Problem::arguments("ARG", format!("{name:?} is no name")));
        }
        Ok((name, value))
    };
    words::split(rest, escape).into_iter().map(pair).collect()
}

/// `ENV a=b c=d`, or the old `ENV a b c`, whose value is the rest of the line.
fn pairs(instruction: &'static str, rest: &str, escape: char) -> Result<Vec<(String, String)>, Problem> {
    let all = words::split(rest, escape);
    let Some(first) = all.first() else {
        return Err(Problem::arguments(instruction, "it needs NAME=VALUE"));
    };
    if !first.contains('=') {
        let value = rest.strip_prefix(first.as_str()).unwrap_or_default().trim();
        if value.is_empty() {
            return Err(Problem::arguments(instruction, format!("{first:?} has no value: NAME=VALUE")));
        }
        return Ok(vec![(first.clone(), value.to_owned())]);
    }
    let pair = |word: String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Problem::arguments(instruction, format!("{word:?} is not NAME=VALUE"))),
    };
    all.into_iter().map(pair).collect()
}
