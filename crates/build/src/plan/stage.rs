//! One stage: its instructions, in order, change its configuration and become its steps.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_image::{ImageConfigFile, Platform};
use cofferdam_names::Timestamp;

use super::arguments::Globals;
use super::mounts::step_mount;
use super::network_ports::ports;
use super::reachable::is_number;
use super::steps::{CopyStep, FileSource, RunStep, Step, StepKind, StepNetwork, TreeRef, WorkdirStep};
use super::{Base, PlanError, PlannedStage, WantedImage, address};
use crate::dockerfile::{
    Command, CopySource, Dockerfile, Instruction, Located, NetworkChoice, Problem, Run, Transfer, expand,
    expand_words,
};

/// What Docker gives to images whose base has no PATH.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where a program that the Dockerfile holds appears.
pub(crate) const SCRIPT_PATH: &str = "/run/cofferdam-build/script";

pub(super) fn plan_stage(
    file: &Dockerfile,
    index: usize,
    globals: &Globals,
    earlier: &[PlannedStage],
    bases: &BTreeMap<WantedImage, ImageConfigFile>,
    used: &mut BTreeSet<String>,
) -> Result<PlannedStage, PlanError> {
    let stage = file.stages.get(index).ok_or_else(|| Problem::NoFrom.at(1))?;
    let line = stage.from.line;
    let image = globals.expand(&stage.from.image, line)?;
    if image.is_empty() {
        let rule = format!("{:?} is empty when its variables are replaced", stage.from.image);
        return Err(Problem::BadArguments { instruction: "FROM", rule }.at(line).into());
    }
    let platform = globals.platform_of(&stage.from)?;
    let from_stage = file.stage(&image, index).filter(|_| !is_number(&image));
    let (base, mut config, triggers) = match from_stage {
        Some(number) => {
            let found = earlier.iter().find(|stage| stage.index == number);
            let config = found.map(|stage| stage.config.clone());
            let config = config.ok_or_else(|| PlanError::NoBase { line, image: image.clone() })?;
            if stage.from.platform.is_some() && platform.rank(&config.platform).is_none() {
                let rule = format!("stage {image} is for {}", config.platform);
                return Err(Problem::BadFlag { instruction: "FROM", flag: "platform".into(), rule }
                    .at(line)
                    .into());
            }
            (Base::Stage(number), config, Vec::new())
        }
        None if image == "scratch" => {
            let empty = ImageConfigFile::new(Timestamp::from_unix(0, 0));
            (Base::Scratch, ImageConfigFile { platform, ..empty }, Vec::new())
        }
        None => {
            let wanted = WantedImage { name: image, platform };
            let no_base = || PlanError::NoBase { line, image: wanted.name.clone() };
            let mut config = bases.get(&wanted).cloned().ok_or_else(no_base)?;
            let triggers = std::mem::take(&mut config.on_build);
            (Base::Image(wanted), config, triggers)
        }
    };
    if !config.env.iter().any(|entry| entry.starts_with("PATH=")) {
        config.env.push(DEFAULT_PATH.to_owned());
    }
    let name = stage.from.name.clone().unwrap_or_else(|| index.to_string());
    let mut planner = Planner {
        file,
        index,
        globals,
        used,
        config,
        arguments: Vec::new(),
        command_set: false,
        steps: Vec::new(),
    };
    for trigger in &triggers {
        planner.step(&Located::parse_trigger(trigger, line)?)?;
    }
    for located in &stage.instructions {
        planner.step(located)?;
    }
    let Planner { config, steps, .. } = planner;
    Ok(PlannedStage { index, name, line, base, steps, config })
}

/// A configuration as instructions that need no step leave it.
pub(super) fn change(
    file: &Dockerfile,
    globals: &Globals,
    config: ImageConfigFile,
    changes: &[Located],
) -> Result<ImageConfigFile, PlanError> {
    let (arguments, steps) = (Vec::new(), Vec::new());
    let used = &mut BTreeSet::new();
    let mut planner = Planner { file, index: 0, globals, used, config, arguments, command_set: false, steps };
    changes.iter().try_for_each(|located| planner.step(located))?;
    Ok(planner.config)
}

