//! What `ps --filter name=` asks for.

use std::str::FromStr;

use regex_lite::Regex;

/// A regular expression that is looked for in a container's name, with or without the `/` that Docker puts before it.
#[derive(Debug, Clone)]
pub struct NamePattern(Regex);

impl NamePattern {
    /// Whether it is found in the name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name) || self.0.is_match(&format!("/{name}"))
    }
}

impl FromStr for NamePattern {
    type Err = regex_lite::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Regex::new(text).map(Self)
    }
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for NamePattern {}

#[cfg(test)]
mod tests {
    use super::NamePattern;

    fn found(pattern: &str, name: &str) -> bool {
        pattern.parse::<NamePattern>().unwrap().matches(name)
    }

    #[test]
    fn a_part_is_enough_and_anchors_hold() {
        assert!(found("eb", "web-1"));
        assert!(found("^web", "web-1") && !found("^eb", "web-1"));
        assert!(found("^/web-1$", "web-1") && found("^web-1$", "web-1") && !found("^web$", "web-1"));
        assert!(found("web-[0-9]", "web-1") && !found("web.[a-z]", "web-1"));
        assert!("(".parse::<NamePattern>().is_err());
    }
}
