//! Plans of whole Dockerfiles.

use super::*;
use crate::dockerfile::Dockerfile;
use cofferdam_names::Timestamp;

fn base() -> ImageConfigFile {
    ImageConfigFile {
        env: vec!["PATH=/bin".into(), "LANG=C".into()],
        cmd: vec!["sh".into()],
        on_build: vec!["RUN triggered".into()],
        ..ImageConfigFile::new(Timestamp::from_unix(5, 0))
    }
}

/// For this machine.
fn wanted(name: &str) -> WantedImage {
    WantedImage { name: name.to_owned(), platform: Platform::host() }
}

fn planned_with(text: &str, args: &[(&str, &str)], target: Option<&str>) -> Result<BuildPlan, PlanError> {
    let options = PlanOptions {
        build_args: args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        target: target.map(str::to_owned),
        ..PlanOptions::default()
    };
    plan(&Dockerfile::parse(text).unwrap(), &options, &BTreeMap::from([(wanted("base"), base())]))
}

fn planned(text: &str) -> BuildPlan {
    planned_with(text, &[], None).unwrap()
}

fn config(text: &str) -> ImageConfigFile {
    planned(&format!("FROM scratch\n{text}")).stages[0].config.clone()
}

fn runs(plan: &BuildPlan) -> Vec<RunStep> {
    let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    let runs = steps.filter_map(|step| match &step.kind {
        StepKind::Run(run) => Some((**run).clone()),
        _ => None,
    });
    runs.collect()
}

fn copies(plan: &BuildPlan) -> Vec<CopyStep> {
    let steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    let copies = steps.filter_map(|step| match &step.kind {
        StepKind::Copy(copy) => Some((**copy).clone()),
        _ => None,
    });
    copies.collect()
}

#[test]
fn configuration_is_what_the_instructions_say() {
    let config = config(
        "ENV a=1 b=\"x y\"\nENV a=2 c=$a\nLABEL k=${b:+z}\nEXPOSE 80 90-91/udp\nVOLUME /v\nUSER app\nWORKDIR /w\nWORKDIR x/../y\n\
         STOPSIGNAL SIGINT\nHEALTHCHECK NONE\nSHELL [\"/bin/bash\",\"-c\"]\nENTRYPOINT run it\nCMD [\"arg\"]\nONBUILD RUN x\nMAINTAINER me",
    );
    assert_eq!(config.env[1..], ["a=2", "b=x y", "c=1"]);
    assert_eq!(config.labels["k"], "z");
    assert_eq!(config.exposed_ports, ["80/tcp", "90/udp", "91/udp"]);
    assert_eq!((config.user.as_str(), config.working_dir.as_str()), ("app", "/w/y"));
    assert_eq!(config.entrypoint, ["/bin/bash", "-c", "run it"]);
    assert_eq!(config.cmd, ["arg"]);
    assert_eq!((config.on_build.len(), config.author.as_deref()), (1, Some("me")));
}

#[test]
fn an_entry_point_takes_the_bases_command_away() {
    let entry = |text: &str| planned(&format!("FROM base\n{text}")).stages[0].config.cmd.clone();
    assert_eq!(entry("RUN x"), ["sh"]);
    assert_eq!(entry("ENTRYPOINT [\"x\"]"), Vec::<String>::new());
    assert_eq!(entry("CMD [\"y\"]\nENTRYPOINT [\"x\"]"), ["y"]);
}

#[test]
fn a_bases_triggers_come_first_and_once() {
    let plan = planned("FROM base AS a\nRUN own\nFROM a\nRUN second");
    let commands: Vec<String> = runs(&plan).into_iter().map(|run| run.args[2].clone()).collect();
    assert_eq!(commands, ["triggered", "own", "second"]);
    assert!(plan.stages[0].config.on_build.is_empty());
}

#[test]
fn arguments_reach_the_steps_after_their_declaration() {
    let text =
        "ARG V=1\nARG UNUSED\nFROM base\nRUN before\nARG V\nARG W=w$V\nARG TARGETARCH\nENV V2=$W\nRUN after";
    let plan = planned_with(text, &[("V", "9"), ("nobody", "x")], None).unwrap();
    let runs = runs(&plan);
    assert!(!runs[1].env.iter().any(|entry| entry.starts_with("V=")));
    assert!(["V=9", "W=w9", "V2=w9"].iter().all(|entry| runs[2].env.iter().any(|own| own == entry)));
    assert!(runs[2].env.contains(&format!("TARGETARCH={}", Platform::host().architecture)));
    assert_eq!(plan.unused_arguments, ["nobody"]);
    let history = &plan.stages[0].steps.last().unwrap().created_by;
    assert!(history.starts_with("RUN |3 V=9 W=w9 TARGETARCH="), "{history}");
    assert!(plan.stages[0].config.env.iter().all(|entry| !entry.starts_with("V=")));
}

#[test]
fn proxies_are_passed_on_and_count_for_nothing() {
    let plan = planned_with("FROM base\nRUN x", &[("http_proxy", "http://p")], None).unwrap();
    let run = &runs(&plan)[0];
    assert_eq!(run.proxies, ["http_proxy=http://p"]);
    assert!(!serde_json::to_string(run).unwrap().contains("http://p"));
    assert!(plan.unused_arguments.is_empty());
}

