//! An expression as a tree.

use thiserror::Error;

use super::token::{Token, tokens};

/// An expression that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} at byte {at}")]
pub struct ExpressionError {
    /// The place in the text.
    pub at: usize,
    /// What stands there.
    pub what: &'static str,
}

/// Expressions in expressions go so deep at most: each level costs stack.
const MOST_DEPTH: usize = 64;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Expression>),
    Name(String),
    Field(Box<Expression>, String),
    Index(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
    Choice(Box<Expression>, Box<Expression>, Box<Expression>),
    /// A function, or a method with what it is called on first.
    Call(String, Vec<Expression>),
    /// A macro over a list or map: its name, the list, the variable, the body.
    Each(String, Box<Expression>, String, Box<Expression>),
}

impl std::str::FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut reader = Reader { tokens: tokens(text)?, next: 0, depth: 0, end: text.len() };
        let expression = reader.choice()?;
        if reader.next < reader.tokens.len() {
            return Err(reader.error("a word that does not belong there"));
        }
        Ok(expression)
    }
}

struct Reader {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
    end: usize,
}

type Read = Result<Expression, ExpressionError>;

/// Signs with two sides, the loosest first.
const LEVELS: [&[&str]; 5] =
    [&["||"], &["&&"], &["==", "!=", "<=", ">=", "<", ">", "in"], &["+", "-"], &["*", "/", "%"]];

impl Reader {
    fn error(&self, what: &'static str) -> ExpressionError {
        ExpressionError { at: self.tokens.get(self.next).map_or(self.end, |(at, _)| *at), what }
    }

    /// Takes one of these signs, if it comes next.
    fn sign(&mut self, wanted: &[&'static str]) -> Option<&'static str> {
        let found = match &self.tokens.get(self.next)?.1 {
            Token::Sign(sign) => wanted.iter().find(|wanted| *wanted == sign)?,
            Token::Name(name) if name == "in" => wanted.iter().find(|wanted| **wanted == "in")?,
            _ => return None,
        };
        self.next += 1;
        Some(found)
    }

    fn need(&mut self, sign: &'static str, what: &'static str) -> Result<(), ExpressionError> {
        self.sign(&[sign]).map(|_| ()).ok_or_else(|| self.error(what))
    }

    fn name(&mut self) -> Result<String, ExpressionError> {
        match self.tokens.get(self.next) {
            Some((_, Token::Name(name))) => {
                let name = name.clone();
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.error("a name is missing")),
        }
    }

    fn choice(&mut self) -> Read {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(self.error("an expression that goes too deep"));
        }
        let condition = self.binary(0)?;
        let whole = if self.sign(&["?"]).is_some() {
            let yes = self.choice()?;
            self.need(":", "`:` is missing")?;
            Expression::Choice(Box::new(condition), Box::new(yes), Box::new(self.choice()?))
        } else {
            condition
        };
        self.depth -= 1;
        Ok(whole)
    }

    fn binary(&mut self, level: usize) -> Read {
        let Some(signs) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(sign) = self.sign(signs) {
            left = Expression::Binary(sign, Box::new(left), Box::new(self.binary(level + 1)?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Read {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(self.error("an expression that goes too deep"));
        }
        let whole = match self.sign(&["!", "-"]) {
            Some("!") => Expression::Not(Box::new(self.unary()?)),
            Some(_) => Expression::Negative(Box::new(self.unary()?)),
            None => self.member()?,
        };
        self.depth -= 1;
        Ok(whole)
    }

    fn member(&mut self) -> Read {
        let mut whole = self.primary()?;
        while let Some(sign) = self.sign(&[".", "["]) {
            if sign == "[" {
                whole = Expression::Index(Box::new(whole), Box::new(self.choice()?));
                self.need("]", "`]` is missing")?;
                continue;
            }
            let name = self.name()?;
            whole = if self.sign(&["("]).is_some() {
                self.method(whole, name)?
            } else {
                Expression::Field(Box::new(whole), name)
            };
        }
        Ok(whole)
    }

    fn method(&mut self, on: Expression, name: String) -> Read {
        if !matches!(name.as_str(), "all" | "exists" | "filter" | "map") {
            let mut arguments = vec![on];
            arguments.extend(self.arguments(")")?);
            return Ok(Expression::Call(name, arguments));
        }
        let variable = self.name()?;
        self.need(",", "`,` is missing")?;
        let body = self.choice()?;
        self.need(")", "`)` is missing")?;
        Ok(Expression::Each(name, Box::new(on), variable, Box::new(body)))
    }

    fn arguments(&mut self, end: &'static str) -> Result<Vec<Expression>, ExpressionError> {
        let mut arguments = Vec::new();
        while self.sign(&[end]).is_none() {
            if !arguments.is_empty() {
                self.need(",", "`,` is missing")?;
            }
            arguments.push(self.choice()?);
        }
        Ok(arguments)
    }

    fn primary(&mut self) -> Read {
        if self.sign(&["("]).is_some() {
            let inside = self.choice()?;
            self.need(")", "`)` is missing")?;
            return Ok(inside);
        }
        if self.sign(&["["]).is_some() {
            return Ok(Expression::List(self.arguments("]")?));
        }
        let Some((_, token)) = self.tokens.get(self.next).cloned() else {
            return Err(self.error("an end where more is needed"));
        };
        let whole = match token {
            Token::Int(number) => Expression::Int(number),
            Token::Float(number) => Expression::Float(number),
            Token::Text(text) => Expression::Text(text),
            Token::Name(name) => match name.as_str() {
                "true" => Expression::Bool(true),
                "false" => Expression::Bool(false),
                "null" => Expression::Null,
                "in" => return Err(self.error("a sign where a value is needed")),
                _ => Expression::Name(name),
            },
            Token::Sign(_) => return Err(self.error("a sign where a value is needed")),
        };
        self.next += 1;
        match whole {
            Expression::Name(name) if self.sign(&["("]).is_some() => {
                Ok(Expression::Call(name, self.arguments(")")?))
            }
            whole => Ok(whole),
        }
    }
}
