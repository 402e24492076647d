//! Tokens into a tree.

use serde_json::Value;

use super::TemplateError;
use super::lex::{Placed, Token, lex};
use super::operand::{Operand, OperandKind};

/// One piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Printed as it is.
    Text(String),
    /// A pipeline whose value is printed (unless it declares a variable).
    Action(Pipeline),
    /// The first branch whose condition holds; the last one may have none.
    If(Vec<(Option<Pipeline>, Vec<Node>)>),
    /// The body once per element, or the other body for an empty collection.
    Range { over: Pipeline, body: Vec<Node>, otherwise: Vec<Node> },
    /// The body with another dot, or the other body where it would be empty.
    With { value: Pipeline, body: Vec<Node>, otherwise: Vec<Node> },
    /// `{{break}}`
    Break,
    /// `{{continue}}`
    Continue,
}

/// `$x := command | command`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipeline {
    /// Names that it declares (up to two for `range`).
    pub(super) declares: Vec<String>,
    /// A name that it gives a new value.
    pub(super) assigns: Option<String>,
    pub(super) commands: Vec<Command>,
    pub(super) column: usize,
}

/// An operand with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    /// Never empty.
    pub(super) operands: Vec<Operand>,
}

/// Blocks and parentheses inside of each other, at most: the tree is walked by recursion.
const MAX_DEPTH: usize = 100;

/// What a list of nodes ended with.
enum Ending {
    Input,
    End,
    /// `{{else}}`, or `{{else if ...}}` with its condition.
    Else(Option<Pipeline>),
}

struct Parser {
    tokens: Vec<Placed>,
    at: usize,
    depth: usize,
    /// Loops around this place: `break` and `continue` need one.
    loops: usize,
}

