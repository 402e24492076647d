//! How a report is shown, and what exit status it gives.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use cofferdam_audit::{
    Baseline, Body, Counts, Finding, Outcome as Verdict, Report as Audit, Severity, Waivers, apply, format,
    printable, today,
};

use cofferdam_names::ZoneName;
use serde::Serialize;

use crate::client_file;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;
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
    /// Let failures that this earlier report (--format json) has not count
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Let failures that this file's waivers cover not count
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
    /// Keep only the checks that somebody asks for: cis-docker, cis-linux, cis-kubernetes, kspp, 800-190, nsa-cisa,
    /// pod-security, or zone:NAME for those that a zone demands of its host
    #[arg(long, value_name = "PROFILE")]
    profile: Option<Profile>,
}

/// What `--profile` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Profile {
    /// What a body asks for.
    Body(Body),
    /// What a zone demands.
    Zone(ZoneName),
}

/// The bodies by the words for them.
const BODIES: [(&str, Body); 7] = [
    ("cis-docker", Body::CisDocker),
    ("cis-linux", Body::CisLinux),
    ("cis-kubernetes", Body::CisKubernetes),
    ("kspp", Body::Kspp),
    ("800-190", Body::Nist800190),
    ("nsa-cisa", Body::NsaCisa),
    ("pod-security", Body::PodSecurity),
];

impl FromStr for Profile {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        if let Some(zone) = word.strip_prefix("zone:") {
            return zone.parse().map(Self::Zone).map_err(|_| format!("{zone:?} is no name of a zone"));
        }
        let body = BODIES.iter().find(|(name, _)| *name == word);
        let all = || BODIES.map(|(name, _)| name).join(", ");
        body.map(|(_, body)| Self::Body(*body)).ok_or_else(|| format!("it is one of {}, zone:NAME", all()))
    }
}

/// The shapes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// Everything (schema cofferdam.audit/1)
    Json,
    /// For code hosts (SARIF 2.1.0)
    Sarif,
    /// For CI servers
    Junit,
    /// Assessment results (NIST OSCAL 1.1)
    Oscal,
    /// One page that needs no network
    Html,
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

/// Which checks are kept.
enum Kept {
    By(Body),
    Named(Vec<String>),
}

/// What is kept, what of it does not count, and on which day.
struct Exceptions {
    profile: Option<Kept>,
    waivers: Option<Waivers>,
    baseline: Option<Baseline>,
    today: String,
}

impl OutputFlags {
    /// Shows reports and gives the exit status. Tables and JSON come one after another, as each target has been looked at; the other
    /// forms are one document.
    pub(super) fn show(&self, globals: &Globals, reports: impl IntoIterator<Item = Audit>) -> Outcome {
        let exceptions = self.exceptions(globals)?;
        let limit = self.fail_on.map(Severity::from);
        let mut found = false;
        let reports = reports.into_iter().map(|report| with(report, &exceptions)).inspect(|report| {
            found |= limit.is_some_and(|limit| report.worst_severity().is_some_and(|worst| worst >= limit));
        });
        let mut out = std::io::stdout().lock();
        match self.format {
            Format::Table => {
                for report in reports {
                    out.write_all(sheet(&report, self.all).as_bytes())?;
                }
            }
            Format::Json => {
                for report in reports {
                    out.write_all(json(&report)?.as_bytes())?;
                }
            }
            _ => out.write_all(self.document(&reports.collect::<Vec<_>>())?.as_bytes())?,
        }
        Ok(if found { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
    }

    /// A report with what the flags leave of it, and with its exceptions.
    pub(super) fn marked(&self, globals: &Globals, report: Audit) -> Result<Audit, Report> {
        Ok(with(report, &self.exceptions(globals)?))
    }

    fn exceptions(&self, globals: &Globals) -> Result<Exceptions, Report> {
        let profile = match &self.profile {
            None => None,
            Some(Profile::Body(body)) => Some(Kept::By(*body)),
            Some(Profile::Zone(name)) => {
                let zone = engine(globals)?.zones().load(name).map_err(|error| Report::from_error(&error))?;
                Some(Kept::Named(zone.posture.value))
            }
        };
        let today = today();
        let waivers = self.waivers(&today)?;
        let baseline = match &self.baseline {
            Some(path) => {
                let text = client_file::text(path, "baseline")?;
                let failed = |error| {
                    Report::new(format!("{} is no report of an audit", path.display())).because(&error)
                };
                Some(Baseline::parse(&text).map_err(failed)?)
            }
            None => None,
        };
        Ok(Exceptions { profile, waivers, baseline, today })
    }

    /// All reports as one document.
    fn document(&self, reports: &[Audit]) -> Result<String, Report> {
        let version = env!("CARGO_PKG_VERSION");
        match self.format {
            Format::Sarif => json(&format::sarif(reports, version)),
            Format::Oscal => json(&format::oscal(reports, version, SystemTime::now().into())),
            Format::Junit => Ok(format::junit(reports)),
            Format::Html if reports.len() > 1 => {
                Err(Report::new("--format html is a page about one target, and several were named"))
            }
            Format::Html | Format::Table | Format::Json => Ok(reports.iter().map(format::html).collect()),
        }
    }

    fn waivers(&self, today: &str) -> Result<Option<Waivers>, Report> {
        let Some(path) = &self.waivers else { return Ok(None) };
        let text = client_file::text(path, "waivers")?;
        let waivers = Waivers::parse(&text).map_err(|error| Report::from_error(&error))?;
        for check in waivers.over(today) {
            writeln!(std::io::stderr().lock(), "cofferdam: warning: the waiver of {check} is over")?;
        }
        Ok(Some(waivers))
    }
}

/// A report with what the flags leave of it, and with its exceptions.
fn with(mut report: Audit, exceptions: &Exceptions) -> Audit {
    let Exceptions { profile, waivers, baseline, today } = exceptions;
    match profile {
        None => {}
        Some(Kept::By(body)) => {
            report.keep(|finding| finding.about.references.iter().any(|reference| reference.body == *body));
        }
        Some(Kept::Named(ids)) => report.keep(|finding| ids.iter().any(|id| *id == finding.about.id)),
    }
    apply(&mut report, waivers.as_ref(), baseline.as_ref(), today);
    report
}

/// A value as JSON for a file.
fn json(value: &impl Serialize) -> Result<String, Report> {
    let failed = |error| Report::new("cannot write the report as JSON").because(&error);
    Ok(serde_json::to_string_pretty(value).map_err(failed)? + "\n")
}

fn sheet(report: &Audit, all: bool) -> String {
    let mut out = format!("Audit of {}\n\n", printable(&report.target));
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
    let alike = report
        .findings
        .iter()
        .filter(|other| other.about.why == about.why && other.about.id != about.id && other.counts());
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
        let severity = match (outcome, &finding.exception) {
            (Verdict::Fail, None) => finding.about.severity.name(),
            (Verdict::Fail, Some(_)) => "excepted",
            _ => "",
        };
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
