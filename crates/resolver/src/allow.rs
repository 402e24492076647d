//! Names that a zone's egress rules allow.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::wire::{InvalidDomain, Name};

/// Which names a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Pattern {
    /// One name.
    Exact(Name),
    /// `*.example.org`: all names below it, at any depth, and not itself.
    Below(Name),
}

impl Pattern {
    /// Whether it is for a name.
    #[must_use]
    pub fn matches(&self, name: &Name) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Below(above) => name.is_below(above),
        }
    }
}

impl FromStr for Pattern {
    type Err = InvalidDomain;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |rest| (rest, true));
        let name: Name = name.parse()?;
        // A top-level name or the root would allow what nobody can oversee.
        if name.labels().count() < 2 {
            let rule = "a rule is for a name of two labels or more";
            return Err(InvalidDomain { text: text.to_owned(), rule });
        }
        Ok(if below { Self::Below(name) } else { Self::Exact(name) })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => write!(f, "{name}"),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = InvalidDomain;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

/// A rule of the zone's, by its number there, and one of its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameRule {
    /// The names.
    pub pattern: Pattern,
    /// Which rule's set the addresses go to.
    pub rule: u16,
}

/// All of a zone's name rules, found by name in as many steps as the name has labels.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    exact: HashMap<Name, Vec<u16>>,
    below: HashMap<Name, Vec<u16>>,
}

impl Allowed {
    /// From the zone's rules.
    #[must_use]
    pub fn new(rules: &[NameRule]) -> Self {
        let mut allowed = Self::default();
        for NameRule { pattern, rule } in rules {
            let (map, name) = match pattern {
                Pattern::Exact(name) => (&mut allowed.exact, name),
                Pattern::Below(name) => (&mut allowed.below, name),
            };
            map.entry(name.clone()).or_default().push(*rule);
        }
        allowed
    }

    /// The rules that allow a name, each once; none where it is not allowed.
    #[must_use]
    pub fn rules(&self, name: &Name) -> Vec<u16> {
        let mut rules = self.exact.get(name).cloned().unwrap_or_default();
        let mut above = name.parent();
        while let Some(name) = above {
            rules.extend(self.below.get(&name).into_iter().flatten());
            above = name.parent();
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowed(patterns: &[&str]) -> Allowed {
        let rules: Vec<NameRule> = (0..)
            .zip(patterns)
            .map(|(rule, pattern)| NameRule { pattern: pattern.parse().unwrap(), rule })
            .collect();
        Allowed::new(&rules)
    }

    #[test]
    fn a_star_stands_for_what_is_below() {
        let allowed = allowed(&["example.org", "*.example.org", "*.a.example.org"]);
        let rules = |name: &str| allowed.rules(&name.parse().unwrap());
        assert_eq!(rules("example.org"), [0]);
        assert_eq!(rules("EXAMPLE.org"), [0]);
        assert_eq!(rules("x.a.example.org"), [1, 2]);
        assert_eq!(rules("a.example.org"), [1]);
        assert!(rules("badexample.org").is_empty() && rules("org").is_empty() && rules(".").is_empty());
    }

    #[test]
    fn what_nobody_can_oversee_is_no_pattern() {
        for bad in ["*", "*.", "*.org", "org", ".", "a.*.org", "**.example.org", "*example.org"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
        assert_eq!("*.Example.org".parse::<Pattern>().unwrap().to_string(), "*.example.org");
    }

    proptest! {
        #[test]
        fn the_index_says_what_the_patterns_say(
            patterns in proptest::collection::vec("(\\*\\.)?([ab]{1,2}\\.){1,3}[ab]", 0..8),
            name in "([ab]{1,2}\\.){0,4}[ab]",
        ) {
            let name: Name = name.parse().unwrap();
            let texts: Vec<&str> = patterns.iter().map(String::as_str).collect();
            let one_by_one: Vec<u16> = (0..)
                .zip(&texts)
                .filter(|(_, text)| text.parse::<Pattern>().unwrap().matches(&name))
                .map(|(rule, _)| rule)
                .collect();
            prop_assert_eq!(allowed(&texts).rules(&name), one_by_one);
        }
    }
}
