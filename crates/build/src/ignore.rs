//! `.dockerignore`: which files of a context count (moby/patternmatcher).

use std::path::{Component, Path, PathBuf};

use thiserror::Error;

/// A pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: pattern {pattern:?} is not valid: {rule}")]
pub struct IgnoreError {
    /// From 1.
    pub line: usize,
    /// The pattern.
    pub pattern: String,
    /// What is wrong.
    pub rule: &'static str,
}

/// Patterns in order: the last that matches decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IgnoreRules {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// `!`: files that match count after all.
    exception: bool,
    parts: Vec<Part>,
}

/// What stands between two slashes of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`: any number of folders, none too.
    Folders,
    Name(Vec<Atom>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Atom {
    Letter(char),
    One,
    Any,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl IgnoreRules {
    /// Reads a `.dockerignore`.
    ///
    /// # Errors
    /// A pattern in it is not valid.
    pub fn parse(text: &str) -> Result<Self, IgnoreError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let refuse = |rule| IgnoreError { line: index + 1, pattern: line.to_owned(), rule };
            rules.extend(Rule::parse(line.trim()).map_err(refuse)?);
        }
        Ok(Self { rules })
    }

    /// One more pattern (`--exclude`).
    ///
    /// # Errors
    /// It is not valid.
    pub fn add(&mut self, pattern: &str) -> Result<(), IgnoreError> {
        let refuse = |rule| IgnoreError { line: 1, pattern: pattern.to_owned(), rule };
        self.rules.extend(Rule::parse(pattern.trim()).map_err(refuse)?);
        Ok(())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a path (relative to the context) is left out. A pattern that matches a folder matches what is in it.
    #[must_use]
    pub fn excludes(&self, path: &Path) -> bool {
        let names: Vec<String> =
            path.iter().map(|part| part.to_string_lossy().into_owned()).filter(|part| part != ".").collect();
        let mut excluded = false;
        for rule in &self.rules {
            // A rule that would say what is so already need not be asked.
            if rule.exception == excluded {
                let fits =
                    (1..=names.len()).any(|count| names.get(..count).is_some_and(|part| rule.fits(part)));
                if fits {
                    excluded = !rule.exception;
                }
            }
        }
        excluded
    }

    /// Whether a folder that is left out may hold something that counts.
    #[must_use]
    pub fn may_count_below(&self, folder: &Path) -> bool {
        let names: Vec<String> = folder.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        self.rules.iter().filter(|rule| rule.exception).any(|rule| rule.may_fit_below(&names))
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Option<Self>, &'static str> {
        let (exception, pattern) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        if exception && pattern.is_empty() {
            return Err("nothing follows the !");
        }
        // As Go's filepath.Clean: `a/./b/../c` is `a/c`; a slash at the beginning means nothing.
        let mut clean = PathBuf::new();
        for part in Path::new(pattern).components() {
            match part {
                Component::Normal(name) => clean.push(name),
                Component::ParentDir => {
                    clean.pop();
                }
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        if clean.as_os_str().is_empty() {
            return Ok(None);
        }
        let parts =
            clean.iter().map(|part| Part::parse(&part.to_string_lossy())).collect::<Result<_, _>>()?;
        Ok(Some(Self { exception, parts }))
    }

    fn fits(&self, names: &[String]) -> bool {
        parts_fit(&self.parts, names)
    }

    /// Whether names can be added so that the rule fits.
    fn may_fit_below(&self, names: &[String]) -> bool {
        let mut parts = self.parts.iter();
        for name in names {
            match parts.next() {
                None => return true,
                Some(Part::Folders) => return true,
                Some(part) if part.fits(name) => {}
                Some(_) => return false,
            }
        }
        true
    }
}

/// Matches whole paths. Each state is looked at once: patterns of many `**` take no time.
fn parts_fit(parts: &[Part], names: &[String]) -> bool {
    // reached[i]: the names so far can be the first i parts.
    let mut reached = vec![false; parts.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    spread(parts, &mut reached);
    for name in names {
        let mut next = vec![false; parts.len() + 1];
        for (index, part) in parts.iter().enumerate() {
            if !reached.get(index).copied().unwrap_or(false) {
                continue;
            }
            let to = if matches!(part, Part::Folders) { index } else { index + 1 };
            if part.fits(name)
                && let Some(cell) = next.get_mut(to)
            {
                *cell = true;
            }
        }
        spread(parts, &mut next);
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

/// `**` may stand for nothing.
fn spread(parts: &[Part], reached: &mut [bool]) {
    for (index, part) in parts.iter().enumerate() {
        if matches!(part, Part::Folders)
            && reached.get(index).copied().unwrap_or(false)
            && let Some(cell) = reached.get_mut(index + 1)
        {
            *cell = true;
        }
    }
}

impl Part {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "**" {
            return Ok(Self::Folders);
        }
        let mut atoms = Vec::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            atoms.push(match letter {
                '*' => {
                    while letters.next_if_eq(&'*').is_some() {}
                    Atom::Any
                }
                '?' => Atom::One,
                '\\' => Atom::Letter(letters.next().ok_or("nothing follows the backslash")?),
                '[' => class(&mut letters)?,
                other => Atom::Letter(other),
            });
        }
        Ok(Self::Name(atoms))
    }

    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Folders => true,
            Self::Name(atoms) => atoms_fit(atoms, name),
        }
    }
}

fn class(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Atom, &'static str> {
    const OPEN: &str = "a [ is not closed";
    let negated = letters.next_if(|letter| matches!(letter, '^' | '!')).is_some();
    let mut ranges = Vec::new();
    let one = |letters: &mut std::iter::Peekable<std::str::Chars<'_>>| match letters.next() {
        Some('\\') => letters.next().ok_or(OPEN),
        Some(letter) => Ok(letter),
        None => Err(OPEN),
    };
    loop {
        if letters.peek() == Some(&']') && !ranges.is_empty() {
            letters.next();
            return Ok(Atom::Class { negated, ranges });
        }
        let first = one(letters)?;
        let last = if letters.next_if_eq(&'-').is_some() { one(letters)? } else { first };
        if last < first {
            return Err("a range runs backwards");
        }
        ranges.push((first, last));
    }
}

impl Atom {
    fn is(&self, letter: char) -> bool {
        match self {
            Self::Letter(own) => *own == letter,
            Self::One | Self::Any => true,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter)) != *negated
            }
        }
    }
}

