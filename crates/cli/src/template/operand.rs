//! One operand of a command.

use serde_json::Value;

use super::parse::Pipeline;

/// An operand: what it starts from, and the fields taken of that.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operand {
    pub(super) kind: OperandKind,
    /// `.A.B` as `[A, B]`.
    pub(super) fields: Vec<String>,
    pub(super) column: usize,
}

/// What an operand starts from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum OperandKind {
    /// The present value.
    Dot,
    /// `$name`; the empty name is the whole value.
    Variable(String),
    /// A constant.
    Value(Value),
    /// A function, when it stands first; nothing else by itself.
    Function(String),
    /// `( ... )`
    Pipeline(Box<Pipeline>),
}
