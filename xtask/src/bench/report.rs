//! The results as a table, as JSON, and held against the figures that were set as goals.

use std::fmt;

use serde::Serialize;

use super::statistics::Spread;

/// Every result of one run of the benchmark.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// Timed commands.
    times: Vec<Timed>,
    /// Single figures.
    figures: Vec<Figure>,
    /// What did not work, and so was not measured.
    failures: Vec<String>,
}

/// One engine at one timed case.
#[derive(Debug, Serialize)]
struct Timed {
    case: String,
    way: &'static str,
    engine: &'static str,
    milliseconds: Spread,
}

/// One single figure.
#[derive(Debug, Serialize)]
struct Figure {
    case: String,
    engine: &'static str,
    value: f64,
    unit: &'static str,
}

/// A goal: a value of ours over a value of another, at most `at_most`.
struct Goal {
    case: &'static str,
    /// Empty for a figure.
    way: &'static str,
    other: &'static str,
    at_most: f64,
}

/// What a start may cost at most beside the others.
const GOALS: [Goal; 16] = [
    Goal { case: "oci run (filtered bundle)", way: "alone", other: "crun", at_most: 0.4 },
    Goal { case: "oci run (filtered bundle)", way: "in a row", other: "crun", at_most: 0.8 },
    Goal { case: "oci run (plain bundle)", way: "alone", other: "crun", at_most: 0.4 },
    Goal { case: "oci run (plain bundle)", way: "in a row", other: "crun", at_most: 0.8 },
    Goal { case: "system calls of oci run (filtered bundle)", way: "", other: "crun", at_most: 1.0 },
    Goal { case: "largest process of oci run (filtered bundle)", way: "", other: "crun", at_most: 1.0 },
    Goal { case: "run --rm true", way: "alone", other: "docker", at_most: 1.0 / 12.0 },
    Goal { case: "run --rm true", way: "alone", other: "podman", at_most: 1.0 / 7.0 },
    Goal { case: "run --rm true", way: "alone", other: "floor", at_most: 2.5 },
    Goal { case: "run --rm true", way: "in a row", other: "floor", at_most: 2.5 },
    Goal { case: "oci exec", way: "in a row", other: "crun", at_most: 0.4 },
    Goal { case: "oci exec", way: "alone", other: "crun", at_most: 0.4 },
    Goal { case: "100 detached starts in a row", way: "", other: "docker", at_most: 1.0 / 12.0 },
    Goal { case: "100 detached starts in a row", way: "", other: "podman", at_most: 1.0 / 6.0 },
    Goal { case: "memory (PSS) beside each idle container", way: "", other: "podman", at_most: 1.0 },
    Goal { case: "memory (PSS) beside each idle container", way: "", other: "0.3 MB", at_most: 1.0 },
];

/// The engine whose goals these are.
const OURS: &str = "cofferdam";

impl Report {
    /// Adds a timed case.
    pub(super) fn time(&mut self, case: &str, way: &'static str, engine: &'static str, milliseconds: Spread) {
        self.times.push(Timed { case: case.to_owned(), way, engine, milliseconds });
    }

    /// Adds a figure.
    pub(super) fn figure(&mut self, case: &str, engine: &'static str, value: f64, unit: &'static str) {
        self.figures.push(Figure { case: case.to_owned(), engine, value, unit });
    }

    /// Keeps why something was not measured.
    pub(super) fn note_failure(&mut self, engine: &str, case: &str, outcome: anyhow::Result<()>) {
        if let Err(error) = outcome {
            let text = format!("{engine}: {case}: {error:#}");
            println!("not measured: {text}");
            self.failures.push(text);
        }
    }

    fn value(&self, case: &str, way: &str, engine: &str) -> Option<f64> {
        if engine == "0.3 MB" {
            return Some(0.3);
        }
        let time =
            self.times.iter().find(|time| time.case == case && time.way == way && time.engine == engine);
        let figure = self.figures.iter().find(|figure| figure.case == case && figure.engine == engine);
        time.map(|time| time.milliseconds.median).or(figure.map(|figure| figure.value))
    }

    fn write_times(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cases: Vec<(&str, &str)> = Vec::new();
        for time in &self.times {
            if !cases.contains(&(time.case.as_str(), time.way)) {
                cases.push((&time.case, time.way));
            }
        }
        for (case, way) in cases {
            let title = format!("{case}, {way}");
            writeln!(out, "\n{title:<44} {:>9} {:>7} {:>7} {:>8}", "median ms", "p10", "p90", "x floor")?;
            for time in self.times.iter().filter(|time| time.case == case && time.way == way) {
                let spread = &time.milliseconds;
                let gap = self.value(case, way, "floor").map(|floor| format!("{:.2}", spread.median / floor));
                let (median, p10, p90) = (spread.median, spread.p10, spread.p90);
                let gap = gap.unwrap_or_default();
                writeln!(out, "  {:<42} {median:>9.2} {p10:>7.2} {p90:>7.2} {gap:>8}", time.engine)?;
            }
        }
        Ok(())
    }

    fn write_figures(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cases: Vec<&str> = Vec::new();
        for figure in &self.figures {
            if !cases.contains(&figure.case.as_str()) {
                cases.push(&figure.case);
            }
        }
        for case in cases {
            write!(out, "{case:<46}")?;
            for figure in self.figures.iter().filter(|figure| figure.case == case) {
                write!(out, "  {} {:.3} {}", figure.engine, figure.value, figure.unit)?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_times(out)?;
        writeln!(out)?;
        self.write_figures(out)?;
        writeln!(out, "\n{:<58} {:>8} {:>8}", "goal (ours / theirs)", "at most", "is")?;
        for goal in &GOALS {
            let ours = self.value(goal.case, goal.way, OURS);
            let theirs = self.value(goal.case, goal.way, goal.other);
            let name = format!("{} {} / {}", goal.case, goal.way, goal.other);
            match ours.zip(theirs).map(|(ours, theirs)| ours / theirs) {
                Some(ratio) => {
                    let verdict = if ratio <= goal.at_most { "reached" } else { "MISSED" };
                    writeln!(out, "{name:<58} {:>8.3} {ratio:>8.3}  {verdict}", goal.at_most)?;
                }
                None => writeln!(out, "{name:<58} {:>8.3} {:>8}  not measured", goal.at_most, "-")?,
            }
        }
        for failure in &self.failures {
            writeln!(out, "not measured: {failure}")?;
        }
        Ok(())
    }
}
