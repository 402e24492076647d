//! What the commands take, and what they say of themselves.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::FromArgMatches;
use proptest::prelude::*;

use super::{ALIASES, COMMANDS, execute, find};
use crate::flags::ContainerFlags;
use crate::globals::Globals;

/// What the engine would be asked for.
fn request(arguments: &[&str]) -> cofferdam_policy::ContainerRequest {
    let mut matches = find(&["run"]).unwrap().0.read(arguments).unwrap();
    ContainerFlags::from_arg_matches_mut(&mut matches).unwrap().into_request().unwrap()
}

/// What a person would be told.
fn refusal(words: &[&str]) -> String {
    let words = words.iter().map(OsString::from).collect();
    match execute(words, &Globals::default()) {
        Ok(_) => "done".to_owned(),
        Err(report) => report.text(),
    }
}

#[test]
fn every_parser_is_consistent() {
    for entry in COMMANDS {
        entry.spec().debug_assert();
        entry.parser().debug_assert();
    }
    super::tree().debug_assert();
}

#[test]
fn every_alias_leads_to_a_command_and_no_word_is_taken_twice() {
    let mut words = BTreeSet::new();
    for entry in COMMANDS {
        assert!(words.insert(entry.words), "{}", entry.words);
    }
    for (alias, meant) in ALIASES {
        assert!(words.insert(alias), "{alias}");
        assert!(COMMANDS.iter().any(|entry| entry.words == *meant), "{alias}");
    }
}

#[test]
fn help_of_every_command() {
    for entry in COMMANDS {
        insta::assert_snapshot!(format!("help_{}", entry.words.replace(' ', "_")), crate::usage::help(entry));
    }
    insta::assert_snapshot!("help", crate::help::overview());
}

/// The commands as a page of documentation.
fn page() -> String {
    let mut text = "# Commands\n\nMade from the commands' own help by the tests of `cofferdam-cli` \
        (`COFFERDAM_WRITE_DOCS=1 cargo test -p cofferdam-cli page`).\n\n"
        .to_owned();
    text += &format!("```text\n{}```\n", crate::help::overview());
    for entry in COMMANDS {
        text += &format!("\n## {}\n\n```text\n{}```\n", entry.words, crate::usage::help(entry));
    }
    text += "\n## Docker's flags that are not there\n\nEvery other flag of Docker 28's `run`, `create`, `exec`, `logs`, `ps`, \
        `inspect`, `stop`, `update`, `top`, `stats`, `cp`, ... works, or ends in a message that says what it asks for and what \
        stands against it. These are known and refused; a value in the last column asks for nothing that is not so anyway. \
        `start --checkpoint` is not built.\n\n";
    text += &crate::flags::refused::table();
    text
}

#[test]
fn flags_that_are_refused_say_why() {
    for (flags, why) in [
        (&["--gpus", "all"][..], "--device"),
        (&["--runtime", "runc"], "Cofferdam itself"),
        (&["--use-api-socket"], "control socket"),
        (&["--link", "a:b"], "--network-alias"),
        (&["--disable-content-trust=false"], "signatures"),
    ] {
        let mut words = vec!["run"];
        words.extend(flags);
        words.extend(["host", "true"]);
        let text = refusal(&words);
        assert!(text.contains(why) && text.contains("cannot use"), "{flags:?}: {text}");
    }
    assert_eq!(request(&["--disable-content-trust", "host", "true"]).image, "host", "it takes no word");
    assert_eq!(request(&["--isolation", "default", "--runtime=cofferdam", "host"]).image, "host");
}

#[test]
fn the_page_of_commands_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/commands.md");
    if std::env::var_os("COFFERDAM_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).unwrap();
        std::fs::write(path, page()).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap() == page(),
        "docs/commands.md is not what the commands say"
    );
}

#[test]
fn flags_end_at_the_image() {
    let asked = request(&["-it", "--rm", "host", "ls", "-l", "--color=never"]);
    assert_eq!((asked.image.as_str(), asked.rm), ("host", true));
    assert_eq!(asked.command, ["ls", "-l", "--color=never"]);
    assert_eq!(request(&["host", "--", "ls", "--", "x"]).command, ["ls", "--", "x"]);
    assert_eq!(request(&["--", "host", "-x"]).command, ["-x"]);
    assert!(request(&["host"]).command.is_empty());
}

