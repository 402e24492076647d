//! The count at the end: what ran, passed, failed and was skipped, with every reason.

use std::fmt;

/// The results of a whole run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    passed: usize,
    failed: Vec<String>,
    skipped: Vec<String>,
}

impl Tally {
    /// Counts one check that is not a test of libtest's.
    pub(super) fn step(&mut self, name: &str, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed.push(name.to_owned());
        }
    }

    /// Counts what one test program printed. `succeeded` is its exit status: a program that fails without naming a
    /// failed test (a crash, a time-out) is a failure by itself.
    pub(super) fn program(&mut self, name: &str, output: &str, succeeded: bool) {
        let mut passed = 0;
        let mut skipped = Vec::new();
        let failed_before = self.failed.len();
        for line in output.lines() {
            if let Some(reason) = line.strip_prefix("SKIP ") {
                let entry = format!("{name}: {reason}");
                if !skipped.contains(&entry) {
                    skipped.push(entry);
                }
            } else if let Some(test) = line.strip_prefix("test ") {
                if test.ends_with("... ok") || test.ends_with(" ok") {
                    passed += 1;
                } else if let Some(test) = test.strip_suffix(" ... FAILED") {
                    self.failed.push(format!("{name}: {test}"));
                }
            }
        }
        if let Some(counts) = result_line(output) {
            // A test whose child printed in the middle of its line is not found above: libtest's own list names it, and
            // its count decides.
            passed = counts.0;
            for test in failures_list(output) {
                let entry = format!("{name}: {test}");
                if !self.failed[failed_before..].contains(&entry) {
                    self.failed.push(entry);
                }
            }
            let named = self.failed.len() - failed_before;
            for _ in named..counts.1 {
                self.failed.push(format!("{name}: a test whose name its own output hides"));
            }
        }
        if !succeeded && self.failed.len() == failed_before {
            self.failed.push(format!("{name}: ended without success and named no failed test"));
        }
        self.passed += passed - skipped.len().min(passed);
        self.skipped.extend(skipped);
    }

    /// Whether nothing failed and something ran.
    pub(super) fn is_clean(&self) -> bool {
        self.failed.is_empty() && self.passed > 0
    }

    /// The closing line in the form that CI's reader counts.
    pub(super) fn last_line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed.len(), self.skipped.len())
    }
}

/// The counts of passed and failed tests in libtest's `test result:` line.
fn result_line(output: &str) -> Option<(usize, usize)> {
    let line =
        output.lines().rev().find_map(|line| line.split_once("test result: ").map(|(_, rest)| rest))?;
    let number = |word: &str| {
        let part = line.split(';').map(|part| part.trim()).find(|part| part.ends_with(word))?;
        part.rsplit(' ').nth(1)?.parse().ok()
    };
    Some((number("passed")?, number("failed")?))
}

/// The names in libtest's list of failures, the last one that it prints.
fn failures_list(output: &str) -> impl Iterator<Item = &str> {
    let list = output.rsplit_once("\nfailures:\n").map_or("", |(_, list)| list);
    list.lines().map_while(|line| line.strip_prefix("    ")).filter(|test| !test.contains(' '))
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for reason in &self.skipped {
            writeln!(out, "skipped  {reason}")?;
        }
        for name in &self.failed {
            writeln!(out, "FAILED   {name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    const OUTPUT: &str = "\
running 3 tests
test a ... ok
test b ... noise of a child
test c ... FAILED
---- b stdout ----
SKIP b: no AppArmor here
test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

    #[test]
    fn a_skip_is_neither_a_pass_nor_lost() {
        let mut tally = Tally::default();
        tally.program("p", OUTPUT, false);
        assert_eq!(tally.last_line(), "1 passed, 1 failed, 1 skipped");
        assert!(tally.to_string().contains("p: b: no AppArmor here"));
        assert!(!tally.is_clean());
    }

    #[test]
    fn a_failure_in_a_line_that_its_child_cut_is_named() {
        let output = "test a ... [  1.2] noise\nFAILED\n\nfailures:\n\n---- a stdout ----\nnoise\n\nfailures:\n    a\n\n\
            test result: FAILED. 0 passed; 1 failed; 0 ignored\n";
        let mut tally = Tally::default();
        tally.program("p", output, false);
        assert_eq!(tally.to_string(), "FAILED   p: a\n");
    }

    #[test]
    fn a_program_that_dies_is_a_failure() {
        let mut tally = Tally::default();
        tally.program("p", "running 3 tests\n", false);
        assert_eq!(tally.last_line(), "0 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn a_run_of_nothing_is_not_clean() {
        assert!(!Tally::default().is_clean());
    }
}
