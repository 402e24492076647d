//! Checks of one's own, in a file: words, and an expression over the facts of a host. Nothing in it is executed.
//!
//! The expressions are a part of CEL (Common Expression Language): literals, fields and indices, `! - + * / %`, comparisons,
//! `in`, `&&`, `||`, `?:`, `has()`, `size()`, `int()`, `string()`, `contains`, `startsWith`, `endsWith`, and the macros `all`,
//! `exists`, `filter` and `map`. `facts` is what `audit host --facts` shows. A fact that is not known makes the check unknown,
//! unless the rest of `&&` or `||` decides it; so does a field that is not there.

mod evaluate;
mod parse;
mod token;

use serde::Deserialize;
use thiserror::Error;

use crate::control::{About, Control, Dimension, Gain, Severity, Verdict};
use crate::fact::Unknown;
use crate::host::HostFacts;
use evaluate::Value;
use parse::Expression;
pub use parse::ExpressionError;

/// A file of rules that cannot be used.
#[derive(Debug, Error)]
pub enum RuleError {
    /// It is no TOML, or has other fields.
    #[error("cannot understand the rules")]
    Format(#[source] toml::de::Error),
    /// An id that is none, or that another check has.
    #[error(
        "{0:?} is no id for a rule: it is letters, digits, dots, dashes and underscores, begins with `own.`, and stands once"
    )]
    Id(String),
    /// An expression that cannot be read.
    #[error("cannot read the expression of {id}")]
    Expression {
        /// Whose.
        id: String,
        /// Why.
        #[source]
        source: ExpressionError,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    id: String,
    title: String,
    why: String,
    #[serde(default)]
    remedy: String,
    severity: Level,
    /// Where it does not hold, the check does not apply.
    #[serde(default)]
    when: Option<String>,
    pass: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Low,
    Medium,
    High,
    Critical,
}

/// Reads a file of `[[rule]]` tables: `id`, `title`, `why`, `severity` and `pass` (an expression), and if wanted `remedy` and
/// `when` (another).
///
/// # Errors
/// It is something else, or an expression cannot be read.
pub fn parse(text: &str) -> Result<Vec<Control<HostFacts>>, RuleError> {
    let file: File = toml::from_str(text).map_err(RuleError::Format)?;
    let mut ids = std::collections::BTreeSet::new();
    let mut control = |rule: Rule| {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        let is_id =
            rule.id.starts_with("own.") && rule.id.chars().all(allowed) && ids.insert(rule.id.clone());
        if !is_id {
            return Err(RuleError::Id(rule.id));
        }
        let read = |text: &str| {
            text.parse::<Expression>().map_err(|source| RuleError::Expression { id: rule.id.clone(), source })
        };
        let (pass, when) = (read(&rule.pass)?, rule.when.as_deref().map(read).transpose()?);
        Ok(Control::new(about(rule), move |facts: &HostFacts| judge(facts, &pass, when.as_ref())))
    };
    file.rule.into_iter().map(&mut control).collect()
}

fn about(rule: Rule) -> About {
    let severity = match rule.severity {
        Level::Low => Severity::Low,
        Level::Medium => Severity::Medium,
        Level::High => Severity::High,
        Level::Critical => Severity::Critical,
    };
    About::new("own rules", rule.id)
        .title(rule.title)
        .why(rule.why)
        .remedy(rule.remedy)
        .weight(severity, Gain::Foothold)
        .dimension(Dimension::ControlPlane)
}

fn judge(facts: &HostFacts, pass: &Expression, when: Option<&Expression>) -> Result<Verdict, Unknown> {
    let facts = facts.as_json()?;
    let holds = |expression: &Expression| match expression.value(facts)? {
        Value::Bool(holds) => Ok(holds),
        other => Err(Unknown(format!("the expression is {}, neither true nor false", other.kind()))),
    };
    if let Some(when) = when
        && !holds(when)?
    {
        return Ok(Verdict::not_applicable("its condition does not hold here"));
    }
    let seen = pass.seen(facts);
    Ok(if holds(pass)? { Verdict::pass(seen) } else { Verdict::fail(seen) })
}

#[cfg(test)]
mod tests;
