//! Text and actions into tokens.

use serde_json::Number;

use super::TemplateError;

/// One word of the language.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// What stands outside of `{{ }}`, already trimmed as its neighbours ask.
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// `.`
    Dot,
    /// `.Name`, also right after a closing parenthesis or a variable.
    Field(String),
    /// `$` (empty) or `$name`
    Variable(String),
    /// A keyword, a function, `true`, `false` or `nil`.
    Word(String),
    /// A string in quotes or back-quotes.
    Quoted(String),
    /// An integer or a decimal number.
    Number(Number),
    /// `|`
    Pipe,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    /// `,`
    Comma,
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    /// Counted in characters from 1.
    pub(super) column: usize,
    /// Whether white space stands before it: `.A.B` is one operand, `.A .B` are two.
    pub(super) spaced: bool,
}

/// Splits a template into its tokens.
pub(super) fn lex(text: &str) -> Result<Vec<Placed>, TemplateError> {
    let mut lexer = Lexer { chars: text.chars().collect(), at: 0, tokens: Vec::new() };
    let mut trim_next = false;
    while lexer.at < lexer.chars.len() {
        lexer.text(trim_next);
        if lexer.at < lexer.chars.len() {
            trim_next = lexer.action()?;
        }
    }
    Ok(lexer.tokens)
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    tokens: Vec<Placed>,
}

impl Lexer {
    fn looking_at(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(offset, c)| self.peek(offset) == Some(c))
    }

    fn peek(&self, offset: usize) -> Option<char> {
        self.chars.get(self.at + offset).copied()
    }

    fn push(&mut self, token: Token, start: usize, spaced: bool) {
        self.tokens.push(Placed { token, column: start + 1, spaced });
    }

    fn fail<T>(&self, at: usize, message: &str) -> Result<T, TemplateError> {
        Err(TemplateError::new(at + 1, message))
    }

    /// Everything up to the next `{{`; `{{- ` trims its end, and the action before may have trimmed its start.
    fn text(&mut self, trim_start: bool) {
        let start = self.at;
        while self.at < self.chars.len() && !self.looking_at("{{") {
            self.at += 1;
        }
        let mut text: String = self.chars.iter().take(self.at).skip(start).collect();
        if trim_start {
            text = text.trim_start().to_owned();
        }
        let trims_end = self.looking_at("{{-") && self.peek(3).is_some_and(char::is_whitespace);
        if trims_end {
            text.truncate(text.trim_end().len());
        }
        if !text.is_empty() {
            self.push(Token::Text(text), start, false);
        }
    }

    /// One `{{ ... }}`; says whether the text after it is to be trimmed.
    fn action(&mut self) -> Result<bool, TemplateError> {
        let start = self.at;
        self.at += 2;
        if self.peek(0) == Some('-') && self.peek(1).is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        if let Some(trims) = self.comment(start)? {
            return Ok(trims);
        }
        self.push(Token::Open, start, false);
        loop {
            let before = self.at;
            while self.peek(0).is_some_and(char::is_whitespace) {
                self.at += 1;
            }
            let spaced = self.at > before;
            if spaced && self.looking_at("-}}") {
                self.push(Token::Close, self.at + 1, true);
                self.at += 3;
                return Ok(true);
            }
            if self.looking_at("}}") {
                self.push(Token::Close, self.at, spaced);
                self.at += 2;
                return Ok(false);
            }
            match self.peek(0) {
                None => return self.fail(start, "this {{ is never closed"),
                Some(c) => self.token(c, spaced)?,
            }
        }
    }

    /// `{{/* ... */}}`, which leaves no token.
    fn comment(&mut self, start: usize) -> Result<Option<bool>, TemplateError> {
        let mut at = self.at;
        while self.chars.get(at).is_some_and(|c| c.is_whitespace()) {
            at += 1;
        }
        let body: String = self.chars.iter().skip(at).collect();
        if !body.starts_with("/*") {
            return Ok(None);
        }
        let Some(end) = body.find("*/") else { return self.fail(start, "this comment is never closed") };
        let after = body.get(end + 2..).unwrap_or_default();
        self.at = at + body.get(..end + 2).unwrap_or_default().chars().count();
        if after.starts_with("}}") {
            self.at += 2;
            return Ok(Some(false));
        }
        if let Some(gap) =
            after.find("-}}").filter(|gap| *gap > 0 && after.get(..*gap).unwrap_or("x").trim().is_empty())
        {
            self.at += after.get(..gap).unwrap_or_default().chars().count() + 3;
            return Ok(Some(true));
        }
        self.fail(self.at, "a comment ends with */}}")
    }

    fn token(&mut self, first: char, spaced: bool) -> Result<(), TemplateError> {
        let start = self.at;
        let simple = match first {
            '|' => Some(Token::Pipe),
            '(' => Some(Token::LeftParen),
            ')' => Some(Token::RightParen),
            ',' => Some(Token::Comma),
            '=' => Some(Token::Assign),
            _ => None,
        };
        if let Some(token) = simple {
            self.at += 1;
            self.push(token, start, spaced);
            return Ok(());
        }
        let token = match first {
            ':' if self.peek(1) == Some('=') => {
                self.at += 2;
                Token::Declare
            }
            '"' => self.quoted(start)?,
            '`' => self.raw(start)?,
            '$' => {
                self.at += 1;
                Token::Variable(self.name())
            }
            '.' if !self.peek(1).is_some_and(|c| c.is_ascii_digit()) => {
                self.at += 1;
                match self.name() {
                    name if name.is_empty() => Token::Dot,
                    name => Token::Field(name),
                }
            }
            c if c.is_ascii_digit() || c == '.' || c == '-' || c == '+' => self.number(start)?,
            c if c.is_alphabetic() || c == '_' => Token::Word(self.name()),
            c => return self.fail(start, &format!("unexpected character {c:?}")),
        };
        self.push(token, start, spaced);
        Ok(())
    }

    fn name(&mut self) -> String {
        let start = self.at;
        while self.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.at += 1;
        }
        self.chars.iter().take(self.at).skip(start).collect()
    }

    fn raw(&mut self, start: usize) -> Result<Token, TemplateError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek(0) {
                None => return self.fail(start, "this string is never closed"),
                Some('`') => {
                    self.at += 1;
                    return Ok(Token::Quoted(text));
                }
                Some(c) => text.push(c),
            }
            self.at += 1;
        }
    }

    fn quoted(&mut self, start: usize) -> Result<Token, TemplateError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.peek(0).filter(|c| *c != '\n') else {
                return self.fail(start, "this string is never closed");
            };
            self.at += 1;
            match c {
                '"' => return Ok(Token::Quoted(text)),
                '\\' => {
                    let escape = self.peek(0);
                    self.at += 1;
                    text.push(match escape {
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some('r') => '\r',
                        Some('"') => '"',
                        Some('\\') => '\\',
                        _ => {
                            return self
                                .fail(self.at - 2, "a string knows the escapes \\n \\t \\r \\\" \\\\");
                        }
                    });
                }
                c => text.push(c),
            }
        }
    }

    fn number(&mut self, start: usize) -> Result<Token, TemplateError> {
        let mut text = String::new();
        while let Some(c) = self.peek(0) {
            let sign = (c == '-' || c == '+') && text.is_empty();
            if !(sign || c.is_ascii_alphanumeric() || c == '.' || c == '_') {
                break;
            }
            text.push(c);
            self.at += 1;
        }
        let integer = text.parse::<i64>().ok().map(Number::from);
        integer.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64)).map_or_else(
            || self.fail(start, &format!("{text:?} is no number")),
            |number| Ok(Token::Number(number)),
        )
    }
}
