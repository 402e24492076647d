//! The audit's SARIF, OSCAL and JUnit under other people's schemas and readers (tests/audit-forms/check.sh).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr, what the readers say is shown"
)]

mod support;

use std::path::Path;
use std::process::Command;

/// The script's exit status where the schemas and readers could not be fetched.
const NOT_FETCHED: i32 = 77;

#[test]
fn other_peoples_schemas_and_readers_take_the_audits_reports() {
    const TEST: &str = "other_peoples_schemas_and_readers_take_the_audits_reports";
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/audit-forms/check.sh");
    // Kept: what is fetched once is there the next time.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("audit-forms");
    let output =
        Command::new("bash").arg(script).arg(env!("CARGO_BIN_EXE_cofferdam")).arg(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NOT_FETCHED) {
        return support::skip(TEST, &format!("schemas or readers cannot be fetched: {}", errors.trim()));
    }
    assert!(output.status.success(), "{said}{errors}");
    println!("{said}");
}
