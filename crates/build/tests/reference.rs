//! The Dockerfile reference (docs.docker.com/reference/dockerfile) as a table: what each instruction makes of the steps and the
//! configuration, and what is refused where.
#![allow(clippy::unwrap_used, reason = "tests: a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cofferdam_build::dockerfile::Dockerfile;
use cofferdam_build::plan::{
    BuildPlan, FileSource, PlanError, PlanOptions, StepKind, TreeRef, WantedImage, plan,
};
use cofferdam_image::{ImageConfigFile, Platform};
use cofferdam_names::Timestamp;

fn base() -> ImageConfigFile {
    ImageConfigFile {
        env: vec!["PATH=/bin".into(), "FROM_BASE=1".into()],
        cmd: vec!["base".into()],
        user: "nobody".into(),
        working_dir: "/base".into(),
        ..ImageConfigFile::new(Timestamp::from_unix(0, 0))
    }
}

fn build(text: &str, args: &[&str]) -> Result<BuildPlan, PlanError> {
    let pairs = args.iter().filter_map(|arg| arg.split_once('='));
    let options = PlanOptions {
        build_args: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ..PlanOptions::default()
    };
    let trigger = |text: &str| ImageConfigFile { on_build: vec![text.to_owned()], ..base() };
    let wanted = |name: &str| WantedImage { name: name.to_owned(), platform: options.platform.clone() };
    let bases = BTreeMap::from([
        (wanted("base"), base()),
        (wanted("base:2"), base()),
        (wanted("triggers"), trigger("COPY --from=0 . /onbuild/")),
        (wanted("heredoc"), trigger("RUN <<E\necho $FROM_BASE\nE")),
    ]);
    let file = Dockerfile::parse(text).map_err(|error| PlanError::from(error.located(text)))?;
    plan(&file, &options, &bases).map_err(|error| error.located(text))
}

/// The steps and the configuration of a plan's target, a line each.
fn told(plan: &BuildPlan) -> String {
    let stage = &plan.stages[plan.target];
    let mut text = String::new();
    for step in &stage.steps {
        match &step.kind {
            StepKind::Run(run) => {
                let _ = write!(text, "run {:?}", run.args);
                for entry in run.env.iter().filter(|entry| !entry.starts_with("PATH=")) {
                    let _ = write!(text, " {entry}");
                }
                if let Some(script) = &run.script {
                    let _ = write!(text, " script {script:?}");
                }
                for mount in &run.mounts {
                    let _ = write!(text, " mount {}", mount.target.as_deref().unwrap_or("-"));
                }
                let _ = writeln!(text, " as {:?} in {:?}", run.user, run.workdir);
            }
            StepKind::Copy(copy) => {
                let from = match &copy.from {
                    TreeRef::Context => "context".to_owned(),
                    TreeRef::Stage(number) => format!("stage {number}"),
                    TreeRef::Image(name) => format!("image {name}"),
                };
                let sources: Vec<String> = copy
                    .sources
                    .iter()
                    .map(|source| match source {
                        FileSource::Path(path) => path.clone(),
                        FileSource::Text { name, content } => format!("{name}={content:?}"),
                        FileSource::Address { url, .. } => url.clone(),
                    })
                    .collect();
                let _ = write!(text, "copy {from}: {} to {}", sources.join(" "), copy.destination);
                for (is, word) in [
                    (copy.link, "link"),
                    (copy.parents, "parents"),
                    (copy.unpack, "unpack"),
                    (copy.unpack_fetched, "unpack-fetched"),
                ] {
                    if is {
                        let _ = write!(text, " {word}");
                    }
                }
                for (name, value) in [("chown", &copy.chown), ("chmod", &copy.chmod)] {
                    if let Some(value) = value {
                        let _ = write!(text, " {name} {value}");
                    }
                }
                if !copy.exclude.is_empty() {
                    let _ = write!(text, " without {}", copy.exclude.join(" "));
                }
                text.push('\n');
            }
            StepKind::Workdir(workdir) => {
                let _ = writeln!(text, "folder {}", workdir.path);
            }
            StepKind::Config => {}
        }
    }
    text
}