/// Whether a pattern is the whole of one name (Go's `filepath.Match`).
///
/// # Errors
/// What is wrong with the pattern.
pub fn name_fits(pattern: &str, name: &str) -> Result<bool, &'static str> {
    match Part::parse(pattern)? {
        Part::Folders => Ok(true),
        Part::Name(atoms) => Ok(atoms_fit(&atoms, name)),
    }
}

/// The last star takes one letter more whenever the rest does not fit.
fn atoms_fit(atoms: &[Atom], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut of) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(letter) = name.get(at) {
        match atoms.get(of) {
            Some(Atom::Any) => {
                star = Some((of, at));
                of += 1;
            }
            Some(atom) if atom.is(*letter) => (at, of) = (at + 1, of + 1),
            _ => match star {
                Some((star_at, from)) => {
                    (of, at) = (star_at + 1, from + 1);
                    star = Some((star_at, from + 1));
                }
                None => return false,
            },
        }
    }
    atoms.get(of..).is_some_and(|rest| rest.iter().all(|atom| *atom == Atom::Any))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn excludes(rules: &str, path: &str) -> bool {
        IgnoreRules::parse(rules).unwrap().excludes(Path::new(path))
    }

    #[test]
    fn patterns_of_the_reference() {
        for (rules, path, excluded) in [
            ("*/temp*", "somedir/temporary.txt", true),
            ("*/temp*", "somedir/sub/temporary.txt", false),
            ("*/*/temp*", "somedir/sub/temporary.txt", true),
            ("temp?", "tempa", true),
            ("temp?", "temp", false),
            ("**/*.go", "a.go", true),
            ("**/*.go", "a/b/c.go", true),
            ("*.md\n!README.md", "README.md", false),
            ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
            ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", false),
            ("/a/../b/", "b/c", true),
            ("node_modules", "node_modules/x/y", true),
            ("node_modules", "a/node_modules", false),
            ("**/node_modules", "a/node_modules/b", true),
            ("# x\n\n  a  ", "a", true),
            ("a/**", "a/b/c", true),
            ("a/**/c", "a/c", true),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("*", ".hidden", true),
            ("*\n!src", "src/a", false),
            ("*\n!src\nsrc/b", "src/b", true),
            (".", "a", false),
        ] {
            assert_eq!(excludes(rules, path), excluded, "{rules:?} on {path}");
        }
        for bad in ["[a", "a\\", "!", "[z-a]"] {
            assert!(IgnoreRules::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn excluded_folders_are_entered_only_for_exceptions() {
        let rules = IgnoreRules::parse("*\n!src/*.rs").unwrap();
        assert!(rules.may_count_below(Path::new("src")));
        assert!(!rules.may_count_below(Path::new("target")));
        assert!(IgnoreRules::parse("a\n!**/x").unwrap().may_count_below(Path::new("a")));
    }

    proptest! {
        #[test]
        fn no_pattern_is_too_strange(text in "[a-b*?!/\\[\\]\\\\^\\-.\n]{0,40}", path in "[ab/.]{0,20}") {
            if let Ok(rules) = IgnoreRules::parse(&text) {
                let _ = rules.excludes(Path::new(&path));
                let _ = rules.may_count_below(Path::new(&path));
            }
        }
    }
}
