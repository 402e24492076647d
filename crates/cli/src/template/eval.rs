//! Walks a template's tree and prints.

use std::borrow::Cow;

use serde_json::Value;

use super::TemplateError;
use super::functions;
use super::operand::{Operand, OperandKind};
use super::parse::{Command, Node, Pipeline};
use super::value::{kind, print, truth};

/// Methods of the top value: name and arguments to a result; none where it has no such method.
pub(crate) type Methods<'a> = &'a dyn Fn(&str, &[Value]) -> Option<Value>;

/// Fields that a value may lack because they are empty, with what they are then.
pub(crate) type Optional = &'static [(&'static str, Empty)];

/// What a field is that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Empty {
    /// A text without letters.
    Text,
    /// Nothing at all.
    Nothing,
}

impl From<Empty> for Value {
    fn from(empty: Empty) -> Self {
        match empty {
            Empty::Text => Self::String(String::new()),
            Empty::Nothing => Self::Null,
        }
    }
}

/// Prints `nodes` for one value.
pub(super) fn render(
    nodes: &[Node],
    data: &Value,
    methods: Methods<'_>,
    optional: Optional,
) -> Result<String, TemplateError> {
    let variables = vec![(String::new(), data.clone())];
    let mut run = Run { data, methods, optional, variables, out: String::new() };
    run.nodes(nodes, data)?;
    Ok(run.out)
}

/// What a list of nodes asks of the loop around it.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'a> {
    data: &'a Value,
    methods: Methods<'a>,
    optional: Optional,
    /// Innermost last.
    variables: Vec<(String, Value)>,
    out: String,
}

