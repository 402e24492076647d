//! The project's own tools, run as `cargo xtask <tool>`.
//!
//! They judge the source (`layers`, `tidy`), run everything CI runs (`ci`), drive other people's test suites
//! (`runc-suite`) and measure (`bench`). Nothing here is part of the product, and no crate may depend on it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these are command-line tools: printing is their output"
)]

mod bench;
mod ci;
mod command;
mod fuzz;
mod heavy;
mod layers;
mod order;
mod runc_suite;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
usage: cargo xtask TOOL

  layers      fail when a crate depends on one below it in the house's list
  tidy        fail on what the house rules forbid in source files
  crowd       many containers at once, verified and removed: [COUNT] (500)
  kills       kill -9 at random moments: [COUNT] (200)
  fuzz        feed the parsers of foreign input: [SECONDS] [TARGET]... (60 seconds, all targets)
  order       find out what a container's start executes, for the linker to place together
  first-packets  containers that send as their very first act, under load: [COUNT] (1000)
  ci          install what the tests need, check everything, run every test, count and report
  runc-suite  run runc's own tests: [--runtime cofferdam|runc|PATH] [--file NAME]... [--filter REGEX] [--output FILE]
  bench       audit: the audit of this host beside Lynis and others [--runs N]; resolver: a zone's DNS [--questions N]; network: containers' networks beside the peers' [--rounds N] [--seconds N] [--sizes N,N]; or starts beside the peers: start [--engines A,B] [--runs N] [--row N] [--crowd N] [--output FILE]
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let tool = arguments.next();
    let rest: Vec<String> = arguments.collect();
    match run(tool.as_deref(), &rest) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(tool: Option<&str>, arguments: &[String]) -> Result<ExitCode> {
    match (tool, arguments) {
        (Some("layers"), []) => layers::run(),
        (Some("tidy"), []) => tidy::run(),
        (Some("ci"), []) => ci::run(),
        (Some("crowd"), []) => heavy::crowd(None),
        (Some("crowd"), [count]) => heavy::crowd(Some(count)),
        (Some("kills"), []) => heavy::kills(None),
        (Some("kills"), [count]) => heavy::kills(Some(count)),
        (Some("order"), []) => order::run(),
        (Some("fuzz"), arguments) => fuzz::run(arguments),
        (Some("first-packets"), []) => heavy::first_packets(None),
        (Some("first-packets"), [count]) => heavy::first_packets(Some(count)),
        (Some("bench"), arguments) => bench::run(arguments),
        (Some("resolver-keeper"), [number, place]) => bench::keep_resolver(number, place),
        (Some("net-load"), arguments) => bench::network::load::run(arguments),
        (Some("bench-worker"), []) => bench::worker::serve().map(|()| ExitCode::SUCCESS),
        (Some("runc-suite"), arguments) => runc_suite::run(arguments),
        _ => {
            eprint!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}
