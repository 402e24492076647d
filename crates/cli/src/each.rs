//! One action on several containers: a failure with one of them does not keep the others from their turn.

use std::process::ExitCode;

use crate::plain;
use crate::report::{Outcome, Report};

/// Does the action for each word and prints the word when it has worked. Each failure is told at once; the exit status is
/// that of the first one that has another than 0.
pub(crate) fn each(words: &[String], mut action: impl FnMut(&str) -> Result<(), Report>) -> Outcome {
    each_printing(words, |word| action(word).map(|()| word.to_owned()))
}

/// The same, but the action says what is printed.
pub(crate) fn each_printing(
    words: &[String],
    mut action: impl FnMut(&str) -> Result<String, Report>,
) -> Outcome {
    let mut status = ExitCode::SUCCESS;
    let mut failed = false;
    for word in words {
        match action(word) {
            Ok(line) => plain::print(&format!("{line}\n"))?,
            Err(report) => {
                let fails = report.is_failure();
                let code = report.finish();
                if fails && !failed {
                    status = code;
                    failed = true;
                }
            }
        }
    }
    Ok(status)
}
