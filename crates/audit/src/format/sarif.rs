//! SARIF 2.1.0 (OASIS): one run, a rule for each check, a result for each failure and each unknown.

use serde_json::{Value, json};

use crate::assessment::Finding;
use crate::control::{Outcome, Severity};
use crate::exceptions::Exception;
use crate::report::Report;
use crate::{About, Evidence, printable};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Reports as one SARIF log, each a run of it.
#[must_use]
pub fn sarif(reports: &[Report], version: &str) -> Value {
    let runs: Vec<Value> = reports.iter().map(|report| run(report, version)).collect();
    json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": runs })
}

fn run(report: &Report, version: &str) -> Value {
    let rules: Vec<Value> = report.findings.iter().map(|finding| rule(&finding.about)).collect();
    let results: Vec<Value> =
        report.findings.iter().enumerate().flat_map(|(index, finding)| results(index, finding)).collect();
    json!({
        "tool": { "driver": {
            "name": "cofferdam audit",
            "semanticVersion": version,
            "rules": rules,
        }},
        "results": results,
        "columnKind": "unicodeCodePoints",
        "properties": { "target": printable(&report.target) },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// What code hosts rank by: a number from 0 to 10 as text.
fn rank(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    }
}

fn rule(about: &About) -> Value {
    let tags: Vec<String> = about
        .references
        .iter()
        .map(|reference| format!("{} {}", reference.body.name(), reference.id))
        .collect();
    json!({
        "id": about.id,
        "shortDescription": { "text": about.title },
        "fullDescription": { "text": about.why },
        "help": { "text": format!("Mend: {}", about.remedy) },
        "defaultConfiguration": { "level": level(about.severity) },
        "properties": { "tags": tags, "security-severity": rank(about.severity), "area": about.area },
    })
}

fn results(index: usize, finding: &Finding) -> Vec<Value> {
    let (level, kind) = match finding.verdict.outcome {
        Outcome::Fail => (level(finding.about.severity), "fail"),
        Outcome::Unknown => ("none", "open"),
        Outcome::Pass | Outcome::NotApplicable => return Vec::new(),
    };
    let result = |seen: &Evidence| {
        let mut result = json!({
            "ruleId": finding.about.id,
            "ruleIndex": index,
            "level": level,
            "kind": kind,
            "message": { "text": format!("{}: {}", finding.about.title, printable(&seen.text)) },
            "locations": [location(seen)],
        });
        if let (Some(exception), Some(map)) = (&finding.exception, result.as_object_mut()) {
            map.insert("suppressions".to_owned(), json!([suppression(exception)]));
        }
        result
    };
    finding.verdict.seen.iter().map(result).collect()
}

fn suppression(exception: &Exception) -> Value {
    let words = match exception {
        Exception::Waiver { owner, reason, until } => format!("{owner}, until {until}: {reason}"),
        Exception::Baseline => "in the baseline".to_owned(),
    };
    json!({ "kind": "external", "justification": words })
}

fn location(seen: &Evidence) -> Value {
    let Some(path) = &seen.path else {
        return json!({ "logicalLocations": [{ "name": "host", "kind": "module" }] });
    };
    let mut place = json!({ "artifactLocation": { "uri": uri(path) } });
    if let (Some(line), Some(map)) = (seen.line, place.as_object_mut()) {
        map.insert("region".to_owned(), json!({ "startLine": line.max(1) }));
    }
    json!({ "physicalLocation": place })
}

/// A path as a relative reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.trim_start_matches('/').bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/@+,=".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::dockerfile;

    #[test]
    fn failures_are_results_with_their_rule_and_line() {
        let report = || dockerfile::audit("my dir/Docker\x1bfile", "FROM debian\nUSER root\n");
        let log = sarif(&[report(), report()], "0.1.0");
        assert_eq!(log["runs"].as_array().unwrap().len(), 2);
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        let user = results.iter().find(|result| result["ruleId"] == "dockerfile.user").unwrap();
        assert_eq!(user["locations"][0]["physicalLocation"]["region"]["startLine"], 2);
        let path = &user["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(path, "my%20dir/Docker%1Bfile");
        let index = usize::try_from(user["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "dockerfile.user");
        assert!(!log.to_string().contains('\x1b'));
    }
}
