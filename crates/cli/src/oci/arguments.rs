//! Reading of flags as the programs that call OCI runtimes write them: Go's style, `--name value`, `--name=value` and
//! `-name value` alike.
//!
//! By hand, because this is on the way of every start: a full command line parser spends more time on building its
//! description of all commands than the rest of `state` takes.

use super::error::UsageError;

/// One flag of a command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag {
    /// Its name without dashes.
    pub name: &'static str,
    /// A second, short name; empty for none.
    pub short: &'static str,
    /// What it takes, as the help shows it; empty for a switch.
    pub value: &'static str,
    /// What it does, for the help.
    pub about: &'static str,
}

/// A flag that takes a value.
pub(super) const fn option(
    name: &'static str,
    short: &'static str,
    value: &'static str,
    about: &'static str,
) -> Flag {
    Flag { name, short, value, about }
}

/// A flag that takes none.
pub(super) const fn switch(name: &'static str, short: &'static str, about: &'static str) -> Flag {
    Flag { name, short, value: "", about }
}

/// Where flags may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Anywhere before `--`.
    Mixed,
    /// Before the first argument only: what follows belongs to another program.
    FlagsFirst,
}

/// The flags and arguments of one command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    flags: Vec<(&'static str, String)>,
    /// What is no flag, in order.
    pub positional: Vec<String>,
    /// Whether the help was asked for.
    pub help: bool,
}

impl Arguments {
    /// Reads a command's arguments.
    pub(super) fn parse(known: &[Flag], words: &[String], order: Order) -> Result<Self, UsageError> {
        let mut arguments = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                arguments.positional.extend(words.cloned());
                break;
            }
            let Some(text) =
                word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|text| !text.is_empty())
            else {
                arguments.positional.push(word.clone());
                if order == Order::FlagsFirst {
                    arguments.positional.extend(words.cloned());
                    break;
                }
                continue;
            };
            arguments.flag(known, word, text, &mut words)?;
        }
        Ok(arguments)
    }

    fn flag<'w>(
        &mut self,
        known: &[Flag],
        word: &str,
        text: &str,
        rest: &mut impl Iterator<Item = &'w String>,
    ) -> Result<(), UsageError> {
        let (name, given) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if matches!(name, "help" | "h") {
            self.help = true;
            return Ok(());
        }
        let flag = known
            .iter()
            .find(|flag| flag.name == name || (!flag.short.is_empty() && flag.short == name))
            .ok_or_else(|| UsageError::UnknownFlag(word.to_owned()))?;
        let value = match (flag.value.is_empty(), given) {
            (true, given) => match given.as_deref() {
                None | Some("true" | "1" | "t") => "true".to_owned(),
                Some("false" | "0" | "f") => {
                    self.flags.retain(|(set, _)| *set != flag.name);
                    return Ok(());
                }
                Some(_) => return Err(UsageError::NotABoolean(word.to_owned())),
            },
            (false, Some(given)) => given,
            (false, None) => {
                rest.next().cloned().ok_or_else(|| UsageError::MissingValue(flag.name.to_owned()))?
            }
        };
        self.flags.push((flag.name, value));
        Ok(())
    }

    /// Whether a flag was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(set, _)| *set == name)
    }

    /// The value of a flag; of several the last.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(set, _)| *set == name).map(|(_, value)| value.as_str())
    }

    /// All values of a flag, in order.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.flags.iter().filter(move |(set, _)| *set == name).map(|(_, value)| value.as_str())
    }

    /// The value of a flag as a number.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &'static str) -> Result<Option<N>, UsageError> {
        self.value(name)
            .map(|text| {
                text.parse().map_err(|_| UsageError::NotANumber { flag: name, text: text.to_owned() })
            })
            .transpose()
    }

    /// Exactly one argument: a container's id.
    pub(super) fn only_id(&self, command: &'static str) -> Result<cofferdam_names::ContainerId, UsageError> {
        match self.positional.as_slice() {
            [id] => Ok(id.parse()?),
            other => Err(UsageError::Count { command, wanted: "exactly 1 argument", given: other.len() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Flag] = &[
        option("bundle", "b", "DIR", ""),
        option("env", "e", "VAR", ""),
        switch("detach", "d", ""),
        switch("all", "a", ""),
    ];

    fn parse(words: &str, order: Order) -> Result<Arguments, UsageError> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Arguments::parse(KNOWN, &words, order)
    }

    #[test]
    fn every_spelling_of_a_value() {
        for words in ["--bundle /b", "--bundle=/b", "-b /b", "-b=/b", "-bundle /b", "-bundle=/b"] {
            assert_eq!(parse(words, Order::Mixed).unwrap().value("bundle"), Some("/b"), "{words}");
        }
    }

    #[test]
    fn switches_can_be_taken_back() {
        assert!(parse("-d", Order::Mixed).unwrap().has("detach"));
        assert!(parse("--detach=true", Order::Mixed).unwrap().has("detach"));
        assert!(!parse("--detach --detach=false", Order::Mixed).unwrap().has("detach"));
        assert!(parse("--detach=maybe", Order::Mixed).is_err());
    }

    #[test]
    fn what_follows_the_first_argument_belongs_to_the_program() {
        let arguments = parse("-e A=b -e C=d box ls -a --env", Order::FlagsFirst).unwrap();
        assert_eq!(arguments.positional, ["box", "ls", "-a", "--env"]);
        assert_eq!(arguments.values("env").collect::<Vec<_>>(), ["A=b", "C=d"]);
        let arguments = parse("box -a KILL", Order::Mixed).unwrap();
        assert!(arguments.has("all"));
        assert_eq!(arguments.positional, ["box", "KILL"]);
        assert_eq!(parse("-- -a", Order::Mixed).unwrap().positional, ["-a"]);
    }

    #[test]
    fn mistakes_are_errors() {
        for words in ["--nope", "--bundle", "-x"] {
            assert!(parse(words, Order::Mixed).is_err(), "{words}");
        }
        assert!(parse("--help", Order::Mixed).unwrap().help);
    }
}
