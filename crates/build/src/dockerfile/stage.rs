//! Stages: what a Dockerfile is made of.

use super::error::{DockerfileError, Problem};
use super::flags::Flags;
use super::instruction::{self, Located};
use super::lines::{Directives, Lines, RawInstruction};
use super::words;
use crate::suggestion::nearest;

/// `FROM`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// The line on which it stands.
    pub line: usize,
    /// An image, a stage or `scratch`, with global variables still in it.
    pub image: String,
    /// `--platform`
    pub platform: Option<String>,
    /// `AS`, in small letters.
    pub name: Option<String>,
}

/// `FROM` and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What it begins with.
    pub from: From,
    /// Its instructions in order.
    pub instructions: Vec<Located>,
}

/// A whole Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// What its first lines say.
    pub directives: Directives,
    /// `ARG` before the first `FROM`: line, name and default.
    pub global_arguments: Vec<(usize, String, Option<String>)>,
    /// The stages in order; at least one.
    pub stages: Vec<Stage>,
}

impl Dockerfile {
    /// Reads a Dockerfile.
    ///
    /// # Errors
    /// A line of it cannot be understood.
    pub fn parse(text: &str) -> Result<Self, DockerfileError> {
        let lines = Lines::parse(text)?;
        let escape = lines.directives.escape;
        let mut file =
            Self { directives: lines.directives, global_arguments: Vec::new(), stages: Vec::new() };
        for raw in &lines.instructions {
            if raw.name == "FROM" {
                let from = file.from(raw, escape).map_err(|problem| problem.at(raw.line))?;
                file.stages.push(Stage { from, instructions: Vec::new() });
                continue;
            }
            match file.stages.last_mut() {
                Some(stage) => stage.instructions.push(Located::parse(raw, escape)?),
                None if raw.name == "ARG" => {
                    let all =
                        instruction::arguments(&raw.rest, escape).map_err(|problem| problem.at(raw.line))?;
                    let located = all.into_iter().map(|(name, value)| (raw.line, name, value));
                    file.global_arguments.extend(located);
                }
                None if super::KEYWORDS.contains(&raw.name.as_str()) => {
                    return Err(Problem::NoFrom.at(raw.line));
                }
                None => return Err(instruction::unknown(&raw.name).at(raw.line)),
            }
        }
        if file.stages.is_empty() { Err(Problem::NoFrom.at(1)) } else { Ok(file) }
    }

    fn from(&self, raw: &RawInstruction, escape: char) -> Result<From, Problem> {
        let (flags, rest) = Flags::take("FROM", &raw.rest, escape, &["platform"], &[])?;
        let all = words::split(rest, escape);
        let (image, name) = match all.as_slice() {
            [image] => (image, None),
            [image, word, name] if word.eq_ignore_ascii_case("as") => {
                (image, Some(name.to_ascii_lowercase()))
            }
            _ => return Err(Problem::arguments("FROM", "it is FROM IMAGE, or FROM IMAGE AS NAME")),
        };
        if let Some(name) = &name {
            let good = name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            if !good {
                let rule =
                    format!("{name:?} is no name of a stage: letters, digits and -_. from a letter on");
                return Err(Problem::arguments("FROM", rule));
            }
            if self.stages.iter().any(|stage| stage.from.name.as_ref() == Some(name)) {
                return Err(Problem::StageTwice { name: name.clone() });
            }
        }
        Ok(From { line: raw.line, image: image.clone(), platform: flags.one("platform")?, name })
    }

