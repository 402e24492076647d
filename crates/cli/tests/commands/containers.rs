//! Containers from their start to their end.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::Test;
use crate::home::{Home, said, until};

pub const TESTS: &[Test] = &[
    ("exit_codes_are_dockers", exit_codes_are_dockers),
    ("streams_stay_apart", streams_stay_apart),
    ("a_life", a_life),
    ("signals_are_passed_on", signals_are_passed_on),
    ("client_files", client_files),
    ("logs_of_a_container", logs_of_a_container),
    ("formats", formats),
    ("a_closed_pipe_is_no_failure_to_talk_about", a_closed_pipe_is_no_failure_to_talk_about),
    ("no_colours_in_a_pipe", no_colours_in_a_pipe),
    ("bash_completes_names", bash_completes_names),
];

const LOOP: &str = "trap 'exit 3' TERM; trap 'echo got-usr1' USR1; echo ready; while :; do sleep 0.05; done";

fn exit_codes_are_dockers() {
    let home = Home::new();
    let code = |words: &[&str]| home.run(words).code;
    assert_eq!(code(&["run", "--rm", "host", "--", "true"]), 0);
    assert_eq!(code(&["run", "--rm", "host", "sh", "-c", "exit 7"]), 7);
    assert_eq!(code(&["run", "--rm", "host", "no-such-program"]), 127);
    assert_eq!(code(&["run", "--rm", "host", "/etc/passwd"]), 126);
    assert_eq!(code(&["run", "--rm", "--nonsense", "host"]), 125);
    assert_eq!(code(&["run", "--rm", "--privileged", "host", "true"]), 125);
    assert_eq!(code(&["run", "--rm", "no-such-image", "true"]), 125);
    assert_eq!(code(&["stop", "nobody"]), 1);
    assert_eq!(code(&["nonsense"]), 1);
    assert_eq!(home.ok(&["ps", "-aq"]), "", "a start that failed leaves no container");
}

fn streams_stay_apart() {
    let home = Home::new();
    let said = home.run(&["run", "--rm", "host", "sh", "-c", "echo out; echo err >&2"]);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("out\n", "err\n"));
    let said = home.run_with(&["run", "--rm", "-i", "host", "cat"], b"some input\n");
    assert_eq!(said.out, "some input\n");
    let said = home.run_with(&["run", "--rm", "host", "cat"], b"not for the container\n");
    assert_eq!((said.out.as_str(), said.code), ("", 0));
    let much = vec![b'x'; 1 << 20];
    let said = home.run_with(&["run", "--rm", "-i", "host", "cat"], &much);
    assert_eq!(said.out.len(), much.len());
    let said = home.run(&["run", "--rm", "-a", "stderr", "host", "sh", "-c", "echo out; echo err >&2"]);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("", "err\n"));
}

fn a_life() {
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "web", "host", "sh", "-c", LOOP]);
    until("it is ready", || home.ok(&["logs", "web"]).contains("ready"));
    let transcript = home.transcript(&[
        &["ps", "--format", "{{.ID}} {{.Names}} {{.State}} {{.Zone}}"],
        &["exec", "web", "sh", "-c", "echo inside; exit 4"],
        &["exec", "web", "no-such-program"],
        &["run", "-d", "--name", "web", "host", "true"],
        &["pause", "web"],
        &["ps", "--format", "{{.Names}} {{.State}}"],
        &["unpause", "web"],
        &["kill", "-s", "USR1", "web"],
        &["rename", "web", "shop"],
        &["rm", "shop"],
        &["stop", "shop", "nobody"],
        &["wait", "shop"],
        &["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.Name}}", "shop"],
        &["exec", "shop", "true"],
        &["start", "shop"],
        &["restart", "-t", "5", "shop"],
        &["ps", "-q", "--filter", "status=exited"],
        &["rm", "-f", "shop"],
        &["ps", "-aq"],
        &["inspect", "shop"],
    ]);
    insta::assert_snapshot!("a_life", transcript);
}

fn signals_are_passed_on() {
    let home = Home::new();
    let mut command = home.command(&["run", "--rm", "--name", "sig", "host", "sh", "-c", LOOP]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("it is ready", || home.run(&["logs", "sig"]).out.contains("ready"));
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::USR1).unwrap();
    until("it has got the first", || home.run(&["logs", "sig"]).out.contains("got-usr1"));
    kill_process(pid, Signal::TERM).unwrap();
    let said = said(child.wait_with_output().unwrap());
    assert_eq!(said.code, 3, "{said:?}");
    assert_eq!(said.out, "ready\ngot-usr1\n");
}