#[test]
fn only_needed_stages_are_planned() {
    let text = "FROM base AS a\nFROM nowhere AS unused\nFROM base AS c\nCOPY --from=a /x /x\nFROM other AS d\nFROM c AS e\n\
                RUN --mount=from=tool,target=/t x";
    let plan = planned(text);
    assert_eq!(plan.stages.iter().map(|stage| stage.index).collect::<Vec<_>>(), [0, 2, 4]);
    assert_eq!(plan.images.iter().collect::<Vec<_>>(), [&wanted("tool")]);
    let file = Dockerfile::parse(text).unwrap();
    let images = external_images(&file, &PlanOptions::default()).unwrap();
    assert_eq!(images, [(1, wanted("base"), true), (7, wanted("tool"), false)]);
    assert!(matches!(planned_with(text, &[], Some("d")), Err(PlanError::NoBase { line: 5, .. })));
    assert!(planned_with("FROM base AS a\nCOPY --from=b /x /x\nFROM base AS b\nFROM a", &[], None).is_err());
}

#[test]
fn copies_have_absolute_destinations() {
    let plan = planned(
        "FROM base\nWORKDIR /w\nCOPY a b ./\nCOPY a b/c\nADD x.tar https://x/y /z/\nCOPY a .\nCOPY <<A <<'B' /t/\n$LANG \"q\" \\$x \\n\nA\n$LANG\nB",
    );
    let copies = copies(&plan);
    let destinations: Vec<&str> = copies.iter().map(|copy| copy.destination.as_str()).collect();
    assert_eq!(destinations, ["/w/", "/w/b/c", "/z/", "/w/", "/t/"]);
    assert!(copies[2].unpack && !copies[1].unpack);
    assert!(matches!(&copies[2].sources[1], FileSource::Address { url, .. } if url == "https://x/y"));
    assert!(
        matches!(&copies[4].sources[0], FileSource::Text { content, .. } if content == "C \"q\" $x \\n\n")
    );
    assert!(matches!(&copies[4].sources[1], FileSource::Text { content, .. } if content == "$LANG\n"));
    let error = planned_with("FROM base\nCOPY a b c", &[], None).unwrap_err().to_string();
    assert_eq!(error, "line 2: COPY: with several sources the destination is a folder: write c/");
}

#[test]
fn stages_for_other_machines_copy_and_do_not_run() {
    let host = Platform::host();
    let other: Platform =
        if host.architecture == "arm64" { "linux/amd64" } else { "linux/arm64" }.parse().unwrap();
    let options = PlanOptions { platform: other.clone(), ..PlanOptions::default() };
    let foreign = ImageConfigFile { platform: other.clone(), on_build: Vec::new(), ..base() };
    let both = BTreeMap::from([
        (wanted("base"), base()),
        (WantedImage { name: "base".to_owned(), platform: other.clone() }, foreign),
    ]);
    let planned = |text: &str| plan(&Dockerfile::parse(text).unwrap(), &options, &both);
    let cross = "FROM --platform=$BUILDPLATFORM base AS build\nARG TARGETARCH\nRUN make $TARGETARCH\n\
                 FROM base\nCOPY --from=build /x /x\nCOPY --from=tool /y /y\nFROM scratch AS files\nCOPY x /";
    let file = Dockerfile::parse(cross).unwrap();
    let target = |name: Option<&str>| PlanOptions { target: name.map(str::to_owned), ..options.clone() };
    let made = plan(&file, &target(Some("1")), &both).unwrap();
    assert_eq!(made.stages.iter().map(|stage| &stage.config.platform).collect::<Vec<_>>(), [&host, &other]);
    assert!(runs(&made)[1].env.contains(&format!("TARGETARCH={}", other.architecture)));
    let needed: Vec<(String, Platform)> = external_images(&file, &target(Some("1")))
        .unwrap()
        .into_iter()
        .map(|(_, image, _)| (image.name, image.platform))
        .collect();
    let named = |name: &str, platform: &Platform| (name.to_owned(), platform.clone());
    assert_eq!(needed, [named("base", &host), named("base", &other), named("tool", &other)]);
    let files = plan(&file, &target(None), &both).unwrap();
    assert_eq!(files.stages[0].config.platform, other);
    for text in ["FROM base\nRUN x", "FROM scratch AS a\nFROM a\nRUN x", "FROM scratch\nENV a=b\nRUN x"] {
        let error = planned(text).unwrap_err().to_string();
        let said = ["RUN: cannot run programs of linux/", "binfmt_misc", "$BUILDPLATFORM"];
        assert!(said.iter().all(|part| error.contains(part)), "{error}");
    }
    let of_stage = format!("FROM scratch AS a\nFROM --platform={host} a");
    assert!(planned(&of_stage).unwrap_err().to_string().contains("stage a is for linux/"));
    let error = planned("FROM --platform=nothing base").unwrap_err().to_string();
    assert!(error.contains("is no platform"), "{error}");
}

#[test]
fn mounts_have_their_defaults() {
    let plan = planned(
        "FROM base\nWORKDIR /w\nRUN --mount=type=cache,target=c --mount=type=secret,id=k --mount=type=ssh --mount=target=.,rw x",
    );
    let run = &runs(&plan)[1];
    let targets: Vec<Option<&str>> = run.mounts.iter().map(|mount| mount.target.as_deref()).collect();
    assert_eq!(
        targets,
        [Some("/w/c"), Some("/run/secrets/k"), Some("/run/buildkit/ssh_agent.2"), Some("/w")]
    );
    for bad in ["target=/", "type=tmpfs,target=/proc/x", "target=/dev", "type=cache,target=/x,source=/a"] {
        assert!(planned_with(&format!("FROM base\nRUN --mount={bad} x"), &[], None).is_err(), "{bad}");
    }
}
