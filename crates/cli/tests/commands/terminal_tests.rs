//! What a terminal does: raw mode and back, sizes, detach keys, interrupt keys.

use rustix::process::Signal;
use rustix::termios::LocalModes;

use crate::Test;
use crate::home::{Home, until};
use crate::terminal::Terminal;

pub const TESTS: &[Test] = &[
    ("a_terminal_has_the_clients_size_and_follows_it", a_terminal_has_the_clients_size_and_follows_it),
    ("raw_while_it_runs_and_as_before_afterwards", raw_while_it_runs_and_as_before_afterwards),
    ("detach_keys_leave_it_running", detach_keys_leave_it_running),
    ("other_detach_keys", other_detach_keys),
    ("interrupt_goes_to_the_container", interrupt_goes_to_the_container),
    ("a_client_that_is_ended_gives_the_terminal_back", a_client_that_is_ended_gives_the_terminal_back),
    ("a_terminal_for_exec", a_terminal_for_exec),
    ("a_terminal_that_is_none_is_refused", a_terminal_that_is_none_is_refused),
    ("what_others_wrote_drives_no_terminal", what_others_wrote_drives_no_terminal),
];

fn shell<'a>(script: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
    [&["run"], flags, &["-it", "host", "sh", "-c", script]].concat()
}

fn a_terminal_has_the_clients_size_and_follows_it() {
    let home = Home::new();
    let script = "trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done";
    let mut terminal = Terminal::start(&home, &shell(script, &["--rm", "--name", "size"]), 33, 101);
    terminal.sees("33 101");
    terminal.resize(44, 99);
    terminal.sees("44 99");
    home.ok(&["kill", "size"]);
    assert_eq!(terminal.ends(), 137);
}

fn raw_while_it_runs_and_as_before_afterwards() {
    let home = Home::new();
    let script = "echo ready; read line; echo got:$line; exit 5";
    let mut terminal = Terminal::start(&home, &shell(script, &["--rm"]), 24, 80);
    let before = terminal.settings();
    assert!(before.local_modes.contains(LocalModes::ECHO | LocalModes::ICANON));
    terminal.sees("ready");
    let during = terminal.settings();
    assert!(!during.local_modes.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
    terminal.types("abc\r");
    terminal.sees("got:abc");
    assert_eq!(terminal.ends(), 5);
    let after = terminal.settings();
    assert_eq!(after.local_modes, before.local_modes);
    assert_eq!(after.input_modes, before.input_modes);
    assert_eq!(after.output_modes, before.output_modes);
}

fn detach_keys_leave_it_running() {
    let home = Home::new();
    let script = "echo ready; while read line; do echo got:$line; [ $line = end ] && exit 6; done";
    let mut terminal = Terminal::start(&home, &shell(script, &["--name", "stay"]), 24, 80);
    let before = terminal.settings();
    terminal.sees("ready");
    terminal.types("one\r");
    terminal.sees("got:one");
    terminal.types("\x10\x11");
    terminal.sees("read escape sequence");
    assert_eq!(terminal.ends(), 0);
    assert_eq!(terminal.settings().local_modes, before.local_modes);
    assert_eq!(home.ok(&["inspect", "-f", "{{.State.Status}}", "stay"]), "running");
    let mut again = Terminal::start(&home, &["attach", "stay"], 24, 80);
    until("the terminal is raw", || !again.settings().local_modes.contains(LocalModes::ICANON));
    again.types("end\r");
    again.sees("got:end");
    assert_eq!(again.ends(), 6);
}

fn other_detach_keys() {
    let home = Home::new();
    let flags = ["--name", "keys", "--detach-keys", "ctrl-a,d"];
    let mut terminal = Terminal::start(&home, &shell("echo ready; cat", &flags), 24, 80);
    terminal.sees("ready");
    terminal.types("\x01d");
    assert_eq!(terminal.ends(), 0, "{}", terminal.rest());
    assert_eq!(home.ok(&["ps", "--format", "{{.Names}}"]), "keys");
}

fn interrupt_goes_to_the_container() {
    let home = Home::new();
    let script = "trap 'echo interrupted; exit 8' INT; echo ready; while :; do sleep 0.05; done";
    let mut terminal = Terminal::start(&home, &shell(script, &["--rm"]), 24, 80);
    terminal.sees("ready");
    terminal.types("\x03");
    terminal.sees("interrupted");
    assert_eq!(terminal.ends(), 8);
}

fn a_client_that_is_ended_gives_the_terminal_back() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home, &shell("echo ready; cat", &["--name", "left"]), 24, 80);
    let before = terminal.settings();
    terminal.sees("ready");
    assert!(!terminal.settings().local_modes.contains(LocalModes::ICANON));
    terminal.signals(Signal::CONT);
    terminal.types("still here\r");
    terminal.sees("still here");
    terminal.signals(Signal::TERM);
    assert_ne!(terminal.ends(), 0);
    assert!(terminal.rest().contains("the client got SIGTERM"), "{}", terminal.rest());
    assert_eq!(terminal.settings().local_modes, before.local_modes);
    assert_eq!(home.ok(&["inspect", "-f", "{{.State.Status}}", "left"]), "running");
}

fn a_terminal_for_exec() {
    let home = Home::new();
    home.ok(&["run", "-d", "--name", "host-it", "host", "sleep", "60"]);
    let words = ["exec", "-it", "host-it", "sh", "-c", "tty; stty size; read x; echo got:$x; exit 9"];
    let mut terminal = Terminal::start(&home, &words, 31, 77);
    terminal.sees("/dev/pts/");
    terminal.sees("31 77");
    terminal.types("y\r");
    terminal.sees("got:y");
    assert_eq!(terminal.ends(), 9);
}

fn a_terminal_that_is_none_is_refused() {
    let home = Home::new();
    let said = home.run(&["run", "--rm", "-it", "host", "true"]);
    assert_eq!(said.code, 1);
    assert!(said.err.starts_with("cofferdam: the input device is not a TTY"), "{said:?}");
    assert_eq!(home.run(&["run", "--rm", "-t", "host", "sh", "-c", "tty"]).out.trim_end(), "/dev/pts/0");
}

/// Labels, commands and names are of whoever made the container: a terminal shows their control characters, a program that
/// reads a pipe gets them.
fn what_others_wrote_drives_no_terminal() {
    let home = Home::new();
    home.ok(&["create", "--name", "esc", "-l", "x=a\x1b[31mb\rc", "host", "echo", "\x1b]0;title\x07"]);
    let format = "{{.Labels}}";
    assert_eq!(home.ok(&["ps", "-a", "--format", format]), "x=a\x1b[31mb\rc");
    for words in [
        &["ps", "-a", "--no-trunc", "--format", "{{.Labels}} {{.Command}} end"][..],
        &["inspect", "-f", "{{.Config.Labels}} {{.Args}} end", "esc"],
        &["ps", "-a", "--no-trunc", "--format", "table {{.Labels}}\t{{.Command}} end"],
        &["events", "--since", "1h", "--until", "0s", "--format", "{{.Actor.Attributes.x}} end"],
    ] {
        let mut terminal = Terminal::start(&home, words, 24, 200);
        terminal.sees("\\x1b[31mb\\rc");
        assert_eq!(terminal.ends(), 0);
        assert!(!terminal.rest().contains(['\x1b', '\x07']), "{words:?}: {:?}", terminal.rest());
    }
    let ran = home.run(&["inspect", "no\x1b[2Jbody"]);
    assert!(ran.err.contains("no\\x1b[2Jbody"), "{ran:?}");
}