impl Run<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, TemplateError> {
        let scope = self.variables.len();
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                self.variables.truncate(scope);
                return Ok(flow);
            }
        }
        self.variables.truncate(scope);
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, TemplateError> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.declares.is_empty() && pipeline.assigns.is_none() {
                    self.out.push_str(&print(&value));
                }
            }
            Node::If(branches) => return self.branches(branches, dot),
            Node::Range { over, body, otherwise } => return self.range(over, body, otherwise, dot),
            Node::With { value, body, otherwise } => {
                let scope = self.variables.len();
                let value = self.pipeline(value, dot)?;
                let flow = if truth(&value) { self.nodes(body, &value) } else { self.nodes(otherwise, dot) };
                self.variables.truncate(scope);
                return flow;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn branches(
        &mut self,
        branches: &[(Option<Pipeline>, Vec<Node>)],
        dot: &Value,
    ) -> Result<Flow, TemplateError> {
        let scope = self.variables.len();
        let mut flow = Flow::On;
        for (condition, body) in branches {
            let holds = match condition {
                Some(condition) => truth(&self.pipeline(condition, dot)?),
                None => true,
            };
            if holds {
                flow = self.nodes(body, dot)?;
                break;
            }
        }
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn range(
        &mut self,
        over: &Pipeline,
        body: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Result<Flow, TemplateError> {
        let scope = self.variables.len();
        // The variables hold one element at a time, so the pipeline itself declares nothing here.
        let bare = Pipeline { declares: Vec::new(), ..over.clone() };
        let items: Vec<(Value, Value)> = match self.pipeline(&bare, dot)? {
            Value::Null => Vec::new(),
            Value::Array(items) => (0_u64..).map(Value::from).zip(items).collect(),
            Value::Object(fields) => {
                fields.into_iter().map(|(key, value)| (Value::String(key), value)).collect()
            }
            other => {
                return Err(TemplateError::new(over.column, format!("range cannot walk {}", kind(&other))));
            }
        };
        if items.is_empty() {
            return self.nodes(otherwise, dot);
        }
        for (key, item) in items {
            match over.declares.as_slice() {
                [element] => self.variables.push((element.clone(), item.clone())),
                [index, element] => {
                    self.variables.push((index.clone(), key));
                    self.variables.push((element.clone(), item.clone()));
                }
                _ => {}
            }
            let flow = self.nodes(body, &item)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, TemplateError> {
        let mut piped = None;
        for command in &pipeline.commands {
            piped = Some(self.command(command, dot, piped)?);
        }
        let value = piped.unwrap_or(Value::Null);
        match (pipeline.declares.as_slice(), &pipeline.assigns) {
            ([name], _) => self.variables.push((name.clone(), value.clone())),
            ([], Some(name)) => {
                let Some(slot) = self.variables.iter_mut().rev().find(|(known, _)| known == name) else {
                    return Err(TemplateError::new(
                        pipeline.column,
                        format!("variable ${name} is not declared"),
                    ));
                };
                slot.1 = value.clone();
            }
            ([], None) => {}
            _ => return Err(TemplateError::new(pipeline.column, "only range declares two variables")),
        }
        Ok(value)
    }

    fn command(
        &mut self,
        command: &Command,
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, TemplateError> {
        let Some((first, rest)) = command.operands.split_first() else { return Ok(Value::Null) };
        if let OperandKind::Function(name) = &first.kind {
            if name == "and" || name == "or" {
                return self.short_circuit(name == "or", first.column, rest, dot, piped);
            }
            let arguments = self.arguments(rest, dot, piped)?;
            return functions::call(name, arguments)
                .map_err(|message| TemplateError::new(first.column, message));
        }
        if rest.is_empty() && piped.is_none() {
            return self.operand(first, dot, &[]).map(Cow::into_owned);
        }
        let arguments = self.arguments(rest, dot, piped)?;
        self.operand(first, dot, &arguments).map(Cow::into_owned)
    }

    fn arguments(
        &mut self,
        operands: &[Operand],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Vec<Value>, TemplateError> {
        let mut values = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            values.push(self.operand(operand, dot, &[])?.into_owned());
        }
        values.extend(piped);
        Ok(values)
    }

    /// `and` and `or`: the first operand that decides is the value; those after it are not looked at.
    fn short_circuit(
        &mut self,
        decides: bool,
        column: usize,
        operands: &[Operand],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, TemplateError> {
        let mut last = None;
        for operand in operands {
            let value = self.operand(operand, dot, &[])?.into_owned();
            if truth(&value) == decides {
                return Ok(value);
            }
            last = Some(value);
        }
        let name = if decides { "or" } else { "and" };
        piped
            .or(last)
            .ok_or_else(|| TemplateError::new(column, format!("{name} needs at least one argument")))
    }

    fn operand<'v>(
        &mut self,
        operand: &'v Operand,
        dot: &'v Value,
        arguments: &[Value],
    ) -> Result<Cow<'v, Value>, TemplateError> {
        let start: Cow<'v, Value> = match &operand.kind {
            OperandKind::Dot => Cow::Borrowed(dot),
            OperandKind::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let Some((_, value)) = known else {
                    return Err(TemplateError::new(
                        operand.column,
                        format!("variable ${name} is not declared"),
                    ));
                };
                Cow::Owned(value.clone())
            }
            OperandKind::Value(value) => Cow::Borrowed(value),
            OperandKind::Function(name) => Cow::Owned(
                functions::call(name, Vec::new())
                    .map_err(|message| TemplateError::new(operand.column, message))?,
            ),
            OperandKind::Pipeline(inner) => Cow::Owned(self.pipeline(inner, dot)?),
        };
        if !arguments.is_empty() {
            return self.method(operand, dot, arguments).map(Cow::Owned);
        }
        let optional = self.optional;
        operand.fields.iter().try_fold(start, |value, name| field(value, name, operand.column, optional))
    }

    /// `.Name argument...`: only the top value has methods.
    fn method(&self, operand: &Operand, dot: &Value, arguments: &[Value]) -> Result<Value, TemplateError> {
        let method = match (&operand.kind, operand.fields.as_slice()) {
            (OperandKind::Dot, [name]) if std::ptr::eq(dot, self.data) => (self.methods)(name, arguments),
            (OperandKind::Variable(variable), [name]) if variable.is_empty() => {
                (self.methods)(name, arguments)
            }
            _ => None,
        };
        method.ok_or_else(|| TemplateError::new(operand.column, "this is no function: it takes no arguments"))
    }
}

/// One field of an object.
fn field<'v>(
    value: Cow<'v, Value>,
    name: &str,
    column: usize,
    optional: Optional,
) -> Result<Cow<'v, Value>, TemplateError> {
    if let Value::Object(fields) = value.as_ref()
        && !fields.contains_key(name)
        && let Some((_, empty)) = optional.iter().find(|(known, _)| *known == name)
    {
        return Ok(Cow::Owned(Value::from(*empty)));
    }
    let missing = |value: &Value| match value {
        Value::Object(fields) => {
            let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
            names.sort_unstable();
            let near = crate::suggest::nearest(name, names.iter().copied());
            let hint = near.map_or_else(String::new, |near| format!("; did you mean .{near}?"));
            TemplateError::new(column, format!("there is no field .{name}{hint}"))
        }
        other => TemplateError::new(column, format!("there is no field .{name}: this is {}", kind(other))),
    };
    match value {
        Cow::Borrowed(value) => value.get(name).map(Cow::Borrowed).ok_or_else(|| missing(value)),
        Cow::Owned(mut value) => match value.get_mut(name).map(Value::take) {
            Some(found) => Ok(Cow::Owned(found)),
            None => Err(missing(&value)),
        },
    }
}