#[test]
fn switches_and_values_as_docker_reads_them() {
    assert!(!request(&["--rm", "--rm=false", "host"]).rm);
    assert!(request(&["--rm=false", "--rm=1", "host"]).rm);
    let asked =
        request(&["--stop-timeout", "-1", "--oom-score-adj=-5", "-m512m", "-e", "-x=1", "-uroot", "host"]);
    assert_eq!(
        (asked.stop_timeout, asked.oom_score_adj, asked.user.as_deref()),
        (Some(-1), Some(-5), Some("root"))
    );
    assert_eq!(asked.resources.memory.unwrap().0, 512 << 20);
    assert_eq!(request(&["--entrypoint", "", "host"]).entrypoint, Some(vec![]));
    assert_eq!(request(&["--name", "a1", "--name", "b2", "host"]).name.unwrap().as_str(), "b2");
    let asked = request(&["-l", "a=1", "--label", "b", "-l", "a=2", "--sysctl", "net.x=1", "host"]);
    assert_eq!(asked.labels, [("a", "2"), ("b", "")].map(|(k, v)| (k.into(), v.into())).into());
    assert_eq!(asked.sysctls, [("net.x".into(), "1".into())].into());
}

#[test]
fn files_that_flags_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let env = file("env", "# x\nA=1\n\n  B=2 3\n");
    let labels = file("labels", "tier=front\n");
    let asked = request(&["--env-file", &env, "-e", "A=9", "--label-file", &labels, "host"]);
    assert_eq!(asked.env.len(), 3);
    assert_eq!(asked.labels["tier"], "front");
    let missing = folder.path().join("missing");
    let said = refusal(&["run", "--env-file", missing.to_str().unwrap(), "host"]);
    assert!(said.contains("cannot read environment file") && said.contains("No such file"), "{said}");
}

#[test]
fn mistakes_are_explained() {
    let transcript: Vec<String> = [
        "rnu",
        "container",
        "container lss",
        "run",
        "run --rmm host",
        "run --memory x host",
        "run -v a/b:/c host",
        "run --mount type=bund,target=/x host",
        "run --ulimit nofile=9:1 host",
        "run --cpus two host",
        "run --device dev/fuse host",
        "run --restart never host",
        "run --security-opt seccomp host",
        "run --tmpfs tmp host",
        "run --detach-keys ctrl-Q host",
        "run --stop-signal FOO host",
        "run --cap-add FLY host",
        "run --name - host",
        "run --zone Default host",
        "run -w relative host",
        "run -e =x host",
        "run --pull often host",
        "run --platform linux/s390x host",
        "run -d -a stdout host",
        "run --gpus all host",
        "run --rm=maybe host",
        "exec",
        "exec web",
        "ps --filter status",
        "ps --fromat json",
        "logs --since yesterday web",
        "logs --tail x web",
        "kill -s FOO web",
        "wait --condition soon web",
        "rename web -",
        "update web",
        "man --dir /x run",
        "completion csh",
    ]
    .iter()
    .map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        format!("$ cofferdam {line}\n{}", refusal(&words))
    })
    .collect();
    insta::assert_snapshot!("mistakes", transcript.join("\n"));
}

proptest! {
    #[test]
    fn no_arguments_make_it_panic(words in proptest::collection::vec(prop_oneof![
        Just("run"), Just("--rm"), Just("-it"), Just("-e"), Just("--"), Just("host"), Just("-"), Just("--memory"), Just("-v"),
        Just("=x"), Just("--rm=x"), Just("-pP"), Just("ä"), Just("--mount"), Just("type=bind"), Just(""),
    ], 0..8)) {
        let entry = find(&["run"]).unwrap().0;
        if let Ok(mut matches) = entry.read(&words) {
            let _ = ContainerFlags::from_arg_matches_mut(&mut matches).map(ContainerFlags::into_request);
        }
    }
}

#[test]
fn groups_have_help_and_h_asks_for_it() {
    let zone = crate::help::group("zone").unwrap();
    assert!(zone.contains("check") && zone.contains("Usage: cofferdam zone COMMAND"), "{zone}");
    assert!(crate::help::group("container").unwrap().contains("rename"));
    assert_eq!(crate::help::group("run"), None);
    assert_eq!(crate::help::group("nosuch"), None);
    let asked = find(&["ps"]).unwrap().0.read(&["-h"]).unwrap_err();
    assert_eq!(asked.kind(), clap::error::ErrorKind::DisplayHelp);
    assert_eq!(request(&["-h", "web", "host"]).hostname.as_deref(), Some("web"));
}

#[test]
fn a_container_has_the_addresses_of_its_first_network_alone() {
    let twice = request(&["--network", "name=front,alias=a", "--network", "name=front,alias=b", "host"]);
    assert_eq!(twice.network.aliases, ["a", "b"]);
    assert!(twice.network.connected.is_empty());
    let text = refusal(&["run", "--network", "front", "--network", "name=back,ip=10.1.2.3", "host", "true"]);
    assert!(text.contains("one link") && text.contains("hint"), "{text}");
}