/// Reads a template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser { tokens: lex(text)?, at: 0, depth: 0, loops: 0 };
    let start = parser.column();
    match parser.nodes()? {
        (nodes, Ending::Input) => Ok(nodes),
        _ => Err(TemplateError::new(start, "an {{end}} or {{else}} without a block before it")),
    }
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|placed| &placed.token)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).or_else(|| self.tokens.last()).map_or(1, |placed| placed.column)
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, TemplateError> {
        Err(TemplateError::new(self.column(), message))
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn close(&mut self) -> Result<(), TemplateError> {
        if self.take(&Token::Close) { Ok(()) } else { self.fail("expected }} here") }
    }

    /// Goes one level deeper; the caller comes back up.
    fn deeper(&mut self) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { self.fail("nested too deeply") } else { Ok(()) }
    }

    fn nodes(&mut self) -> Result<(Vec<Node>, Ending), TemplateError> {
        let mut nodes = Vec::new();
        loop {
            match self.peek().cloned() {
                None => return Ok((nodes, Ending::Input)),
                Some(Token::Text(text)) => {
                    self.at += 1;
                    nodes.push(Node::Text(text));
                }
                Some(_) => {
                    self.at += 1; // the {{, as the lexer puts nothing else here
                    match self.action()? {
                        Ok(node) => nodes.push(node),
                        Err(end) => return Ok((nodes, end)),
                    }
                }
            }
        }
    }

    /// What stands between `{{` and `}}`: a node, or the end of the list around it.
    fn action(&mut self) -> Result<Result<Node, Ending>, TemplateError> {
        let word = match self.peek() {
            Some(Token::Word(word)) => word.clone(),
            _ => String::new(),
        };
        match word.as_str() {
            "if" => self.conditional().map(Ok),
            "range" => self.range().map(Ok),
            "with" => self.with().map(Ok),
            "end" => {
                self.at += 1;
                self.close()?;
                Ok(Err(Ending::End))
            }
            "else" => {
                self.at += 1;
                let condition =
                    if self.take(&Token::Word("if".to_owned())) { Some(self.pipeline()?) } else { None };
                self.close()?;
                Ok(Err(Ending::Else(condition)))
            }
            "break" | "continue" => {
                if self.loops == 0 {
                    return self.fail(format!("{{{{{word}}}}} outside of a range"));
                }
                self.at += 1;
                self.close()?;
                Ok(Ok(if word == "break" { Node::Break } else { Node::Continue }))
            }
            "define" | "template" | "block" => self.fail(format!("{{{{{word}}}}} is not supported here")),
            _ => {
                let pipeline = self.pipeline()?;
                self.close()?;
                Ok(Ok(Node::Action(pipeline)))
            }
        }
    }

    fn conditional(&mut self) -> Result<Node, TemplateError> {
        let start = self.column();
        self.at += 1;
        let mut condition = Some(self.pipeline()?);
        self.close()?;
        self.deeper()?;
        let mut branches = Vec::new();
        loop {
            let (body, end) = self.nodes()?;
            let last = condition.is_none();
            branches.push((condition, body));
            match end {
                Ending::End => break,
                Ending::Else(_) if last => return self.fail("nothing follows {{else}} but {{end}}"),
                Ending::Else(next) => condition = next,
                Ending::Input => return Err(TemplateError::new(start, "this {{if}} has no {{end}}")),
            }
        }
        self.depth -= 1;
        Ok(Node::If(branches))
    }

    fn range(&mut self) -> Result<Node, TemplateError> {
        self.at += 1;
        self.loops += 1;
        let (over, body, otherwise) = self.block("range")?;
        self.loops -= 1;
        if over.declares.len() > 2 {
            return Err(TemplateError::new(over.column, "range declares at most two variables"));
        }
        Ok(Node::Range { over, body, otherwise })
    }

    fn with(&mut self) -> Result<Node, TemplateError> {
        self.at += 1;
        let (value, body, otherwise) = self.block("with")?;
        Ok(Node::With { value, body, otherwise })
    }

    fn block(&mut self, word: &str) -> Result<(Pipeline, Vec<Node>, Vec<Node>), TemplateError> {
        let start = self.column();
        let head = self.pipeline()?;
        self.close()?;
        self.deeper()?;
        let unfinished = || TemplateError::new(start, format!("this {{{{{word}}}}} has no {{{{end}}}}"));
        let (body, end) = self.nodes()?;
        let otherwise = match end {
            Ending::End => Vec::new(),
            Ending::Input => return Err(unfinished()),
            Ending::Else(Some(_)) => {
                return self.fail(format!("{{{{else if}}}} does not belong to {{{{{word}}}}}"));
            }
            Ending::Else(None) => match self.nodes()? {
                (nodes, Ending::End) => nodes,
                _ => return Err(unfinished()),
            },
        };
        self.depth -= 1;
        Ok((head, body, otherwise))
    }

    fn pipeline(&mut self) -> Result<Pipeline, TemplateError> {
        self.deeper()?;
        let column = self.column();
        let (declares, assigns) = self.names();
        let mut commands = vec![self.command()?];
        while self.take(&Token::Pipe) {
            commands.push(self.command()?);
        }
        self.depth -= 1;
        Ok(Pipeline { declares, assigns, commands, column })
    }

    /// `$a :=`, `$a, $b :=` or `$a =` at the head of a pipeline; otherwise nothing is taken.
    fn names(&mut self) -> (Vec<String>, Option<String>) {
        let start = self.at;
        let mut names = Vec::new();
        while let Some(Token::Variable(name)) = self.peek() {
            names.push(name.clone());
            self.at += 1;
            if !self.take(&Token::Comma) {
                break;
            }
        }
        if !names.is_empty() && self.take(&Token::Declare) {
            return (names, None);
        }
        if names.len() == 1 && self.take(&Token::Assign) {
            return (Vec::new(), names.pop());
        }
        self.at = start;
        (Vec::new(), None)
    }

    fn command(&mut self) -> Result<Command, TemplateError> {
        let mut operands = Vec::new();
        while let Some(operand) = self.operand()? {
            operands.push(operand);
        }
        if operands.is_empty() {
            return self.fail("expected a field, a function or a value here");
        }
        Ok(Command { operands })
    }

    fn operand(&mut self) -> Result<Option<Operand>, TemplateError> {
        let column = self.column();
        let kind = match self.peek().cloned() {
            Some(Token::Dot) => OperandKind::Dot,
            Some(Token::Field(name)) => {
                self.at += 1;
                let fields = std::iter::once(name).chain(self.fields()).collect();
                return Ok(Some(Operand { kind: OperandKind::Dot, fields, column }));
            }
            Some(Token::Variable(name)) => OperandKind::Variable(name),
            Some(Token::Quoted(text)) => OperandKind::Value(Value::String(text)),
            Some(Token::Number(number)) => OperandKind::Value(Value::Number(number)),
            Some(Token::Word(word)) => match word.as_str() {
                "true" => OperandKind::Value(Value::Bool(true)),
                "false" => OperandKind::Value(Value::Bool(false)),
                "nil" => OperandKind::Value(Value::Null),
                _ => OperandKind::Function(word),
            },
            Some(Token::LeftParen) => {
                self.at += 1;
                let inner = self.pipeline()?;
                if !self.take(&Token::RightParen) {
                    return self.fail("expected ) here");
                }
                let fields = self.fields();
                return Ok(Some(Operand { kind: OperandKind::Pipeline(Box::new(inner)), fields, column }));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        let fields = if matches!(kind, OperandKind::Variable(_)) { self.fields() } else { Vec::new() };
        Ok(Some(Operand { kind, fields, column }))
    }

    /// `.A.B` glued to what stands before.
    fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(Placed { token: Token::Field(name), spaced: false, .. }) = self.tokens.get(self.at) {
            fields.push(name.clone());
            self.at += 1;
        }
        fields
    }
}