    /// The stage of this name among the first `before`, or of this number.
    #[must_use]
    pub fn stage(&self, word: &str, before: usize) -> Option<usize> {
        let named =
            self.stages.iter().take(before).rposition(|stage| {
                stage.from.name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(word))
            });
        named.or_else(|| word.parse().ok().filter(|number: &usize| *number < before.min(self.stages.len())))
    }

    /// The stage that `--target` means; the last without one.
    ///
    /// # Errors
    /// There is none.
    pub fn target(&self, word: Option<&str>) -> Result<usize, Problem> {
        let Some(word) = word.filter(|word| !word.is_empty()) else { return Ok(self.stages.len() - 1) };
        self.stage(word, self.stages.len()).ok_or_else(|| {
            let names: Vec<&str> =
                self.stages.iter().filter_map(|stage| stage.from.name.as_deref()).collect();
            Problem::UnknownStage { word: word.to_owned(), nearest: nearest(word, &names).map(str::to_owned) }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Command, CopySource, Instruction};
    use super::*;

    fn only(text: &str) -> Instruction {
        let file = Dockerfile::parse(&format!("FROM a\n{text}")).unwrap();
        file.stages[0].instructions[0].instruction.clone()
    }

    fn error(text: &str) -> String {
        Dockerfile::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn stages_and_global_arguments() {
        let text =
            "ARG V=1 W\nFROM --platform=$BUILDPLATFORM a:$V AS Base\nRUN x\nFROM base\nFROM scratch as out";
        let file = Dockerfile::parse(text).unwrap();
        assert_eq!(file.global_arguments.len(), 2);
        assert_eq!(file.stages[0].from.name.as_deref(), Some("base"));
        assert_eq!(
            (file.stage("BASE", 3), file.stage("1", 3), file.stage("out", 2)),
            (Some(0), Some(1), None)
        );
        assert_eq!(file.target(None).unwrap(), 2);
        assert_eq!(
            file.target(Some("ouf")).unwrap_err().to_string(),
            "there is no stage \"ouf\"; did you mean out?"
        );
    }

    #[test]
    fn every_instruction_is_read() {
        assert_eq!(only("RUN a b"), only("run a b"));
        let Instruction::Run(run) = only("RUN --mount=type=secret,id=a --network=none [\"x\", \"y\"]") else {
            unreachable!("it is RUN")
        };
        assert_eq!(run.command, Command::Exec(vec!["x".into(), "y".into()]));
        assert_eq!(run.mounts.len(), 1);
        let Instruction::Run(run) = only("RUN <<E\na\nb\nE") else { unreachable!("it is RUN") };
        assert_eq!((run.command, run.script), (Command::Shell("a\nb\n".into()), None));
        let Instruction::Run(run) = only("RUN cat <<E > /x\na\nE") else { unreachable!("it is RUN") };
        assert_eq!(run.command, Command::Shell("cat <<E > /x\na\nE".into()));
        let Instruction::Run(run) = only("RUN <<E\n#!/bin/x\nE") else { unreachable!("it is RUN") };
        assert!(run.script.is_some());
        let Instruction::Copy(copy) =
            only("COPY --from=x --chown=1:2 --chmod=755 --link --parents --exclude=*.o a <<B c/\nt\nB")
        else {
            unreachable!("it is COPY")
        };
        assert!(copy.link && copy.parents && copy.from.as_deref() == Some("x"));
        assert!(
            matches!(copy.sources.as_slice(), [CopySource::Path(a), CopySource::Heredoc(b)] if a == "a" && b.content == "t\n")
        );
        let Instruction::Add(add) = only("ADD [\"a b\", \"/c d\"]") else { unreachable!("it is ADD") };
        assert_eq!((add.sources, add.destination), (vec![CopySource::Path("a b".into())], "/c d".into()));
        assert_eq!(only("ENV a b c"), Instruction::Env(vec![("a".into(), "b c".into())]));
        assert_eq!(
            only("LABEL a=1 b=\"2 3\""),
            Instruction::Label(vec![("a".into(), "1".into()), ("b".into(), "\"2 3\"".into())])
        );
        assert_eq!(
            only("ARG a b=\"c d\""),
            Instruction::Arg(vec![("a".into(), None), ("b".into(), Some("\"c d\"".into()))])
        );
        assert_eq!(only("CMD"), Instruction::Cmd(Command::Exec(Vec::new())));
        assert_eq!(only("SHELL [\"/bin/ash\"]"), Instruction::Shell(vec!["/bin/ash".into()]));
        assert_eq!(only("VOLUME /a /b"), Instruction::Volume(vec!["/a".into(), "/b".into()]));
        assert_eq!(only("ONBUILD RUN <<E\nx\nE"), Instruction::OnBuild("RUN <<E\nx\nE".into()));
        for text in [
            "EXPOSE 80",
            "STOPSIGNAL 9",
            "USER a",
            "WORKDIR /x",
            "MAINTAINER me",
            "HEALTHCHECK NONE",
            "ENTRYPOINT x",
        ] {
            only(text);
        }
    }

    #[test]
    fn errors_say_where_and_what_was_meant() {
        assert_eq!(error("FROM a\n\nCPOY a b"), "line 3: unknown instruction CPOY; did you mean COPY?");
        assert_eq!(error("RUN x"), "line 1: a Dockerfile begins with FROM (only ARG may stand before it)");
        assert_eq!(error(""), "line 1: a Dockerfile begins with FROM (only ARG may stand before it)");
        for bad in [
            "FROM",
            "FROM a b",
            "FROM a AS 1",
            "FROM a AS b\nFROM c AS b",
            "FROM a\nRUN",
            "FROM a\nCOPY x",
            "FROM a\nCOPY x <<E\nE",
            "FROM a\nENV a",
            "FROM a\nENV =b",
            "FROM a\nSHELL x",
            "FROM a\nONBUILD FROM x",
            "FROM a\nONBUILD ONBUILD RUN x",
            "FROM a\nRUN --mount=type=x y",
            "FROM a\nRUN --network=x y",
            "FROM a\nRUN --mount=type=tmpfs,target=/x",
            "FROM a\nRUN []",
            "FROM a\nADD --keep-git-dir x y",
            "FROM a\nARG =x",
        ] {
            assert!(Dockerfile::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cve_2024_23653_privileges_are_not_given_for_the_asking() {
        assert!(error("FROM a\nRUN --security=insecure x").contains("not built"));
        assert!(error("FROM a\nRUN --device=all x").contains("not built"));
        only("RUN --security=sandbox x");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(FROM|RUN|COPY|ADD|ENV|ARG|ONBUILD|HEALTHCHECK|#|\\PC|[ \n\\\\\"'<\\-=\\[\\]`]){0,40}") {
            let _ = Dockerfile::parse(&text);
            let _ = Dockerfile::parse(&format!("FROM a\n{text}"));
        }
    }
}
