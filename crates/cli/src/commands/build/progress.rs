//! What a person sees of a build: plain lines on standard error.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::time::Duration;

use cofferdam_build::execute::{Progress, StepLabel};

/// How many of the last lines are kept of what is not shown.
const KEPT_LINES: usize = 20;

/// The longest line that is waited for.
const MOST_LINE: usize = 16 << 10;

/// Shows, or keeps the last lines for a failure.
pub(super) struct Shown {
    quiet: bool,
    kept: VecDeque<String>,
    /// Lines of steps that have no end yet.
    open: BTreeMap<usize, Vec<u8>>,
}

impl Shown {
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet, kept: VecDeque::new(), open: BTreeMap::new() }
    }

    /// The last lines of a step, where they were not shown.
    pub(super) fn unseen(&self) -> Option<String> {
        let lines: Vec<&str> = self.kept.iter().map(String::as_str).collect();
        (self.quiet && !lines.is_empty()).then(|| lines.join("\n"))
    }

    fn line(&mut self, text: &str) {
        // What a step writes must not drive the terminal.
        let clean: String = text
            .chars()
            .map(|letter| if letter.is_control() && letter != '\t' { '\u{fffd}' } else { letter })
            .collect();
        if self.quiet {
            self.kept.push_back(clean);
            if self.kept.len() > KEPT_LINES {
                self.kept.pop_front();
            }
        } else {
            // Whoever does not read it any more does not stop the build.
            let _ = writeln!(std::io::stderr().lock(), "{clean}");
        }
    }

    fn finish_line(&mut self, number: usize) {
        if let Some(rest) = self.open.remove(&number).filter(|rest| !rest.is_empty()) {
            self.line(&format!("#{number} {}", String::from_utf8_lossy(&rest)));
        }
    }
}

impl Progress for Shown {
    fn begin(&mut self, step: StepLabel<'_>) {
        if self.quiet {
            self.kept.clear();
        } else {
            let StepLabel { number, stage, at, of, text } = step;
            self.line(&format!("#{number} [{stage} {at}/{of}] {text}"));
        }
    }

    fn end(&mut self, step: StepLabel<'_>, cached: bool, took: Duration) {
        self.finish_line(step.number);
        if !self.quiet {
            let how = if cached { "CACHED".to_owned() } else { format!("DONE {:.2}s", took.as_secs_f64()) };
            self.line(&format!("#{} {how}", step.number));
        }
    }

    fn output(&mut self, step: StepLabel<'_>, bytes: &[u8]) {
        let number = step.number;
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let open = self.open.entry(number).or_default();
            open.extend_from_slice(part.strip_suffix(b"\n").unwrap_or(part));
            if part.ends_with(b"\n") || open.len() > MOST_LINE {
                let text = self.open.remove(&number).unwrap_or_default();
                let text = String::from_utf8_lossy(text.strip_suffix(b"\r").unwrap_or(&text)).into_owned();
                self.line(&format!("#{number} {text}"));
            }
        }
    }

    fn note(&mut self, text: &str) {
        if !self.quiet {
            self.line(&format!("note: {text}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_whole_and_harmless() {
        let step = StepLabel { number: 3, stage: "a", at: 1, of: 1, text: "RUN x" };
        let mut shown = Shown::new(true);
        shown.begin(step);
        shown.output(step, b"on");
        shown.output(step, b"e\r\ntwo\x1b[2J\nthr");
        shown.end(step, false, Duration::ZERO);
        assert_eq!(shown.unseen().unwrap(), "#3 one\n#3 two\u{fffd}[2J\n#3 thr");
    }
}
