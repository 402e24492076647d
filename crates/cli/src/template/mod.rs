//! `--format`: the part of Go's text/template language that people write on a container engine's command line.
//!
//! Fields, variables, pipelines, `if`/`else if`/`else`, `range`, `with`, comparison, white-space trimming and the
//! functions that Docker adds (`json`, `join`, `lower`, ...). Not here: `define`, `template`, `block` and methods other than
//! the ones that a caller brings. Values are JSON. A field that the value does not have is an error, never an empty string.

mod error;
mod eval;
mod functions;
mod lex;
mod operand;
mod parse;
mod printf;
mod value;

use serde_json::Value;

pub(crate) use error::TemplateError;
pub(crate) use eval::{Empty, Methods, Optional};

/// A parsed template.
#[derive(Debug)]
pub(crate) struct Template {
    nodes: Vec<parse::Node>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Names the column and what was expected there.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(Self { nodes: parse::parse(text)? })
    }

    /// Fills it with one value.
    ///
    /// # Errors
    /// A field that is not there, a function that cannot take its argument.
    pub(crate) fn render(&self, data: &Value) -> Result<String, TemplateError> {
        self.render_with(data, &|_, _| None)
    }

    /// Fills it with one value that also has methods (`.Label "key"`).
    ///
    /// # Errors
    /// As [`Template::render`].
    pub(crate) fn render_with(&self, data: &Value, methods: Methods<'_>) -> Result<String, TemplateError> {
        eval::render(&self.nodes, data, methods, &[])
    }

    /// Fills it with one value that may lack fields because they are empty, as Docker's JSON does where its templates have
    /// the empty field.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub(crate) fn render_sparse(&self, data: &Value, optional: Optional) -> Result<String, TemplateError> {
        eval::render(&self.nodes, data, &|_, _| None, optional)
    }
}

#[cfg(test)]
mod tests;
