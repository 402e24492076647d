//! The proof on the real kernel: a container made by the runtime, read back, compared with its own plan and with
//! plans that it does not fulfil. Needs root. Runs in one thread, so it brings its own small harness.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and this program is its own harness"
)]

mod container;
mod drift;
mod gate;
mod speed;

/// Name and body of each test.
const TESTS: &[(&str, fn())] = &[
    ("everything_holds_at_the_gate", gate::everything_holds_at_the_gate),
    ("each_control_that_differs_is_named", gate::each_control_that_differs_is_named),
    ("a_refusal_names_the_control_and_is_signed", gate::a_refusal_names_the_control_and_is_signed),
    ("a_witness_is_of_one_process_and_one_host", gate::a_witness_is_of_one_process_and_one_host),
    ("everything_holds_while_it_runs", drift::everything_holds_while_it_runs),
    ("drift_by_hand_is_named", drift::drift_by_hand_is_named),
    ("the_gate_is_fast", speed::the_gate_is_fast),
];

#[allow(clippy::exit, reason = "a test program's status is its verdict")]
fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if !rustix::process::geteuid().is_root() {
        for (name, _) in TESTS {
            eprintln!("SKIP {name}: it needs root");
        }
        return;
    }
    let mut failed = 0;
    for (name, body) in TESTS {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part)) {
            continue;
        }
        let passed = std::panic::catch_unwind(body).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += i32::from(!passed);
    }
    if failed > 0 {
        std::process::exit(101);
    }
}
