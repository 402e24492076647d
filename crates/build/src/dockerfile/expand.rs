//! Variables in words: `$x`, `${x}`, `${x:-word}` and their like, with a shell's quotes.

use thiserror::Error;

/// Where values come from. None for a name that has no value.
pub trait Variables {
    /// The value of a variable.
    fn value(&self, name: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String>> Variables for F {
    fn value(&self, name: &str) -> Option<String> {
        self(name)
    }
}

/// Why a word could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ExpandError {
    #[error("a {0} is opened and not closed")]
    Open(&'static str),
    #[error("${{{name}{operator}...}} is not known: there are :- - :+ + :? ? # ## % %% / and //")]
    Operator { name: String, operator: String },
    #[error("${{...}} names no variable")]
    NoName,
    #[error("{name}: {message}")]
    Missing { name: String, message: String },
    #[error("it nests deeper than {MOST_NESTED} levels, or grows larger than {} MiB", MOST_BYTES >> 20)]
    TooMuch,
}

const MOST_NESTED: usize = 32;
const MOST_BYTES: usize = 8 << 20;

/// One word: quotes and escapes are taken away, variables are replaced; blanks in values stay.
///
/// # Errors
/// [`ExpandError`]
pub fn expand(text: &str, escape: char, variables: &dyn Variables) -> Result<String, ExpandError> {
    let mut lexer = Lexer::new(text, escape, variables);
    let words = lexer.words(None, 0)?;
    Ok(words.text)
}

/// Several words: as [`expand`], split at blanks that stand outside quotes, those that come with a value too.
///
/// # Errors
/// [`ExpandError`]
pub fn expand_words(text: &str, escape: char, variables: &dyn Variables) -> Result<Vec<String>, ExpandError> {
    let mut lexer = Lexer::new(text, escape, variables);
    let mut words = lexer.words(None, 0)?;
    words.end_word();
    Ok(words.list)
}

struct Lexer<'a> {
    letters: std::iter::Peekable<std::str::Chars<'a>>,
    escape: char,
    variables: &'a dyn Variables,
}

/// What came out so far: as one text, and as words.
#[derive(Default)]
struct Words {
    text: String,
    list: Vec<String>,
    word: String,
    /// Quotes make a word even of nothing.
    begun: bool,
}

impl Words {
    fn push(&mut self, letter: char) {
        self.text.push(letter);
        self.word.push(letter);
        self.begun = true;
    }

    fn quoted(&mut self, text: &str) {
        self.text.push_str(text);
        self.word.push_str(text);
        self.begun = true;
    }

    fn blank(&mut self, letter: char) {
        self.text.push(letter);
        self.end_word();
    }

    fn end_word(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.list.push(std::mem::take(&mut self.word));
        }
    }

    /// A value outside quotes falls into words at its blanks.
    fn value(&mut self, value: &str) {
        for letter in value.chars() {
            if letter.is_whitespace() { self.blank(letter) } else { self.push(letter) }
        }
    }

