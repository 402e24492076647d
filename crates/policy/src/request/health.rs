//! Health checks: what `--health-*` asks for, what an image says, and what the two come to.

use serde::{Deserialize, Serialize};

use super::InvalidOption;

/// A health check as an image or a person words it (Docker's `HEALTHCHECK`). Times are nanoseconds; what is 0 or empty is not said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthWords {
    /// `NONE`, or `CMD` and the program with its arguments, or `CMD-SHELL` and a line for the shell.
    pub test: Vec<String>,
    /// From the end of one probe to the beginning of the next.
    pub interval: u64,
    /// The most that a probe may take.
    pub timeout: u64,
    /// How long failures do not count after a start.
    pub start_period: u64,
    /// The interval in that time.
    pub start_interval: u64,
    /// So many failures in a row make the container unhealthy.
    pub retries: u64,
}

/// A health check with nothing left open. Times are nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Healthcheck {
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// From the end of one probe to the beginning of the next.
    pub interval: u64,
    /// The most that a probe may take.
    pub timeout: u64,
    /// How long failures do not count after a start.
    pub start_period: u64,
    /// The interval in that time, until the first success.
    pub start_interval: u64,
    /// So many failures in a row make the container unhealthy.
    pub retries: u64,
}

const SECOND: u64 = 1_000_000_000;
/// Docker's shortest time.
const SHORTEST: u64 = 1_000_000;
/// The shell of a check in the shell's form, where the image names none.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

impl HealthWords {
    /// What a container's check is worded like: a person's words first, and where they say nothing, the image's. An image's
    /// intervals are at least a second: what starting a probe costs is the host's, and in no limit of the container's.
    #[must_use]
    pub fn or(&self, image: Option<&Self>) -> Self {
        let nothing = Self::default();
        let image = image.unwrap_or(&nothing);
        let number = |own: u64, other: u64| if own == 0 { other } else { own };
        let interval = |time: u64| if time == 0 { 0 } else { time.max(SECOND) };
        Self {
            test: if self.test.is_empty() { image.test.clone() } else { self.test.clone() },
            interval: number(self.interval, interval(image.interval)),
            timeout: number(self.timeout, image.timeout),
            start_period: number(self.start_period, image.start_period),
            start_interval: number(self.start_interval, interval(image.start_interval)),
            retries: number(self.retries, image.retries),
        }
    }

    /// The check that the words mean; none where they name none. `shell` is the image's.
    ///
    /// # Errors
    /// The kind of test is unknown, it names no command, or a time is below a millisecond.
    pub fn check(&self, shell: &[String]) -> Result<Option<Healthcheck>, InvalidOption> {
        for (what, time) in [
            ("interval", self.interval),
            ("timeout", self.timeout),
            ("start period", self.start_period),
            ("start interval", self.start_interval),
        ] {
            if (1..SHORTEST).contains(&time) {
                let text = format!("{what} of {time}ns");
                return Err(InvalidOption::new("health check", &text, "its times are at least 1ms"));
            }
        }
        let Some((kind, words)) = self.test.split_first() else { return Ok(None) };
        let command = match kind.as_str() {
            "NONE" => return Ok(None),
            "CMD" => words.to_vec(),
            "CMD-SHELL" if shell.is_empty() => {
                SHELL.iter().map(|word| (*word).to_owned()).chain(words.iter().cloned()).collect()
            }
            "CMD-SHELL" => shell.iter().chain(words).cloned().collect(),
            _ => {
                let rule = "a test begins with NONE, CMD or CMD-SHELL";
                return Err(InvalidOption::new("health check", &self.test.join(" "), rule));
            }
        };
        if words.first().is_none_or(String::is_empty) || words.iter().any(|word| word.contains('\0')) {
            return Err(InvalidOption::new("health check", &self.test.join(" "), "it names a command"));
        }
        let number = |given: u64, usual: u64| if given == 0 { usual } else { given };
        Ok(Some(Healthcheck {
            command,
            interval: number(self.interval, 30 * SECOND),
            timeout: number(self.timeout, 30 * SECOND),
            start_period: self.start_period,
            start_interval: number(self.start_interval, 5 * SECOND),
            retries: number(self.retries, 3),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(test: &[&str]) -> HealthWords {
        HealthWords { test: test.iter().map(|word| (*word).to_owned()).collect(), ..HealthWords::default() }
    }

    #[test]
    fn flags_win_over_the_image_field_by_field() {
        let image = HealthWords { interval: 7 * SECOND, retries: 9, ..words(&["CMD", "curl", "x"]) };
        let asked = HealthWords { interval: SECOND, ..HealthWords::default() };
        let check = asked.or(Some(&image)).check(&[]).unwrap().unwrap();
        assert_eq!(check.command, ["curl", "x"]);
        assert_eq!((check.interval, check.retries, check.timeout), (SECOND, 9, 30 * SECOND));
        assert_eq!((check.start_period, check.start_interval), (0, 5 * SECOND));
        assert_eq!(words(&["NONE"]).or(Some(&image)).check(&[]).unwrap(), None);
        let hasty = HealthWords { interval: 1, start_interval: 5_000_000, ..words(&["CMD", "x"]) };
        let check = HealthWords::default().or(Some(&hasty)).check(&[]).unwrap().unwrap();
        assert_eq!(
            (check.interval, check.start_interval),
            (SECOND, SECOND),
            "an image cannot make the host busy"
        );
        assert_eq!(HealthWords::default().or(None).check(&[]).unwrap(), None);
    }

    #[test]
    fn a_line_for_the_shell_goes_to_the_images() {
        let line = words(&["CMD-SHELL", "exit 1"]);
        assert_eq!(line.check(&[]).unwrap().unwrap().command, ["/bin/sh", "-c", "exit 1"]);
        let bash = ["/bin/bash".to_owned(), "-ec".to_owned()];
        assert_eq!(line.check(&bash).unwrap().unwrap().command, ["/bin/bash", "-ec", "exit 1"]);
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for bad in
            [&["CMD"][..], &["CMD-SHELL"], &["CMD-SHELL", ""], &["curl x"], &["none"], &["CMD", "a\0b"]]
        {
            assert!(words(bad).check(&[]).is_err(), "{bad:?}");
        }
        let short = HealthWords { timeout: 999_999, ..words(&["CMD", "x"]) };
        assert!(short.check(&[]).unwrap_err().to_string().contains("at least 1ms"));
    }
}
