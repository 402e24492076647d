//! JUnit's XML, as CI servers read it: a suite for each area, a case for each check; unknown is skipped with its reason, never
//! passed.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::escaped;
use crate::assessment::Finding;
use crate::control::Outcome;
use crate::report::Report;

/// The report as JUnit XML.
#[must_use]
pub fn junit(report: &Report) -> String {
    let mut areas: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &report.findings {
        areas.entry(finding.about.area).or_default().push(finding);
    }
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let failed = report.findings.iter().filter(|finding| finding.counts()).count();
    let tests = report.findings.len();
    let _ = writeln!(
        out,
        "<testsuites name=\"{}\" tests=\"{tests}\" failures=\"{failed}\">",
        escaped(&report.target)
    );
    for (area, findings) in areas {
        let failed = findings.iter().filter(|finding| finding.counts()).count();
        let skipped = findings.iter().filter(|finding| is_skipped(finding)).count();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\">",
            escaped(area),
            findings.len()
        );
        for finding in findings {
            out += &case(finding);
        }
        out += "  </testsuite>\n";
    }
    out + "</testsuites>\n"
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
        let text =
            junit(&dockerfile::audit("a\"<b>&\x1b", "FROM debian\nUSER root\nRUN curl x | sh # <&>\"\n"));
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