    fn check(&self) -> Result<(), ExpandError> {
        if self.text.len() > MOST_BYTES { Err(ExpandError::TooMuch) } else { Ok(()) }
    }
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, escape: char, variables: &'a dyn Variables) -> Self {
        Self { letters: text.chars().peekable(), escape, variables }
    }

    /// Reads up to `end` (which is taken), or to the end of the text.
    fn words(&mut self, end: Option<char>, level: usize) -> Result<Words, ExpandError> {
        if level > MOST_NESTED {
            return Err(ExpandError::TooMuch);
        }
        let mut words = Words::default();
        while let Some(letter) = self.letters.next() {
            words.check()?;
            match letter {
                _ if Some(letter) == end => return Ok(words),
                '\'' => words.quoted(&self.single_quoted()?),
                '"' => words.quoted(&self.double_quoted(level)?),
                '$' => {
                    let value = self.dollar(level)?;
                    words.value(&value);
                }
                // An escape at the very end stands for nothing.
                _ if letter == self.escape => {
                    if let Some(next) = self.letters.next() {
                        words.push(next);
                    }
                }
                _ if letter.is_whitespace() => words.blank(letter),
                _ => words.push(letter),
            }
        }
        if end.is_some() { Err(ExpandError::Open("${")) } else { Ok(words) }
    }

    fn single_quoted(&mut self) -> Result<String, ExpandError> {
        let mut text = String::new();
        for letter in self.letters.by_ref() {
            if letter == '\'' {
                return Ok(text);
            }
            text.push(letter);
        }
        Err(ExpandError::Open("single quote"))
    }

    /// In double quotes an escape protects only a quote, a dollar and itself.
    fn double_quoted(&mut self, level: usize) -> Result<String, ExpandError> {
        let mut text = String::new();
        while let Some(letter) = self.letters.next() {
            if text.len() > MOST_BYTES {
                return Err(ExpandError::TooMuch);
            }
            match letter {
                '"' => return Ok(text),
                '$' => text.push_str(&self.dollar(level)?),
                _ if letter == self.escape => match self.letters.next() {
                    Some(next) if next == '"' || next == '$' || next == self.escape => text.push(next),
                    Some(next) => {
                        text.push(letter);
                        text.push(next);
                    }
                    None => break,
                },
                _ => text.push(letter),
            }
        }
        Err(ExpandError::Open("double quote"))
    }

    fn dollar(&mut self, level: usize) -> Result<String, ExpandError> {
        if self.letters.next_if_eq(&'{').is_some() {
            return self.braced(level + 1);
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".to_owned());
        }
        Ok(self.variables.value(&name).unwrap_or_default())
    }

    /// A name; or one of a shell's own parameters, which have no value here.
    fn name(&mut self) -> String {
        let mut name = String::new();
        if let Some(special) =
            self.letters.next_if(|letter| letter.is_ascii_digit() || "@*#?-$!".contains(*letter))
        {
            name.push(special);
            if !special.is_ascii_digit() {
                return name;
            }
        }
        while let Some(letter) = self.letters.next_if(|letter| letter.is_alphanumeric() || *letter == '_') {
            name.push(letter);
        }
        name
    }

    fn braced(&mut self, level: usize) -> Result<String, ExpandError> {
        if level > MOST_NESTED {
            return Err(ExpandError::TooMuch);
        }
        let name = self.name();
        if name.is_empty() {
            return Err(ExpandError::NoName);
        }
        let value = self.variables.value(&name);
        let operator = match self.letters.next() {
            Some('}') => return Ok(value.unwrap_or_default()),
            Some(letter) => letter,
            None => return Err(ExpandError::Open("${")),
        };
        match operator {
            ':' => {
                let Some(operator) = self.letters.next() else { return Err(ExpandError::Open("${")) };
                let value = value.filter(|value| !value.is_empty());
                self.conditional(&name, value, &format!(":{operator}"), operator, level)
            }
            '-' | '+' | '?' => self.conditional(&name, value, &operator.to_string(), operator, level),
            '#' | '%' => {
                let longest = self.letters.next_if_eq(&operator).is_some();
                let pattern = self.pattern('}', level)?.0;
                Ok(trim(&value.unwrap_or_default(), &pattern, operator == '#', longest))
            }
            '/' => {
                let all = self.letters.next_if_eq(&'/').is_some();
                let (pattern, ended) = self.pattern('/', level)?;
                // `${x/pattern}` takes the match away.
                let new = if ended { String::new() } else { self.words(Some('}'), level)?.text };
                Ok(replace(&value.unwrap_or_default(), &pattern, &new, all))
            }
            _ => Err(ExpandError::Operator { name, operator: operator.to_string() }),
        }
    }

    fn conditional(
        &mut self,
        name: &str,
        value: Option<String>,
        shown: &str,
        operator: char,
        level: usize,
    ) -> Result<String, ExpandError> {
        let word = self.words(Some('}'), level)?.text;
        match operator {
            '-' => Ok(value.unwrap_or(word)),
            '+' => Ok(value.map(|_| word).unwrap_or_default()),
            '?' => value.ok_or_else(|| ExpandError::Missing {
                name: name.to_owned(),
                message: if word.is_empty() { "it has no value".to_owned() } else { word },
            }),
            _ => Err(ExpandError::Operator { name: name.to_owned(), operator: shown.to_owned() }),
        }
    }

    /// A pattern up to `end`; whether the brace ended it instead.
    fn pattern(&mut self, end: char, level: usize) -> Result<(Vec<Pattern>, bool), ExpandError> {
        let mut pattern = Vec::new();
        while let Some(letter) = self.letters.next() {
            match letter {
                '}' => return Ok((pattern, true)),
                _ if letter == end => return Ok((pattern, false)),
                '*' => pattern.push(Pattern::Any),
                '?' => pattern.push(Pattern::One),
                '$' => pattern.extend(self.dollar(level)?.chars().map(Pattern::Letter)),
                '\'' => pattern.extend(self.single_quoted()?.chars().map(Pattern::Letter)),
                '"' => pattern.extend(self.double_quoted(level)?.chars().map(Pattern::Letter)),
                _ if letter == self.escape => pattern.extend(self.letters.next().map(Pattern::Letter)),
                _ => pattern.push(Pattern::Letter(letter)),
            }
        }
        Err(ExpandError::Open("${"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Letter(char),
    One,
    Any,
}

/// Whether a pattern is the whole of a text. Without recursion: a text of `a`s and a pattern of stars takes no time (the last
/// star takes one letter more whenever the rest does not fit).
fn is_match(pattern: &[Pattern], text: &[char]) -> bool {
    let (mut at, mut of) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(of) {
            Some(Pattern::Any) => {
                star = Some((of, at));
                of += 1;
            }
            Some(Pattern::One) => (at, of) = (at + 1, of + 1),
            Some(Pattern::Letter(letter)) if text.get(at) == Some(letter) => (at, of) = (at + 1, of + 1),
            _ => match star {
                Some((star_at, from)) => {
                    (of, at) = (star_at + 1, from + 1);
                    star = Some((star_at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.get(of..).is_some_and(|rest| rest.iter().all(|part| *part == Pattern::Any))
}

/// `${x#pattern}` and its like: the part that matches at the beginning or at the end goes.
fn trim(value: &str, pattern: &[Pattern], front: bool, longest: bool) -> String {
    let letters: Vec<char> = value.chars().collect();
    let fits = |count: &usize| {
        let part = if front { letters.get(..*count) } else { letters.get(letters.len() - *count..) };
        part.is_some_and(|part| is_match(pattern, part))
    };
    // Patterns are tried on every length: what comes from a build argument may be long.
    let lengths = 0..=letters.len().min(1 << 16);
    let found = if longest { lengths.rev().find(fits) } else { lengths.into_iter().find(fits) };
    let count = found.unwrap_or(0);
    let kept = if front { letters.get(count..) } else { letters.get(..letters.len() - count) };
    kept.unwrap_or_default().iter().collect()
}

/// `${x/pattern/new}`: the first match, the longest there, is replaced; or all.
fn replace(value: &str, pattern: &[Pattern], new: &str, all: bool) -> String {
    let letters: Vec<char> = value.chars().take(1 << 16).collect();
    let (mut out, mut at, mut done) = (String::new(), 0, false);
    while let Some(letter) = letters.get(at) {
        let longest = || {
            let lengths = (1..=letters.len() - at).rev();
            lengths
                .into_iter()
                .find(|count| letters.get(at..at + count).is_some_and(|part| is_match(pattern, part)))
        };
        match longest().filter(|_| !done && !pattern.is_empty() && out.len() < MOST_BYTES) {
            Some(count) => {
                out.push_str(new);
                at += count;
                done = !all;
            }
            None => {
                out.push(*letter);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(name: &str) -> Option<String> {
        match name {
            "x" => Some("foo.tar.gz".into()),
            "empty" => Some(String::new()),
            "two" => Some("a b".into()),
            _ => None,
        }
    }

    fn one(text: &str) -> String {
        expand(text, '\\', &values).unwrap()
    }

    #[test]
    fn the_forms_of_the_reference() {
        for (text, result) in [
            ("$x", "foo.tar.gz"),
            ("${x}y", "foo.tar.gzy"),
            ("$none", ""),
            ("\\$x", "$x"),
            ("'$x'", "$x"),
            ("\"$x\\\"\"", "foo.tar.gz\""),
            ("a$", "a$"),
            ("${none:-w}", "w"),
            ("${empty:-w}", "w"),
            ("${empty-w}", ""),
            ("${none:-${x}}", "foo.tar.gz"),
            ("${none:-}", ""),
            ("${x:+w}", "w"),
            ("${empty:+w}", ""),
            ("${empty+w}", "w"),
            ("${x#*.}", "tar.gz"),
            ("${x##*.}", "gz"),
            ("${x%.*}", "foo.tar"),
            ("${x%%.*}", "foo"),
            ("${x#f?o}", ".tar.gz"),
            ("${x/./-}", "foo-tar.gz"),
            ("${x//./-}", "foo-tar-gz"),
            ("${x//.}", "footargz"),
            ("${x/a*/}", "foo.t"),
            ("a  b", "a  b"),
            ("$two", "a b"),
        ] {
            assert_eq!(one(text), result, "{text}");
        }
        for bad in ["${x", "${}", "${x:=y}", "${none:?}", "'a", "\"a", "${x!y}", "${x#", "${x:"] {
            assert!(expand(bad, '\\', &values).is_err(), "{bad}");
        }
        let error = expand("${none:?say which}", '\\', &values).unwrap_err();
        assert_eq!(error.to_string(), "none: say which");
    }

    #[test]
    fn words_are_split_where_no_quote_holds_them() {
        let words = |text: &str| expand_words(text, '\\', &values).unwrap();
        assert_eq!(words("a $two \"$two\" '' c\\ d"), ["a", "a", "b", "a b", "", "c d"]);
        assert_eq!(words("   "), Vec::<String>::new());
        assert_eq!(words("$empty"), Vec::<String>::new());
    }

    #[test]
    fn stars_take_no_time() {
        let text = format!("${{long{}b}}", "#a*".to_owned() + &"*a".repeat(50));
        let long = |name: &str| (name == "long").then(|| "a".repeat(2000));
        expand(&text, '\\', &long).unwrap();
        assert!(expand(&"${x:-".repeat(5000), '\\', &values).is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[ a-c$\\{\\}:\\-+?#%/*\"'\\\\]{0,60}") {
            let _ = expand(&text, '\\', &values);
            let _ = expand_words(&text, '`', &values);
        }
    }
}
