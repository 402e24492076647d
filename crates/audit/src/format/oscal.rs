//! OSCAL 1.1 assessment results (NIST): an observation for each thing that was seen, a finding for each check that applies.

use cofferdam_image::digest_of;
use cofferdam_names::Timestamp;
use serde_json::{Value, json};

use crate::assessment::Finding;
use crate::control::Outcome;
use crate::exceptions::Exception;
use crate::printable;
use crate::report::Report;

/// The version of the model.
const VERSION: &str = "1.1.2";

/// Reports as one document of assessment results, made at this time. The same reports at the same time give the same identifiers.
#[must_use]
pub fn oscal(reports: &[Report], version: &str, made: Timestamp) -> Value {
    let made = made.to_string();
    let targets: Vec<_> = reports.iter().map(|report| printable(&report.target)).collect();
    let targets = targets.join(", ");
    let name = |what: &str| uuid(&format!("{targets} {made} {what}"));
    let plan = name("plan");
    let results: Vec<Value> = reports.iter().map(|report| result(report, &made)).collect();
    json!({ "assessment-results": {
        "uuid": name("results"),
        "metadata": {
            "title": format!("Audit of {targets}"),
            "last-modified": made,
            "version": version,
            "oscal-version": VERSION,
        },
        "import-ap": { "href": format!("#{plan}") },
        "results": results,
        "back-matter": { "resources": [{
            "uuid": plan,
            "title": "The checks of cofferdam audit",
            "description": "There is no plan but the program's own table of checks.",
        }] },
    }})
}

fn result(report: &Report, made: &str) -> Value {
    let target = printable(&report.target);
    let name = |what: &str| uuid(&format!("{target} {made} {what}"));
    let applying =
        || report.findings.iter().filter(|finding| finding.verdict.outcome != Outcome::NotApplicable);
    let observations: Vec<Value> = applying().map(|finding| observation(finding, &name, made)).collect();
    let findings: Vec<Value> = applying().map(|finding| judged(finding, &name)).collect();
    json!({
        "uuid": name("result"),
        "title": format!("Audit of {target}"),
        "description": "What cofferdam audit found, by looking at files and at the kernel.",
        "start": made,
        "end": made,
        "reviewed-controls": { "control-selections": [{ "include-all": {} }] },
        "observations": observations,
        "findings": findings,
    })
}

fn observation(finding: &Finding, name: &impl Fn(&str) -> String, made: &str) -> Value {
    let id = &finding.about.id;
    let evidence: Vec<Value> = finding
        .verdict
        .seen
        .iter()
        .map(|seen| {
            let place = match (&seen.path, seen.line) {
                (Some(path), Some(line)) => format!(" ({}:{line})", printable(path)),
                (Some(path), None) => format!(" ({})", printable(path)),
                _ => String::new(),
            };
            json!({ "description": format!("{}{place}", printable(&seen.text)) })
        })
        .collect();
    let mut observation = json!({
        "uuid": name(&format!("observation {id}")),
        "title": id,
        "description": printable(&finding.verdict.summary()),
        "methods": ["TEST"],
        "collected": made,
    });
    if let (false, Some(map)) = (evidence.is_empty(), observation.as_object_mut()) {
        map.insert("relevant-evidence".to_owned(), json!(evidence));
    }
    observation
}

fn judged(finding: &Finding, name: &impl Fn(&str) -> String) -> Value {
    let about = &finding.about;
    // Nobody could tell: that is not satisfied, and the reason says why.
    let (state, reason) = match finding.verdict.outcome {
        Outcome::Pass | Outcome::NotApplicable => ("satisfied", "pass"),
        Outcome::Fail => ("not-satisfied", "fail"),
        Outcome::Unknown => ("not-satisfied", "other"),
    };
    let remarks = match (&finding.exception, finding.verdict.outcome) {
        (Some(Exception::Waiver { owner, reason, until }), _) => {
            format!("{owner} answers for it until {until}: {reason}")
        }
        (Some(Exception::Baseline), _) => "It is in the baseline.".to_owned(),
        (None, Outcome::Unknown) => "Nobody could tell.".to_owned(),
        (None, _) => format!("{}: {}", about.severity.name(), about.remedy),
    };
    json!({
        "uuid": name(&format!("finding {}", about.id)),
        "title": about.title,
        "description": about.why,
        "target": {
            "type": "objective-id",
            "target-id": token(&about.id),
            "status": { "state": state, "reason": reason, "remarks": printable(&remarks) },
        },
        "related-observations": [{ "observation-uuid": name(&format!("observation {}", about.id)) }],
    })
}

/// An id as a token: a letter first, then letters, numbers, dots, dashes and underscores.
fn token(id: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    id.chars().map(|letter| if allowed(letter) { letter } else { '_' }).collect()
}

/// A name-based identifier (RFC 9562, version 5 in form, from SHA-256).
fn uuid(name: &str) -> String {
    let digest = digest_of(name.as_bytes());
    let hex = digest.hex();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-5{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::dockerfile;

    #[test]
    fn each_finding_has_its_observation_and_unknown_is_not_satisfied() {
        let report = [dockerfile::audit("a\x1bb", "FROM debian\nUSER root\n")];
        let made = Timestamp::from_unix(1_800_000_000, 0);
        let all = oscal(&report, "0.1.0", made);
        let result = &all["assessment-results"]["results"][0];
        let observations: Vec<&Value> = result["observations"].as_array().unwrap().iter().collect();
        for finding in result["findings"].as_array().unwrap() {
            let wanted = &finding["related-observations"][0]["observation-uuid"];
            assert!(observations.iter().any(|observation| observation["uuid"] == *wanted));
        }
        assert!(!all.to_string().contains('\x1b'));
        assert_eq!(oscal(&report, "0.1.0", made), all, "the same again");
        let id = uuid("x");
        assert!(id.len() == 36 && id.as_bytes()[14] == b'5' && id.as_bytes()[19] == b'8', "{id}");
        assert_eq!(token("file./etc/passwd"), "file._etc_passwd");
    }
}
