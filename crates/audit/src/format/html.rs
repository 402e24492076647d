//! One HTML file: no script, nothing from the network, dark and light as the reader's system is, and fit to print.

use std::fmt::Write;

use super::escaped;
use crate::assessment::Finding;
use crate::exceptions::Exception;
use crate::report::Report;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1a1c20; --paper: #ffffff; --soft: #f1f3f6; --line: #d4d9e0; --bad: #b3261e; --warn: #8a5a00; --good: #1b6e3c; --dim: #5c6470; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --paper: #14161a; --soft: #1e2127; --line: #343a44; --bad: #ff8a80; --warn: #ffcc66; --good: #7fd69b; --dim: #9aa3af; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 2rem 1.25rem; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; border-bottom: 1px solid var(--line); padding-bottom: .3rem; }
p.sub { color: var(--dim); margin: 0; }
dl.questions dt { font-weight: 600; margin-top: .8rem; } dl.questions dd { margin: .15rem 0 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .75rem; }
.card { background: var(--soft); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; }
.card b { display: block; font-size: 1.25rem; } .card span { color: var(--dim); font-size: .875rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; } th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; } th:first-child, td:first-child { white-space: nowrap; }
th { color: var(--dim); font-weight: 600; } code { font: .85em ui-monospace, monospace; }
ol.first li { margin-bottom: 1rem; } ol.first p { margin: .15rem 0; }
.critical, .high, .open, .weak { color: var(--bad); font-weight: 600; } .medium, .fair, .unknown { color: var(--warn); font-weight: 600; } .sound, .pass { color: var(--good); } .low, .not-applicable { color: var(--dim); }
summary { cursor: pointer; font-weight: 600; padding: .4rem 0; }
@media print { body { max-width: none; padding: 0; font-size: 11px; } details { break-inside: avoid; } h2 { break-after: avoid; } }
";

/// The report as one HTML document.
#[must_use]
pub fn html(report: &Report) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
        <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
        <title>Audit of {0}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>Audit of {0}</h1>\n",
        escaped(&report.target)
    );
    let counts = report.counts;
    let _ = writeln!(
        out,
        "<p class=\"sub\">{} checks: {} failed, {} passed, {} unknown, {} not applicable.</p>",
        report.findings.len(),
        counts.fail,
        counts.pass,
        counts.unknown,
        counts.not_applicable
    );
    head(&mut out, report);
    first(&mut out, report);
    areas(&mut out, report);
    out + "</body>\n</html>\n"
}

fn head(out: &mut String, report: &Report) {
    if !report.questions.is_empty() {
        out.push_str("<h2>Six questions</h2>\n<dl class=\"questions\">\n");
        for answer in &report.questions {
            let _ =
                writeln!(out, "<dt>{}</dt><dd>{}</dd>", escaped(answer.question), escaped(&answer.answer));
        }
        out.push_str("</dl>\n");
    }
    out.push_str("<h2>Posture</h2>\n<div class=\"cards\">\n");
    for posture in &report.posture {
        let standing = posture.standing.name();
        let _ = writeln!(
            out,
            "<div class=\"card\"><span>{}</span><b class=\"{standing}\">{standing}</b><span>{} failed, {} passed, {} unknown</span></div>",
            posture.dimension.name(),
            posture.counts.fail,
            posture.counts.pass,
            posture.counts.unknown
        );
    }
    out.push_str("</div>\n");
    if !report.paths.is_empty() {
        out.push_str("<h2>Ways that are open</h2>\n<table><tr><th>Severity</th><th>From</th><th>To</th><th>How</th></tr>\n");
        for path in &report.paths {
            let severity = path.severity.name();
            let _ = writeln!(
                out,
                "<tr><td class=\"{severity}\">{severity}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(&path.from),
                escaped(&path.to),
                escaped(&path.by)
            );
        }
        out.push_str("</table>\n");
    }
}

fn first(out: &mut String, report: &Report) {
    let mut worst = report.worst().peekable();
    if worst.peek().is_none() {
        return;
    }
    out.push_str("<h2>What to mend first</h2>\n<ol class=\"first\">\n");
    for finding in worst {
        let about = &finding.about;
        let severity = about.severity.name();
        let _ = writeln!(
            out,
            "<li><p><span class=\"{severity}\">{severity}</span> <b>{}</b> <code>{}</code></p><p>Seen: {}</p><p>{} An escaping container would gain {}.</p><p>Mend: {}</p></li>",
            escaped(&about.title),
            escaped(&about.id),
            escaped(&finding.verdict.summary()),
            escaped(&about.why),
            about.gain.words(),
            escaped(&about.remedy)
        );
    }
    out.push_str("</ol>\n");
}

fn areas(out: &mut String, report: &Report) {
    out.push_str("<h2>All checks</h2>\n");
    let mut areas: Vec<&str> = Vec::new();
    for finding in &report.findings {
        if !areas.contains(&finding.about.area) {
            areas.push(finding.about.area);
        }
    }
    for area in areas {
        let of_area = || report.findings.iter().filter(|finding| finding.about.area == area);
        let failed = of_area().filter(|finding| finding.counts()).count();
        let open = if failed > 0 { " open" } else { "" };
        let _ = writeln!(
            out,
            "<details{open}><summary>{}: {failed} of {} failed</summary>\n<table><tr><th>Verdict</th><th>Check</th><th>What should be</th><th>Seen</th></tr>",
            escaped(area),
            of_area().count()
        );
        for finding in of_area() {
            out.push_str(&row(finding));
        }
        out.push_str("</table></details>\n");
    }
}

fn row(finding: &Finding) -> String {
    let outcome = finding.verdict.outcome.name();
    let (class, words) = match &finding.exception {
        None if finding.counts() => {
            (finding.about.severity.name(), format!("fail, {}", finding.about.severity.name()))
        }
        None => (outcome, outcome.to_owned()),
        Some(Exception::Baseline) => ("low", "fail, in the baseline".to_owned()),
        Some(Exception::Waiver { owner, until, .. }) => ("low", format!("fail, {owner} until {until}")),
    };
    format!(
        "<tr><td class=\"{}\">{}</td><td><code>{}</code></td><td>{}</td><td>{}</td></tr>\n",
        class.replace(' ', "-"),
        escaped(&words),
        escaped(&finding.about.id),
        escaped(&finding.about.title),
        escaped(&finding.verdict.summary())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::dockerfile;

    #[test]
    fn nothing_breaks_out_of_the_markup() {
        let page = html(&dockerfile::audit("<script>", "FROM debian\nRUN curl <b> | sh\n"));
        assert!(!page.contains("<script") && !page.contains("<b> |"));
        assert!(page.contains("&lt;script&gt;") && page.contains("prefers-color-scheme: dark"));
        assert!(!page.contains("http://") && !page.contains("https://"));
    }
}