struct Planner<'a> {
    file: &'a Dockerfile,
    index: usize,
    globals: &'a Globals,
    used: &'a mut BTreeSet<String>,
    config: ImageConfigFile,
    /// The build arguments in force, in the order of their `ARG`.
    arguments: Vec<(String, String)>,
    command_set: bool,
    steps: Vec<Step>,
}

impl Planner<'_> {
    fn step(&mut self, located: &Located) -> Result<(), PlanError> {
        let (host, asked) = (Platform::host(), &self.config.platform);
        let foreign = || host.rank(asked).is_none() && !(self.globals.runs_others)(asked);
        if matches!(located.instruction, Instruction::Run(_)) && foreign() {
            let (asked, host) = (asked.to_string(), host.to_string());
            return Err(PlanError::Platform { line: located.line, asked, host });
        }
        let done = self.apply(located).map_err(|problem| problem.at(located.line))?;
        let (kind, created_by) = done;
        let created_by = created_by.unwrap_or_else(|| located.text.clone());
        let (line, text) = (located.line, located.text.clone());
        self.steps.push(Step { line, text, created_by, kind });
        Ok(())
    }

    /// What a variable stands for: the image's environment goes before build arguments.
    fn value(&self, name: &str) -> Option<String> {
        let prefix = format!("{name}=");
        let env = self.config.env.iter().find_map(|entry| entry.strip_prefix(&prefix)).map(str::to_owned);
        let argument = || self.arguments.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        env.or_else(argument)
    }

    fn expand(&self, text: &str) -> Result<String, Problem> {
        Ok(expand(text, self.globals.escape, &|name: &str| self.value(name))?)
    }

    fn words(&self, text: &str) -> Result<Vec<String>, Problem> {
        Ok(expand_words(text, self.globals.escape, &|name: &str| self.value(name))?)
    }

    fn apply(&mut self, located: &Located) -> Result<(StepKind, Option<String>), Problem> {
        let mut created_by = None;
        match &located.instruction {
            Instruction::Arg(list) => self.declare(list)?,
            Instruction::Env(pairs) => created_by = Some(self.set_env(pairs)?),
            Instruction::Label(pairs) => {
                for (name, value) in pairs {
                    let (name, value) = (self.expand(name)?, self.expand(value)?);
                    self.config.labels.insert(name, value);
                }
            }
            Instruction::Expose(text) => {
                for word in self.words(text)? {
                    self.config.exposed_ports.extend(ports(&word)?);
                }
                self.config.exposed_ports.sort();
                self.config.exposed_ports.dedup();
            }
            Instruction::Volume(list) => {
                for path in list {
                    let path = self.expand(path)?;
                    self.config.volumes.push(path);
                }
                self.config.volumes.sort();
                self.config.volumes.dedup();
            }
            Instruction::User(text) => self.config.user = self.expand(text)?,
            Instruction::StopSignal(text) => self.config.stop_signal = Some(self.expand(text)?),
            Instruction::Shell(list) => self.config.shell.clone_from(list),
            Instruction::Healthcheck(check) => self.config.healthcheck = Some(check.clone()),
            Instruction::OnBuild(text) => self.config.on_build.push(text.clone()),
            Instruction::Maintainer(text) => self.config.author = Some(text.clone()),
            Instruction::Cmd(command) => {
                self.config.cmd = self.with_shell(command);
                self.command_set = true;
            }
            Instruction::Entrypoint(command) => {
                self.config.entrypoint = self.with_shell(command);
                // The base's arguments were for the base's program.
                if !self.command_set {
                    self.config.cmd = Vec::new();
                }
            }
            Instruction::Workdir(text) => {
                let path = self.absolute(&self.expand(text)?);
                self.config.working_dir.clone_from(&path);
                return Ok((
                    StepKind::Workdir(WorkdirStep { path: path.clone() }),
                    Some(format!("WORKDIR {path}")),
                ));
            }
            Instruction::Copy(transfer) | Instruction::Add(transfer) => {
                return Ok((StepKind::Copy(Box::new(self.copy(transfer)?)), None));
            }
            Instruction::Run(run) => {
                let step = self.run(run)?;
                let created_by = self.run_history(&step);
                return Ok((StepKind::Run(Box::new(step)), Some(created_by)));
            }
        }
        Ok((StepKind::Config, created_by))
    }

    fn declare(&mut self, list: &[(String, Option<String>)]) -> Result<(), Problem> {
        for (name, default) in list {
            let value = match (self.globals.given.get(name), default) {
                (Some(given), _) => {
                    self.used.insert(name.clone());
                    Some(given.clone())
                }
                (None, Some(default)) => Some(self.expand(default)?),
                (None, None) => self.globals.values.get(name).cloned(),
            };
            self.arguments.retain(|(own, _)| own != name);
            self.arguments.extend(value.map(|value| (name.clone(), value)));
        }
        Ok(())
    }

    /// All values of one instruction see the environment as it was before.
    fn set_env(&mut self, pairs: &[(String, String)]) -> Result<String, Problem> {
        let mut new = Vec::new();
        for (name, value) in pairs {
            new.push((self.expand(name)?, self.expand(value)?));
        }
        let mut shown = "ENV".to_owned();
        for (name, value) in new {
            shown += &format!(" {name}={value}");
            let prefix = format!("{name}=");
            let entry = format!("{prefix}{value}");
            match self.config.env.iter_mut().find(|old| old.starts_with(&prefix)) {
                Some(old) => *old = entry,
                None => self.config.env.push(entry),
            }
        }
        Ok(shown)
    }

    fn with_shell(&self, command: &Command) -> Vec<String> {
        match command {
            Command::Exec(list) => list.clone(),
            Command::Shell(text) => {
                let mut args = match self.config.shell.as_slice() {
                    [] => vec!["/bin/sh".to_owned(), "-c".to_owned()],
                    shell => shell.to_vec(),
                };
                args.push(text.clone());
                args
            }
        }
    }

    /// A path from the working folder on, without `.`, `..` and needless slashes; a slash at its end stays.
    fn absolute(&self, path: &str) -> String {
        let whole = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{}/{path}", self.config.working_dir)
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in whole.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                name => parts.push(name),
            }
        }
        format!("/{}", parts.join("/"))
    }

    fn tree(&self, from: Option<&str>) -> TreeRef {
        match from {
            None => TreeRef::Context,
            Some(word) => match self.file.stage(word, self.index) {
                Some(number) => TreeRef::Stage(number),
                None => {
                    let platform = self.globals.platform.clone();
                    TreeRef::Image(WantedImage { name: word.to_owned(), platform })
                }
            },
        }
    }

    fn copy(&self, transfer: &Transfer) -> Result<CopyStep, Problem> {
        let name = if transfer.add { "ADD" } else { "COPY" };
        let checksum = transfer.checksum.as_deref().map(|text| self.expand(text)).transpose()?;
        let mut sources = Vec::new();
        for source in &transfer.sources {
            sources.push(match source {
                CopySource::Heredoc(heredoc) => {
                    let text = heredoc.text();
                    let content = if heredoc.expand { self.expand_text(&text)? } else { text };
                    FileSource::Text { name: heredoc.name.clone(), content }
                }
                CopySource::Path(path) => {
                    let path = self.expand(path)?;
                    if transfer.add {
                        address::source(path, checksum.as_deref())?
                    } else {
                        FileSource::Path(path)
                    }
                }
            });
        }
        let asked = self.expand(&transfer.destination)?;
        let mut destination = self.absolute(&asked);
        let is_folder = asked.ends_with('/') || asked.ends_with("/.") || asked == ".";
        if is_folder && destination != "/" {
            destination.push('/');
        }
        if sources.len() > 1 && !is_folder {
            let rule = format!("with several sources the destination is a folder: write {asked}/");
            return Err(Problem::BadArguments { instruction: name, rule });
        }
        let text = |field: &Option<String>| field.as_deref().map(|text| self.expand(text)).transpose();
        Ok(CopyStep {
            from: self.tree(transfer.from.as_deref()),
            sources,
            destination,
            chown: text(&transfer.chown)?,
            chmod: text(&transfer.chmod)?,
            link: transfer.link,
            parents: transfer.parents,
            exclude: transfer.exclude.iter().map(|text| self.expand(text)).collect::<Result<_, _>>()?,
            unpack: transfer.unpack.unwrap_or(transfer.add),
            unpack_fetched: transfer.unpack == Some(true),
        })
    }

    /// A here-document's variables. As in a shell's, quotes are letters like others, and the escape protects a dollar and itself.
    fn expand_text(&self, text: &str) -> Result<String, Problem> {
        let escape = self.globals.escape;
        let mut guarded = String::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match (letter, letters.peek()) {
                ('\'' | '"', _) => guarded.extend([escape, letter]),
                (_, Some(next)) if letter == escape && (*next == '$' || *next == escape) => {
                    guarded.push(letter);
                    guarded.extend(letters.next());
                }
                _ if letter == escape => guarded.extend([escape, escape]),
                _ => guarded.push(letter),
            }
        }
        self.expand(&guarded)
    }

    fn run(&self, run: &Run) -> Result<RunStep, Problem> {
        let mut mounts = Vec::new();
        for (number, mount) in run.mounts.iter().enumerate() {
            let expand = |text: &str| self.expand(text);
            let absolute = |path: &str| self.absolute(path);
            mounts.push(step_mount(mount, number, &expand, &absolute, &|from| self.tree(from))?);
        }
        let mut env = self.config.env.clone();
        for (name, value) in &self.arguments {
            if !self.config.env.iter().any(|entry| entry.starts_with(&format!("{name}="))) {
                env.push(format!("{name}={value}"));
            }
        }
        let args =
            if run.script.is_some() { vec![SCRIPT_PATH.to_owned()] } else { self.with_shell(&run.command) };
        Ok(RunStep {
            platform: self.config.platform.clone(),
            args,
            env,
            proxies: self.globals.proxies.clone(),
            user: self.config.user.clone(),
            workdir: self.config.working_dir.clone(),
            mounts,
            network: self.network(run.network)?,
            hosts: self.globals.hosts.clone(),
            script: run.script.as_ref().map(crate::dockerfile::Heredoc::text),
        })
    }

    /// A Dockerfile takes a network away; it gives none.
    fn network(&self, choice: NetworkChoice) -> Result<StepNetwork, Problem> {
        match (choice, self.globals.network) {
            (NetworkChoice::None, _) => Ok(StepNetwork::None),
            (NetworkChoice::Default, given) => Ok(given),
            (NetworkChoice::Host, StepNetwork::Host) => Ok(StepNetwork::Host),
            (NetworkChoice::Host, _) => Err(Problem::BadFlag {
                instruction: "RUN",
                flag: "network".to_owned(),
                rule: "a Dockerfile cannot give itself the host's network; the build is given it (--network host), and \
                       its zone must allow it"
                    .to_owned(),
            }),
        }
    }

    /// As BuildKit shows it: the build arguments, then the command.
    fn run_history(&self, step: &RunStep) -> String {
        let mut text = "RUN ".to_owned();
        if !self.arguments.is_empty() {
            text += &format!("|{} ", self.arguments.len());
            for (name, value) in &self.arguments {
                text += &format!("{name}={value} ");
            }
        }
        text + &step.args.join(" ")
    }
}
