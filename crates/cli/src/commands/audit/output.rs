//! How a report is shown, and what exit status it gives.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use cofferdam_audit::{Counts, Finding, Outcome as Verdict, Report as Audit, Severity, printable};

use crate::report::{Outcome, Report};
use crate::table;

/// The exit status when something at least as bad as `--fail-on` was found.
const FOUND: u8 = 2;

/// Flags of all audits.
#[derive(Debug, Args)]
pub(crate) struct OutputFlags {
    /// How what was found is shown
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Show every check, not only those that failed
    #[arg(short, long)]
    all: bool,
    /// End with status 2 if something this bad, or worse, was found
    #[arg(long, value_name = "SEVERITY", value_enum)]
    fail_on: Option<Threshold>,
}

/// The shapes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// Everything, with facts' evidence
    Json,
}

/// What `--fail-on` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Threshold {
    /// Anything
    Low,
    /// Medium or worse
    Medium,
    /// High or worse
    High,
    /// Critical
    Critical,
}

impl From<Threshold> for Severity {
    fn from(threshold: Threshold) -> Self {
        match threshold {
            Threshold::Low => Self::Low,
            Threshold::Medium => Self::Medium,
            Threshold::High => Self::High,
            Threshold::Critical => Self::Critical,
        }
    }
}

impl OutputFlags {
    /// Shows a report and gives the exit status.
    pub(super) fn show(&self, report: Audit) -> Outcome {
        let text = match self.format {
            Format::Table => sheet(&report, self.all),
            Format::Json => {
                let text = serde_json::to_string_pretty(&report);
                text.map_err(|error| Report::new("cannot write the report as JSON").because(&error))? + "\n"
            }
        };
        std::io::stdout().lock().write_all(text.as_bytes())?;
        let limit = self.fail_on.map(Severity::from);
        let found = limit.is_some_and(|limit| report.worst_severity().is_some_and(|worst| worst >= limit));
        Ok(if found { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
    }
}

fn sheet(report: &Audit, all: bool) -> String {
    let mut out = String::new();
    for (number, answer) in report.questions.iter().enumerate() {
        out += &format!("{}. {}\n", number + 1, answer.question);
        out += &wrapped(&answer.answer, "   ");
    }
    if !report.questions.is_empty() {
        out.push('\n');
    }
    let mut lines = vec!["DIMENSION\tSTANDING\tFAILED\tPASSED\tUNKNOWN\tNOT APPLICABLE".to_owned()];
    for posture in &report.posture {
        let Counts { pass, fail, unknown, not_applicable, .. } = posture.counts;
        let (name, standing) = (posture.dimension.name(), posture.standing.name());
        lines.push(format!("{name}\t{standing}\t{fail}\t{pass}\t{unknown}\t{not_applicable}"));
    }
    out += &table::align(lines.iter().map(String::as_str));
    if !report.paths.is_empty() {
        out += "\nWays that are open:\n";
        for path in &report.paths {
            let text = format!("[{}] {} -> {}: {}", path.severity.name(), path.from, path.to, path.by);
            out += &wrapped(&text, "  ");
        }
    }
    let mut worst = report.worst().peekable();
    if worst.peek().is_some() {
        out += "\nWhat to mend first:\n";
        for (number, finding) in worst.enumerate() {
            out += &mended(number + 1, finding, report);
        }
    }
    out.push('\n');
    out += &listing(report, all);
    out += &summary(report.counts, all);
    out
}

/// One of the first ten, with what to do.
fn mended(number: usize, finding: &Finding, report: &Audit) -> String {
    let about = &finding.about;
    let alike = report.findings.iter().filter(|other| {
        other.about.why == about.why && other.about.id != about.id && other.verdict.outcome == Verdict::Fail
    });
    let alike: Vec<&str> = alike.map(|other| other.about.id.as_ref()).collect();
    let mut text =
        wrapped(&format!("{number:>2}. [{}] {} ({})", about.severity.name(), about.title, about.id), "  ");
    text += &wrapped(&format!("seen: {}", finding.verdict.summary()), "      ");
    text += &wrapped(&format!("gain: {}. {}", about.gain.words(), about.why), "      ");
    text += &wrapped(&format!("mend: {}", about.remedy), "      ");
    if !alike.is_empty() {
        text += &wrapped(&format!("also: {}", shortened(&alike.join(", "))), "      ");
    }
    text
}

fn listing(report: &Audit, all: bool) -> String {
    let mut lines = vec!["VERDICT\tSEVERITY\tCHECK\tSEEN".to_owned()];
    for finding in &report.findings {
        let outcome = finding.verdict.outcome;
        if !all && outcome != Verdict::Fail {
            continue;
        }
        let severity = if outcome == Verdict::Fail { finding.about.severity.name() } else { "" };
        let seen = shortened(&finding.verdict.summary());
        lines.push(format!("{}\t{severity}\t{}\t{seen}", outcome.name(), finding.about.id));
    }
    if lines.len() == 1 { String::new() } else { table::align(lines.iter().map(String::as_str)) }
}

fn summary(counts: Counts, all: bool) -> String {
    let Counts { pass, fail, unknown, not_applicable, .. } = counts;
    let total = pass + fail + unknown + not_applicable;
    let more = if all { "" } else { " (--all shows every check)" };
    format!(
        "{total} checks: {fail} failed, {pass} passed, {unknown} unknown, {not_applicable} not applicable{more}\n"
    )
}

/// What was seen, in one cell: no tabs, no escapes, at most 100 characters.
fn shortened(text: &str) -> String {
    const MOST: usize = 100;
    let text = printable(text);
    if text.chars().count() <= MOST {
        return text.into_owned();
    }
    text.chars().take(MOST - 1).chain(['…']).collect()
}

/// Text broken at blanks, each line with the indent before it; the ones after the first two further in.
fn wrapped(text: &str, indent: &str) -> String {
    const WIDTH: usize = 110;
    let text = printable(text);
    let mut out = String::new();
    let mut line = indent.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            out += line.trim_end();
            out.push('\n');
            line = format!("{indent}  ");
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line += word;
        empty = false;
    }
    out + line.trim_end() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_found_reaches_the_terminal_raw() {
        assert_eq!(shortened("a\tb\x1b[2J"), "a\\u{9}b\\u{1b}[2J");
        assert_eq!(shortened(&"x".repeat(200)).chars().count(), 100);
        let text = wrapped(&"word ".repeat(40), "  ");
        assert!(text.lines().all(|line| line.chars().count() <= 110 && line.starts_with("  ")), "{text}");
    }
}