fn configured(plan: &BuildPlan) -> String {
    let config = &plan.stages[plan.target].config;
    let mut text = String::new();
    let env: Vec<&str> =
        config.env.iter().map(String::as_str).filter(|entry| !entry.starts_with("PATH=")).collect();
    let lists = [
        ("env", env.join(" ")),
        ("entrypoint", config.entrypoint.join("|")),
        ("cmd", config.cmd.join("|")),
        ("shell", config.shell.join("|")),
        ("user", config.user.clone()),
        ("workdir", config.working_dir.clone()),
        ("ports", config.exposed_ports.join(" ")),
        ("volumes", config.volumes.join(" ")),
        ("signal", config.stop_signal.clone().unwrap_or_default()),
        ("onbuild", config.on_build.join("|")),
        ("author", config.author.clone().unwrap_or_default()),
        (
            "labels",
            config.labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "),
        ),
        ("health", config.healthcheck.as_ref().map_or_else(String::new, |check| check.test.join("|"))),
    ];
    for (name, value) in lists {
        if !value.is_empty() {
            let _ = writeln!(text, "{name} {value}");
        }
    }
    text
}

#[test]
fn steps_are_what_the_reference_says() {
    let sh = |script: &str| format!("run {:?} ", ["/bin/sh", "-c", script]);
    let own = "FROM_BASE=1 as \"nobody\" in \"/base\"\n";
    for (text, args, expected) in [
        // Forms of RUN.
        ("FROM base\nRUN a  \"b\" $c", &[][..], format!("{}{own}", sh("a  \"b\" $c"))),
        ("FROM base\nRUN [\"a\", \"$c\"]", &[], format!("run [\"a\", \"$c\"] {own}")),
        ("FROM base\nRUN ['a', 'b']", &[], format!("{}{own}", sh("['a', 'b']"))),
        ("FROM base\nRUN a && \\\n  # between\n\n  b", &[], format!("{}{own}", sh("a &&   b"))),
        ("FROM base\nrun x", &[], format!("{}{own}", sh("x"))),
        // SHELL is for what follows it.
        (
            "FROM base\nRUN a\nSHELL [\"bash\", \"-ec\"]\nRUN b\nRUN [\"c\"]",
            &[],
            format!("{}{own}run [\"bash\", \"-ec\", \"b\"] {own}run [\"c\"] {own}", sh("a")),
        ),
        // USER and WORKDIR are for what follows them; relative ones go on from the last.
        (
            "FROM base\nUSER u:g\nWORKDIR x\nWORKDIR ../y/.\nRUN a",
            &[],
            format!("folder /base/x\nfolder /base/y\n{}FROM_BASE=1 as \"u:g\" in \"/base/y\"\n", sh("a")),
        ),
        ("FROM base\nENV d=/q\nWORKDIR $d/z", &[], "folder /q/z\n".to_owned()),
        // Here-documents.
        ("FROM base\nRUN <<E\na\nb\nE", &[], format!("{}{own}", sh("a\nb\n"))),
        ("FROM base\nRUN <<-E\n\ta\n\tE", &[], format!("{}{own}", sh("a\n"))),
        (
            "FROM base\nRUN <<E\n#!/bin/awk\nx\nE",
            &[],
            "run [\"/run/cofferdam-build/script\"] FROM_BASE=1 script \"#!/bin/awk\\nx\\n\" as \"nobody\" in \"/base\"\n"
                .to_owned(),
        ),
        ("FROM base\nRUN python3 <<E\nx\nE", &[], format!("{}{own}", sh("python3 <<E\nx\nE"))),
        (
            "FROM base\nENV v=1\nCOPY <<A <<\"B\" /d/\n$v\nA\n$v\nB",
            &[],
            "copy context: A=\"1\\n\" B=\"$v\\n\" to /d/\n".to_owned(),
        ),
        // The escape directive.
        ("# escape=`\nFROM base\nRUN a `\n b\nWORKDIR c:\\x", &[], format!("{}{own}folder /base/c:\\x\n", sh("a  b"))),
        // Directives are read, comments and unknown ones end them.
        (
            "# syntax=docker/dockerfile:1\n# check=skip=all\n# escape=`\nFROM base\nRUN a`\nb",
            &[],
            format!("{}{own}", sh("ab")),
        ),
        ("# a comment\n# escape=`\nFROM base\nRUN a`", &[], format!("{}{own}", sh("a`"))),
        // ARG: from its line on, per stage, given values before defaults, ENV before both.
        ("ARG V=1\nFROM base:$V\nRUN a", &["V=2"], format!("{}{own}", sh("a"))),
        ("FROM base\nRUN a\nARG V=d\nRUN b", &["V=g"], format!("{}{own}{}FROM_BASE=1 V=g as \"nobody\" in \"/base\"\n", sh("a"), sh("b"))),
        ("FROM base\nARG V=d\nENV V=e\nRUN b", &["V=g"], format!("{}FROM_BASE=1 V=e as \"nobody\" in \"/base\"\n", sh("b"))),
        ("FROM base\nENV V=e\nARG V=d\nRUN b", &["V=g"], format!("{}FROM_BASE=1 V=e as \"nobody\" in \"/base\"\n", sh("b"))),
        ("ARG V=1\nFROM base\nRUN a", &[], format!("{}{own}", sh("a"))),
        ("ARG V=1\nFROM base\nARG V\nRUN a", &[], format!("{}FROM_BASE=1 V=1 as \"nobody\" in \"/base\"\n", sh("a"))),
        ("ARG V=1\nFROM base\nARG V=2\nRUN a", &[], format!("{}FROM_BASE=1 V=2 as \"nobody\" in \"/base\"\n", sh("a"))),
        ("FROM base\nARG A=1 B=$A\nENV E=$B\nRUN a", &[], format!("{}FROM_BASE=1 E=1 A=1 B=1 as \"nobody\" in \"/base\"\n", sh("a"))),
        // A stage that begins with another has its ENV and not its ARG.
        (
            "FROM base AS a\nARG V=1\nENV E=2\nFROM a\nRUN x",
            &[],
            format!("{}FROM_BASE=1 E=2 as \"nobody\" in \"/base\"\n", sh("x")),
        ),
        // COPY and ADD.
        (
            "FROM base\nCOPY --chown=1:2 --chmod=644 --exclude=*.o --exclude=t a b c/",
            &[],
            "copy context: a b to /base/c/ chown 1:2 chmod 644 without *.o t\n".to_owned(),
        ),
        ("FROM base\nCOPY --link --parents a/b /c/", &[], "copy context: a/b to /c/ link parents\n".to_owned()),
        ("FROM base\nCOPY [\"a b\", \"/c d\"]", &[], "copy context: a b to /c d\n".to_owned()),
        ("FROM base\nENV f=a\nCOPY $f ${f}x/\\$f .", &[], "copy context: a ax/$f to /base/\n".to_owned()),
        ("FROM base\nADD a.tar /x", &[], "copy context: a.tar to /x unpack\n".to_owned()),
        ("FROM base\nADD --unpack=false a.tar /x", &[], "copy context: a.tar to /x\n".to_owned()),
        ("FROM base\nADD http://h/a.tar /x", &[], "copy context: http://h/a.tar to /x unpack\n".to_owned()),
        (
            "FROM base\nADD --unpack http://h/a.tar /x",
            &[],
            "copy context: http://h/a.tar to /x unpack unpack-fetched\n".to_owned(),
        ),
        ("FROM base AS One\nFROM base\nCOPY --from=one a b", &[], "copy stage 0: a to /base/b\n".to_owned()),
        ("FROM base\nFROM base\nCOPY --from=0 a b", &[], "copy stage 0: a to /base/b\n".to_owned()),
        ("FROM base\nCOPY --from=other:1 a b", &[], "copy image other:1: a to /base/b\n".to_owned()),
        // ONBUILD of a base comes first, with that base's here-documents.
        (
            "FROM base\nFROM triggers\nRUN a",
            &[],
            format!("copy stage 0: . to /onbuild/\n{}{own}", sh("a")),
        ),
        ("FROM heredoc", &[], format!("{}{own}", sh("echo $FROM_BASE\n"))),
    ] {
        let found = build(text, args).map_or_else(|error| error.to_string(), |plan| told(&plan));
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn configurations_are_what_the_reference_says() {
    let unchanged = "env FROM_BASE=1\ncmd base\nuser nobody\nworkdir /base\n";
    for (text, expected) in [
        ("FROM base", unchanged.to_owned()),
        ("FROM scratch", String::new()),
        (
            "FROM base\nENV a=1 b=$a c='$a' d=\"x y\" FROM_BASE=2",
            unchanged.replace("FROM_BASE=1", "FROM_BASE=2 a=1 b= c=$a d=x y"),
        ),
        ("FROM base\nENV a x  y", unchanged.replace("FROM_BASE=1", "FROM_BASE=1 a=x  y")),
        (
            "FROM base\nENV a=${FROM_BASE:+set} b=${none:-def} c=\\$x",
            unchanged.replace("FROM_BASE=1", "FROM_BASE=1 a=set b=def c=$x"),
        ),
        ("FROM scratch\nCMD a b", "cmd /bin/sh|-c|a b\n".to_owned()),
        ("FROM scratch\nCMD [\"a\"]\nCMD [\"b\"]", "cmd b\n".to_owned()),
        ("FROM scratch\nSHELL [\"s\"]\nENTRYPOINT x\nCMD []", "entrypoint s|x\nshell s\n".to_owned()),
        (
            "FROM base\nENTRYPOINT [\"x\"]",
            "env FROM_BASE=1\nentrypoint x\nuser nobody\nworkdir /base\n".to_owned(),
        ),
        ("FROM scratch\nEXPOSE 80 53/udp 7-8\nEXPOSE 80/tcp", "ports 53/udp 7/tcp 8/tcp 80/tcp\n".to_owned()),
        ("FROM scratch\nVOLUME [\"/a\", \"/b\"]\nVOLUME /a /c", "volumes /a /b /c\n".to_owned()),
        ("FROM scratch\nSTOPSIGNAL SIGQUIT", "signal SIGQUIT\n".to_owned()),
        ("FROM scratch\nLABEL a=1 \"b c\"=\"d e\"\nLABEL a=2", "labels a=2 b c=d e\n".to_owned()),
        ("FROM scratch\nONBUILD RUN x\nONBUILD COPY a b", "onbuild RUN x|COPY a b\n".to_owned()),
        ("FROM scratch\nMAINTAINER me", "author me\n".to_owned()),
        ("FROM base AS a\nUSER x\nFROM base", unchanged.to_owned()),
    ] {
        let found = build(text, &[]).map_or_else(|error| error.to_string(), |plan| configured(&plan));
        assert_eq!(found, expected, "{text}");
    }
    let health = |text: &str| {
        let plan = build(&format!("FROM scratch\nHEALTHCHECK {text}"), &[]).unwrap();
        plan.stages[plan.target].config.healthcheck.clone().unwrap()
    };
    assert_eq!(health("NONE").test, ["NONE"]);
    assert_eq!(health("CMD a b").test, ["CMD-SHELL", "a b"]);
    let check =
        health("--interval=5s --timeout=1m30s --start-period=2s --start-interval=1s --retries=4 CMD [\"a\"]");
    assert_eq!(check.test, ["CMD", "a"]);
    assert_eq!(check.retries, 4);
}

#[test]
fn every_build_has_its_platforms() {
    let host = Platform::host();
    let text = "FROM --platform=$BUILDPLATFORM base AS x\nARG TARGETPLATFORM\nARG TARGETOS TARGETARCH\nARG TARGETSTAGE\n\
                ARG BUILDARCH=mine\nRUN a";
    let found = told(&build(text, &[]).unwrap());
    for entry in [
        format!("TARGETPLATFORM={host}"),
        format!("TARGETOS={}", host.os),
        format!("TARGETARCH={}", host.architecture),
        "TARGETSTAGE=x".to_owned(),
        "BUILDARCH=mine".to_owned(),
    ] {
        assert!(found.contains(&format!(" {entry} ")), "{entry}: {found}");
    }
    // Not declared, not there.
    assert!(!told(&build("FROM base\nRUN a", &[]).unwrap()).contains("TARGET"));
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (text, expected) in [
        ("FROM base\nCOPPY a b", "line 2, column 1: unknown instruction COPPY; did you mean COPY?"),
        (
            "FROM base\n\n  COPY --fron=x a b",
            "line 3, column 8: COPY has no option --fron; did you mean --from?",
        ),
        ("FROM base\nRUN a \\\n && b\nWORKDIR", "line 4, column 1: WORKDIR: it needs arguments"),
        ("FROM base\nENV a", "line 2, column 1: ENV: \"a\" has no value: NAME=VALUE"),
        ("FROM base\nENV a=1 ${b", "line 2, column 1: ENV: \"${b\" is not NAME=VALUE"),
        (
            "FROM base\nWORKDIR /x/${b",
            "line 2, column 12: cannot put in variables: a ${ is opened and not closed",
        ),
        ("FROM base\nENV a=${b:?missing}", "line 2, column 7: cannot put in variables: b: missing"),
        (
            "FROM base\nCOPY <<E /x\ntext",
            "line 2, column 8: the here-document <<E has no end: there is no line that is only E",
        ),
        (
            "FROM base AS x\nCOPY --from=later a b\nFROM base AS later\nFROM x",
            "line 2, column 1: COPY: --from=later",
        ),
        ("FROM base\nEXPOSE http", "line 2, column 1: EXPOSE: \"http\" is no port"),
        (
            "FROM base\nRUN --network=host x",
            "line 2, column 5: RUN --network: a Dockerfile cannot give itself",
        ),
        (
            "FROM base\nRUN --mount=type=bind,target=/proc/x a",
            "line 2, column 5: RUN --mount: nothing of a build",
        ),
        ("FROM base\nADD --checksum=sha256:1 http://h/x /x", "line 2, column 5: ADD --checksum"),
        ("FROM base\nADD https://h/x.git /x", "line 2, column 5: ADD https://h/x.git is not built"),
        ("FROM base AS a\nFROM base AS A", "line 2, column 14: two stages have the name \"a\""),
        ("ARG V\nFROM $V", "line 2, column 1: FROM: \"$V\" is empty when its variables are replaced"),
        ("# escape=\\\n# escape=`\nFROM base", "line 2, column 3: the directive escape stands twice"),
        ("FROM base\nONBUILD FROM x", "line 2, column 1: ONBUILD: FROM cannot stand in it"),
        ("FROM base\nHEALTHCHECK --interval=x CMD a", "line 2, column 13: HEALTHCHECK --interval"),
        ("FROM base\nSTOPSIGNAL", "line 2, column 1: STOPSIGNAL: it needs arguments"),
        ("FROM base\nSHELL /bin/sh", "line 2, column 1: SHELL: it is a JSON list"),
    ] {
        let error = build(text, &[]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text:?}\n{error}\n{expected}");
    }
}
