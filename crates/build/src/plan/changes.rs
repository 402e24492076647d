//! Instructions that change an image's configuration and no file: `commit --change`.

use cofferdam_image::ImageConfigFile;

use super::arguments::Globals;
use super::{PlanError, PlanOptions, stage};
use crate::dockerfile::{Dockerfile, Instruction, Lines, Located, Problem};

/// A configuration as these lines of a Dockerfile leave it. Variables in them are those of its environment.
///
/// # Errors
/// One is no instruction, or one that needs a build (`RUN`, `COPY`, `ADD`, `ARG`, `SHELL`, `MAINTAINER`, `FROM`).
pub fn change_config(config: ImageConfigFile, changes: &[String]) -> Result<ImageConfigFile, PlanError> {
    if changes.is_empty() {
        return Ok(config);
    }
    let file = Dockerfile::parse("FROM scratch\n")?;
    let globals = Globals::new(&file, &PlanOptions::default())?;
    let lines = Lines::parse(&changes.join("\n"))?;
    let mut all = Vec::new();
    for raw in &lines.instructions {
        let located = Located::parse(raw, lines.directives.escape)?;
        match located.instruction {
            Instruction::Cmd(_)
            | Instruction::Entrypoint(_)
            | Instruction::Env(_)
            | Instruction::Expose(_)
            | Instruction::Healthcheck(_)
            | Instruction::Label(_)
            | Instruction::OnBuild(_)
            | Instruction::StopSignal(_)
            | Instruction::User(_)
            | Instruction::Volume(_)
            | Instruction::Workdir(_) => all.push(located),
            _ => {
                let rule = format!("{} cannot be a change of a commit", raw.name);
                return Err(Problem::BadArguments { instruction: "--change", rule }.at(raw.line).into());
            }
        }
    }
    stage::change(&file, &globals, config, &all)
}

#[cfg(test)]
mod tests {
    use cofferdam_names::Timestamp;

    use super::*;

    fn change(changes: &[&str]) -> Result<ImageConfigFile, PlanError> {
        let mut config = ImageConfigFile::new(Timestamp::from_unix(0, 0));
        config.env = vec!["A=1".to_owned()];
        config.cmd = vec!["old".to_owned()];
        config.working_dir = "/w".to_owned();
        config.on_build = vec!["RUN never".to_owned()];
        change_config(config, &changes.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_configuration_is_changed_and_nothing_runs() {
        let config = change(&[
            "ENV B=$A A=2",
            "entrypoint [\"/bin/app\", \"-v\"]",
            "LABEL x=\"y z\"",
            "WORKDIR sub",
            "EXPOSE 80 53/udp",
            "ONBUILD RUN later",
            "USER joe\nSTOPSIGNAL SIGINT",
        ])
        .unwrap();
        assert_eq!(config.env, ["A=2", "B=1"]);
        assert_eq!(config.entrypoint, ["/bin/app", "-v"]);
        assert!(config.cmd.is_empty(), "they were the old program's arguments");
        assert_eq!(config.labels["x"], "y z");
        assert_eq!((config.working_dir.as_str(), config.user.as_str()), ("/w/sub", "joe"));
        assert_eq!(config.exposed_ports, ["53/udp", "80/tcp"]);
        assert_eq!(config.on_build, ["RUN never", "RUN later"]);
        assert_eq!(config.stop_signal.as_deref(), Some("SIGINT"));
        assert_eq!(change(&["CMD true"]).unwrap().cmd, ["/bin/sh", "-c", "true"]);
        assert_eq!(change(&[]).unwrap().cmd, ["old"]);
    }

    #[test]
    fn what_needs_a_build_is_refused() {
        for bad in ["RUN true", "COPY a b", "FROM x", "ARG x", "ENVY a=b", "ENV", "EXPOSE http"] {
            assert!(change(&[bad]).is_err(), "{bad}");
        }
        let error = change(&["USER joe", "RUN true"]).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
