//! The options of an instruction: `--name` and `--name=value` before its arguments.

use super::error::Problem;
use super::words;
use crate::suggestion::nearest;

/// The options that an instruction has, their values as they stand in the file.
#[derive(Debug)]
pub(super) struct Flags {
    instruction: &'static str,
    given: Vec<(&'static str, Option<String>)>,
}

impl Flags {
    /// Takes the options from the beginning of the arguments. `known` are all that the instruction has; those in `several` may
    /// stand more than once.
    pub(super) fn take<'a>(
        instruction: &'static str,
        rest: &'a str,
        escape: char,
        known: &[&'static str],
        several: &[&str],
    ) -> Result<(Self, &'a str), Problem> {
        let mut flags = Self { instruction, given: Vec::new() };
        let mut rest = rest.trim_start();
        while rest.starts_with("--") {
            let (word, after) = first_word(rest, escape);
            rest = after.trim_start();
            if word == "--" {
                break;
            }
            let text = word.trim_start_matches("--");
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (text, None),
            };
            let Some(name) = known.iter().find(|known| **known == name) else {
                let nearest = nearest(name, known).map(|name| format!("--{name}"));
                return Err(Problem::UnknownFlag { instruction, flag: name.to_owned(), nearest });
            };
            if !several.contains(name) && flags.given.iter().any(|(given, _)| given == name) {
                return Err(Problem::flag(instruction, name, "it stands twice"));
            }
            flags.given.push((name, value));
        }
        Ok((flags, rest))
    }

    /// All values of an option that needs one.
    pub(super) fn all(&self, name: &'static str) -> Result<Vec<String>, Problem> {
        let values = self.given.iter().filter(|(given, _)| *given == name).map(|(_, value)| match value {
            Some(value) if !value.is_empty() => Ok(value.clone()),
            _ => Err(Problem::flag(self.instruction, name, "it needs a value (--name=value)")),
        });
        values.collect()
    }

    /// The value of an option that needs one.
    pub(super) fn one(&self, name: &'static str) -> Result<Option<String>, Problem> {
        Ok(self.all(name)?.pop())
    }

    /// An option that is on or off.
    pub(super) fn switch(&self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.given.iter().find(|(given, _)| *given == name) {
            None => Ok(None),
            Some((_, None)) => Ok(Some(true)),
            Some((_, Some(value))) => match value.as_str() {
                "true" | "1" | "" => Ok(Some(true)),
                "false" | "0" => Ok(Some(false)),
                other => {
                    Err(Problem::flag(self.instruction, name, format!("{other:?} is neither true nor false")))
                }
            },
        }
    }
}

/// The first word of a text and what follows it.
fn first_word(text: &str, escape: char) -> (&str, &str) {
    let length = words::split(text, escape).first().map_or(0, String::len);
    text.split_at_checked(length).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &str) -> Result<(Flags, &str), Problem> {
        Flags::take("COPY", text, '\\', &["from", "link", "exclude"], &["exclude"])
    }

    #[test]
    fn options_stand_before_arguments() {
        let (flags, rest) = take("--from=x --link --exclude=\"a b\" --exclude=c d --e f").unwrap();
        assert_eq!(rest, "d --e f");
        assert_eq!(flags.one("from").unwrap().as_deref(), Some("x"));
        assert_eq!(flags.switch("link").unwrap(), Some(true));
        assert_eq!(flags.all("exclude").unwrap(), ["\"a b\"", "c"]);
        assert_eq!(take("-- --x").unwrap().1, "--x");
        for bad in ["--form=x a", "--from=a --from=b c"] {
            assert!(take(bad).is_err(), "{bad}");
        }
        let error = take("--form=x a").unwrap_err().to_string();
        assert_eq!(error, "COPY has no option --form; did you mean --from?");
        assert!(take("--from a").unwrap().0.one("from").is_err());
        assert!(take("--link=perhaps a").unwrap().0.switch("link").is_err());
    }
}
