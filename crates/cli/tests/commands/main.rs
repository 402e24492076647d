//! The commands for real: this test program plays `cofferdam` when it is called by that name, so that every test goes through
//! `main`, forks shims and starts containers. As root; each test keeps its state in a folder of its own.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program without the test harness: clippy does not see that all of it is tests"
)]

mod containers;
mod home;
mod terminal;
mod terminal_tests;
mod zones_and_receipts;

use std::panic::catch_unwind;
use std::process::ExitCode;

/// A test by its name.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    let called = std::env::args_os().next().map(std::path::PathBuf::from).unwrap_or_default();
    if called.file_name().is_some_and(|name| name == "cofferdam") {
        return cofferdam_cli::main();
    }
    let filters: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let tests: Vec<Test> = [containers::TESTS, zones_and_receipts::TESTS, terminal_tests::TESTS].concat();
    let chosen =
        tests.iter().filter(|(name, _)| filters.is_empty() || filters.iter().any(|f| name.contains(f)));
    let root = rustix::process::geteuid().is_root();
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, test) in chosen {
        if !root {
            eprintln!("SKIP {name}: it starts containers as root");
        } else if catch_unwind(test).is_ok() {
            println!("test {name} ... ok");
            passed += 1;
        } else {
            println!("test {name} ... FAILED");
            failed.push(*name);
        }
    }
    println!("\ntest result: {passed} passed; {} failed {failed:?}", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
