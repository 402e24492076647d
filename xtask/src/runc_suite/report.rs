//! The results of a run, written as JSON and held against what runc itself reaches.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::tap::{Case, Outcome};

/// One run of the suite.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    /// What the runtime says of itself.
    pub(super) runtime: String,
    /// Every case, in the suite's order.
    pub(super) cases: Vec<Case>,
}

impl Report {
    /// Writes the report, one case on a line, so that two runs can be compared with diff.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        let lines = self.cases.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
        let lines = lines.context("write the cases as JSON")?.join(",\n    ");
        let runtime = serde_json::to_string(&self.runtime).context("write the runtime as JSON")?;
        let text = format!("{{\n  \"runtime\": {runtime},\n  \"cases\": [\n    {lines}\n  ]\n}}\n");
        fs::write(path, text).with_context(|| format!("write {}", path.display()))
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.cases.iter().filter(|case| case.outcome == outcome).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in self.cases.iter().filter(|case| case.outcome == Outcome::Fail) {
            writeln!(out, "FAILED   {}: {}", case.file, case.name)?;
        }
        let (passed, failed) = (self.count(Outcome::Pass), self.count(Outcome::Fail));
        writeln!(
            out,
            "{}: {passed} passed, {failed} failed, {} skipped",
            self.runtime,
            self.count(Outcome::Skip)
        )
    }
}

/// A case that runc passes, and what came of it here.
#[derive(Debug, Default)]
struct Comparison {
    both: usize,
    listed: Vec<String>,
    unexplained: Vec<String>,
    stale: Vec<String>,
    /// Exceptions that name no case that runc passes.
    unknown: Vec<String>,
}

/// Holds `report` against the stored baseline and the listed exceptions in `folder`.
pub(super) fn compare(report: &Report, folder: &Path) -> Result<ExitCode> {
    let baseline: Report = read(&folder.join("baseline.json"))?;
    let exceptions: BTreeMap<String, String> = read(&folder.join("exceptions.json"))?;
    let result = hold_against(report, &baseline, &exceptions);
    for line in &result.listed {
        println!("listed       {line}");
    }
    for line in &result.stale {
        println!("passes now   {line}: take it off the list of exceptions");
    }
    for line in &result.unknown {
        println!("UNKNOWN      {line}: an exception for no case that runc passes");
    }
    for line in &result.unexplained {
        println!("UNEXPLAINED  {line}");
    }
    println!("{}", result.summary(&baseline.runtime, &report.runtime));
    Ok(if result.is_explained() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Comparison {
    /// Whether every case that runc passes passes here or has a reason, and every reason has such a case.
    fn is_explained(&self) -> bool {
        self.unexplained.is_empty() && self.unknown.is_empty()
    }

    fn summary(&self, runc: &str, here: &str) -> String {
        let (passed, listed, unexplained) = (self.both, self.listed.len(), self.unexplained.len());
        format!(
            "of {} cases that pass on {runc}, {passed} pass on {here}, {listed} are listed exceptions, {unexplained} are neither",
            passed + listed + unexplained
        )
    }
}

/// Only cases that ran are judged, so that a filtered run can be compared too.
fn hold_against(report: &Report, baseline: &Report, exceptions: &BTreeMap<String, String>) -> Comparison {
    let key = |case: &Case| format!("{}: {}", case.file, case.name);
    let here: BTreeMap<String, &Case> = report.cases.iter().map(|case| (key(case), case)).collect();
    let passing = |case: &&Case| case.outcome == Outcome::Pass;
    let judged: Vec<String> = baseline.cases.iter().filter(passing).map(key).collect();
    let unknown = exceptions.keys().filter(|name| !judged.contains(name)).cloned().collect();
    let mut result = Comparison { unknown, ..Comparison::default() };
    for case in baseline.cases.iter().filter(passing) {
        let name = key(case);
        match (here.get(&name).map(|case| case.outcome), exceptions.get(&name)) {
            (None, _) => {}
            (Some(Outcome::Pass), listed) => {
                result.both += 1;
                result.stale.extend(listed.map(|_| name));
            }
            (Some(_), Some(reason)) => result.listed.push(format!("{name}: {reason}")),
            (Some(outcome), None) => result.unexplained.push(format!("{name} ({outcome:?})")),
        }
    }
    result
}

fn read<T: for<'text> Deserialize<'text>>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("parse {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Report, hold_against};
    use crate::runc_suite::tap::{Case, Outcome};

    fn report(cases: &[(&str, Outcome)]) -> Report {
        let case = |(name, outcome): &(&str, Outcome)| Case {
            file: "run".to_owned(),
            name: (*name).to_owned(),
            outcome: *outcome,
            reason: String::new(),
        };
        Report { runtime: "r".to_owned(), cases: cases.iter().map(case).collect() }
    }

    #[test]
    fn a_case_that_runc_passes_needs_a_pass_or_a_reason() {
        let baseline = report(&[
            ("a", Outcome::Pass),
            ("b", Outcome::Pass),
            ("c", Outcome::Pass),
            ("d", Outcome::Fail),
            ("not run", Outcome::Pass),
        ]);
        let ours =
            report(&[("a", Outcome::Pass), ("b", Outcome::Fail), ("c", Outcome::Skip), ("d", Outcome::Fail)]);
        let exceptions = BTreeMap::from([("run: b".to_owned(), "no criu".to_owned())]);
        let result = hold_against(&ours, &baseline, &exceptions);
        assert_eq!(result.both, 1);
        assert_eq!(result.listed, ["run: b: no criu"]);
        assert_eq!(result.unexplained, ["run: c (Skip)"]);
        assert!(result.stale.is_empty());
        assert!(!result.is_explained());
        assert_eq!(
            result.summary("runc", "ours"),
            "of 3 cases that pass on runc, 1 pass on ours, 1 are listed exceptions, 1 are neither"
        );
    }

    #[test]
    fn an_exception_names_a_case_that_runc_passes() {
        let baseline = report(&[("a", Outcome::Pass), ("b", Outcome::Fail)]);
        let reason = |name: &str| (name.to_owned(), "a reason".to_owned());
        let result = hold_against(&baseline, &baseline, &BTreeMap::from([reason("run: b")]));
        assert_eq!(result.unknown, ["run: b"]);
        assert!(!result.is_explained());
        let result = hold_against(&baseline, &baseline, &BTreeMap::from([reason("run: a")]));
        assert_eq!(result.stale, ["run: a"]);
        assert!(result.is_explained());
    }
}
