//! The Test Anything Protocol, as bats writes it.

use serde::{Deserialize, Serialize};

/// How one case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// It passed.
    Pass,
    /// It failed.
    Fail,
    /// The suite itself left it out, with a reason.
    Skip,
}

/// One case of the suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Case {
    /// The `.bats` file, without the ending.
    pub(super) file: String,
    /// The case's name in it.
    pub(super) name: String,
    /// How it ended.
    pub(super) outcome: Outcome,
    /// Why the suite skipped it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
}

/// Reads one line; `None` for what is not a result.
pub(super) fn parse(file: &str, line: &str) -> Option<Case> {
    let (outcome, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (Outcome::Fail, rest),
        None => (Outcome::Pass, line.strip_prefix("ok ")?),
    };
    let (number, name) = rest.split_once(' ')?;
    number.parse::<u32>().ok()?;
    let (name, outcome, reason) = match name.split_once(" # skip") {
        Some((name, reason)) => (name, Outcome::Skip, reason.trim()),
        None => (name, outcome, ""),
    };
    // bats adds the limit to the name of a case that ran out of time.
    let name = name.split_once(" # timeout").map_or(name, |(name, _)| name);
    Some(Case { file: file.to_owned(), name: name.trim().to_owned(), outcome, reason: reason.to_owned() })
}

/// Whether a log has a result for each case that its plan (`1..N`) announces.
pub(super) fn is_complete(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_end);
    let planned = lines.find_map(|line| line.strip_prefix("1..")?.parse::<usize>().ok());
    planned.is_some_and(|planned| lines.filter_map(|line| parse("", line)).count() >= planned)
}

/// The cases of a file that have no result, because it was cut off: failures.
pub(super) fn missing(file: &str, script: &str, found: &[Case]) -> Vec<Case> {
    let names = script
        .lines()
        .filter_map(|line| line.strip_prefix("@test \"")?.rsplit_once('"').map(|(name, _)| name.trim()));
    names
        .filter(|name| !found.iter().any(|case| case.name == *name))
        .map(|name| Case {
            file: file.to_owned(),
            name: name.to_owned(),
            outcome: Outcome::Fail,
            reason: "did not end".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Outcome, is_complete, missing, parse};

    #[test]
    fn a_case_without_a_result_is_a_failure() {
        let script = "@test \"one\" {\n}\n@test \"two [x]\" {\n}\n";
        let found: Vec<_> = parse("run", "ok 1 one").into_iter().collect();
        let cut_off = missing("run", script, &found);
        assert_eq!(cut_off.len(), 1);
        assert!(cut_off.iter().all(|case| case.name == "two [x]" && case.outcome == Outcome::Fail));
    }

    #[test]
    fn a_log_is_complete_with_its_last_result() {
        assert!(!is_complete(""));
        assert!(!is_complete("1..2\r\nok 1 a\r\n# x\r\n"));
        assert!(is_complete("1..2\r\nok 1 a\r\nnot ok 2 b # skip\r\n"));
    }

    #[test]
    fn each_kind_of_line_is_read() {
        let case = |line| parse("run", line);
        assert_eq!(case("1..3"), None);
        assert_eq!(case("# runc run"), None);
        assert_eq!(case("ok 1 runc run").map(|case| case.outcome), Some(Outcome::Pass));
        assert_eq!(
            case("not ok 2 runc run [x]").map(|case| (case.name, case.outcome)),
            Some(("runc run [x]".into(), Outcome::Fail))
        );
        let skipped = case("ok 3 runc run # skip test requires rootless").expect("a result");
        assert_eq!((skipped.outcome, skipped.reason.as_str()), (Outcome::Skip, "test requires rootless"));
        assert_eq!(case("not ok 4 slow # timeout after 60s").map(|case| case.name), Some("slow".into()));
    }
}
