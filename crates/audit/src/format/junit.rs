//! JUnit's XML, as CI servers read it: a suite for each area, a case for each check; unknown is skipped with its reason, never
//! passed.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::escaped;
use crate::assessment::Finding;
use crate::control::Outcome;
use crate::report::Report;

/// Reports as one document in JUnit's XML. Where there are several, suites are called by target and area.
#[must_use]
pub fn junit(reports: &[Report]) -> String {
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let all = || reports.iter().flat_map(|report| &report.findings);
    let failed = all().filter(|finding| finding.counts()).count();
    let targets: Vec<&str> = reports.iter().map(|report| report.target.as_str()).collect();
    let _ = writeln!(
        out,
        "<testsuites name=\"{}\" tests=\"{}\" failures=\"{failed}\">",
        escaped(&targets.join(", ")),
        all().count()
    );
    for report in reports {
        let mut areas: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
        for finding in &report.findings {
            areas.entry(finding.about.area).or_default().push(finding);
        }
        for (area, findings) in areas {
            let name = if reports.len() > 1 { format!("{}: {area}", report.target) } else { area.to_owned() };
            out += &suite(&name, &findings);
        }
    }
    out + "</testsuites>\n"
}

fn suite(name: &str, findings: &[&Finding]) -> String {
    let failed = findings.iter().filter(|finding| finding.counts()).count();
    let skipped = findings.iter().filter(|finding| is_skipped(finding)).count();
    let mut out = format!(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\">\n",
        escaped(name),
        findings.len()
    );
    for finding in findings {
        out += &case(finding);
    }
    out + "  </testsuite>\n"
}

fn is_skipped(finding: &Finding) -> bool {
    match finding.verdict.outcome {
        Outcome::NotApplicable | Outcome::Unknown => true,
        Outcome::Fail => finding.exception.is_some(),
        Outcome::Pass => false,
    }
}

fn case(finding: &Finding) -> String {
    let about = &finding.about;
    let head = format!("    <testcase classname=\"{}\" name=\"{}\"", escaped(about.area), escaped(&about.id));
    let seen = escaped(&finding.verdict.summary());
    if finding.counts() {
        let words = escaped(&format!("{}. {} Mend: {}", about.title, about.why, about.remedy));
        return format!(
            "{head}>\n      <failure type=\"{}\" message=\"{seen}\">{words}</failure>\n    </testcase>\n",
            about.severity.name()
        );
    }
    if is_skipped(finding) {
        let outcome = if finding.exception.is_some() { "excepted" } else { finding.verdict.outcome.name() };
        return format!("{head}>\n      <skipped message=\"{outcome}: {seen}\"/>\n    </testcase>\n");
    }
    format!("{head}/>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::dockerfile;

    #[test]
    fn nothing_breaks_out_of_the_markup() {
        let hostile = dockerfile::audit("a\"<b>&\x1b", "FROM debian\nUSER root\nRUN curl x | sh # <&>\"\n");
        let text = junit(&[hostile]);
        assert!(text.contains("name=\"a&quot;&lt;b&gt;&amp;\\u{1b}\""), "{text}");
        assert!(text.contains("<failure type=\"high\""));
        assert_eq!(
            text.matches("<testcase").count(),
            text.matches("</testcase>").count()
                + text.matches("\"/>\n    <testcase").count()
                + text.matches("\"/>\n  </testsuite>").count()
        );
    }
}