fn client_files() {
    let home = Home::new();
    std::fs::write(home.path().join("env"), "# a comment\nFROM_FILE=1\nPASSED\n").unwrap();
    std::fs::write(home.path().join("labels"), "tier=front\n").unwrap();
    std::fs::create_dir(home.path().join("work")).unwrap();
    std::fs::write(home.path().join("work/file"), "shown\n").unwrap();
    let output = home
        .command(&["run", "--cidfile", "cid", "--env-file", "env", "-e", "LAST=2", "--label-file", "labels"])
        .args(["-v", "./work:/work", "host", "sh", "-c", "echo $FROM_FILE $PASSED $LAST; cat /work/file"])
        .env("PASSED", "mine")
        .output()
        .unwrap();
    let said = said(output);
    assert_eq!((said.out.as_str(), said.code), ("1 mine 2\nshown\n", 0), "{said:?}");
    let id = std::fs::read_to_string(home.path().join("cid")).unwrap();
    assert_eq!(
        home.ok(&["inspect", "-f", "{{.Id}} {{index .Config.Labels \"tier\"}}", &id]),
        format!("{id} front")
    );
    let again = home.run(&["run", "--cidfile", "cid", "host", "true"]);
    assert_eq!(again.code, 125);
    assert!(again.err.contains("exists already"), "{again:?}");
}

fn logs_of_a_container() {
    let home = Home::new();
    home.ok(&[
        "run",
        "--name",
        "talk",
        "host",
        "sh",
        "-c",
        "for i in 1 2 3; do echo line $i; done; echo bad >&2",
    ]);
    assert_eq!(home.run(&["logs", "talk"]).err, "bad\n");
    assert_eq!(home.ok(&["logs", "talk"]), "line 1\nline 2\nline 3");
    assert_eq!(home.run(&["logs", "-n", "1", "talk"]).err, "bad\n");
    assert_eq!(home.run(&["logs", "--until", "1h", "talk"]).out, "");
    let stamped = home.ok(&["logs", "-t", "talk"]);
    assert!(stamped.starts_with("20") && stamped.contains("Z line 1\n"), "{stamped}");
    home.ok(&["run", "-d", "--name", "late", "host", "sh", "-c", "echo a; sleep 0.5; echo b"]);
    assert_eq!(home.ok(&["logs", "-f", "late"]), "a\nb");
}

fn formats() {
    let home = Home::new();
    home.ok(&["create", "--name", "one", "-l", "tier=front", "host", "true"]);
    assert_eq!(
        home.ok(&["ps", "-a", "--format", "{{.Names}} {{.Label \"tier\"}} {{.Status}}"]),
        "one front Created"
    );
    let table = home.ok(&["ps", "-a", "--format", "table {{.Names}}\\t{{.Image}}"]);
    assert_eq!(table, "NAMES     IMAGE\none       host");
    let json: serde_json::Value = serde_json::from_str(&home.ok(&["ps", "-a", "--format", "json"])).unwrap();
    assert_eq!(json["Names"], "one");
    let list: serde_json::Value = serde_json::from_str(&home.ok(&["inspect", "one"])).unwrap();
    assert_eq!(list[0]["State"]["Status"], "created");
    assert_eq!(list[0]["Plan"]["zone"], "host-tools");
    let plan: serde_json::Value =
        serde_json::from_str(&home.ok(&["plan", "--format", "json", "host", "true"])).unwrap();
    assert_eq!(plan["process"]["args"][0], "true");
    assert!(home.ok(&["plan", "--zone", "strict", "host", "true"]).contains("capabilities      none"));
}

fn a_closed_pipe_is_no_failure_to_talk_about() {
    let home = Home::new();
    let mut command = home.command(&["completion", "bash"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let said = said(child.wait_with_output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (128 + 13, ""));
}

fn no_colours_in_a_pipe() {
    let home = Home::new();
    assert!(!home.ok(&["run", "--help"]).contains('\x1b'));
    assert!(!home.ok(&["--help"]).contains('\x1b'));
}

fn bash_completes_names() {
    let home = Home::new();
    home.ok(&["create", "--name", "web-one", "host", "true"]);
    home.ok(&["run", "-d", "--name", "web-two", "host", "sleep", "100"]);
    std::fs::write(home.path().join("script"), home.ok(&["completion", "bash"])).unwrap();
    let complete = |words: &str| {
        let script = format!(
            "source ./script; PATH=.:$PATH; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
            _cofferdam_with_names cofferdam \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
            echo ${{COMPREPLY[@]}}"
        );
        let mut bash = std::process::Command::new("bash");
        bash.args(["-c", &script]).current_dir(home.path()).env("COFFERDAM_ROOT", home.path().join("root"));
        said(bash.output().unwrap()).out.trim().to_owned()
    };
    assert_eq!(complete("cofferdam stop we"), "web-two");
    assert_eq!(complete("cofferdam container stop we"), "web-two");
    assert_eq!(complete("cofferdam rm web-"), "web-two web-one");
    assert_eq!(complete("cofferdam run --zone st"), "strict");
    assert_eq!(complete("cofferdam zone show host-"), "host-tools");
    assert_eq!(complete("cofferdam st"), "start stop stats");
    assert!(complete("cofferdam rm --fo").contains("--force"));
}
