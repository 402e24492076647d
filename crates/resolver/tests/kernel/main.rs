//! Keeper and resolvers as processes, in a network namespace without any link but its own loopback. Needs root. This program plays
//! all parts, so it brings its own small harness.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and this program is its own harness"
)]

mod bench;
mod keeping;
mod proven;
mod rules;

use std::process::ExitCode;

/// Name and body of each test.
const TESTS: &[(&str, fn())] = &[
    ("a_resolver_is_confined_as_planned", proven::a_resolver_is_confined_as_planned),
    (
        "it_answers_names_of_its_zone_and_of_those_it_reaches",
        rules::it_answers_names_of_its_zone_and_of_those_it_reaches,
    ),
    ("an_address_is_open_before_it_is_told", rules::an_address_is_open_before_it_is_told),
    ("other_servers_are_asked_when_the_file_changes", rules::other_servers_are_asked_when_the_file_changes),
    ("an_older_joiner_does_not_take_a_change_back", rules::an_older_joiner_does_not_take_a_change_back),
    ("a_killed_resolver_comes_back", keeping::a_killed_resolver_comes_back),
    ("a_killed_keeper_is_replaced", keeping::a_killed_keeper_is_replaced),
    ("the_last_container_takes_all_with_it", keeping::the_last_container_takes_all_with_it),
    ("many_containers_join_at_once", keeping::many_containers_join_at_once),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let name = arguments.next().unwrap_or_default();
    if name.ends_with(cofferdam_resolver::plan::PROGRAM) {
        return if cofferdam_resolver::worker::main().is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    let words: Vec<String> = arguments.collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["keeper", number, place] => {
            bench::keep(number.parse().unwrap(), place);
            ExitCode::SUCCESS
        }
        _ => run(words.iter().filter(|word| !word.starts_with('-')).cloned().collect()),
    }
}

fn run(wanted: Vec<String>) -> ExitCode {
    if !rustix::process::geteuid().is_root() {
        for (name, _) in TESTS {
            eprintln!("SKIP {name}: it needs root");
        }
        return ExitCode::SUCCESS;
    }
    bench::leave_network();
    let mut failed = 0;
    for (name, body) in TESTS {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let passed = std::panic::catch_unwind(body).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += i32::from(!passed);
    }
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
