//! The words of an expression.

use super::parse::ExpressionError;

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Name(String),
    Text(String),
    Int(i64),
    Float(f64),
    /// A sign: `&&`, `(`, ...
    Sign(&'static str),
}

/// The longer ones first.
const SIGNS: [&str; 25] = [
    "&&", "||", "==", "!=", "<=", ">=", "!", "<", ">", "+", "-", "*", "/", "%", "?", ":", "(", ")", "[", "]",
    ".", ",", "{", "}", ";",
];

/// Takes a text apart; each word with its place in bytes.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ExpressionError> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(letter) = rest.chars().next() {
        let at = text.len() - rest.len();
        let (token, length) = match letter {
            '"' | '\'' => {
                quoted(rest, letter).ok_or(ExpressionError { at, what: "a text that does not end" })?
            }
            '0'..='9' => number(rest).ok_or(ExpressionError { at, what: "a number that is none" })?,
            letter if letter.is_ascii_alphabetic() || letter == '_' => {
                let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
                let length = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
                (Token::Name(rest[..length].to_owned()), length)
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
                let sign = sign.ok_or(ExpressionError { at, what: "a letter that means nothing here" })?;
                (Token::Sign(sign), sign.len())
            }
        };
        found.push((at, token));
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

/// A text between quotes, with `\n`, `\t`, `\\`, `\"` and `\'`.
fn quoted(rest: &str, quote: char) -> Option<(Token, usize)> {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => text.push(match letters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                other @ ('\\' | '"' | '\'') => other,
                _ => return None,
            }),
            letter if letter == quote => return Some((Token::Text(text), at + 1)),
            letter => text.push(letter),
        }
    }
    None
}

fn number(rest: &str) -> Option<(Token, usize)> {
    let length =
        rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.').unwrap_or(rest.len());
    let word = &rest[..length];
    let token = match word.strip_prefix("0x") {
        Some(hex) => Token::Int(i64::from_str_radix(hex, 16).ok()?),
        None if word.contains('.') => Token::Float(word.parse().ok()?),
        // CEL's unsigned numbers are numbers here.
        None => Token::Int(word.trim_end_matches('u').parse().ok()?),
    };
    Some((token, length))
}
