//! The functions of the language: Go's own and the ones that Docker adds.

use std::cmp::Ordering;

use serde_json::Value;

use super::printf;
use super::value::{equal, kind, order, print, truth};

/// Calls a function; the error is a message without a place.
pub(super) fn call(name: &str, arguments: Vec<Value>) -> Result<Value, String> {
    match name {
        "json" => one(name, arguments).map(|value| Value::String(value.to_string())),
        "lower" => text(name, arguments).map(|text| text.to_lowercase().into()),
        "upper" => text(name, arguments).map(|text| text.to_uppercase().into()),
        "title" => text(name, arguments).map(|text| title(&text).into()),
        "len" => length(&one(name, arguments)?),
        "not" => one(name, arguments).map(|value| Value::Bool(!truth(&value))),
        "print" => Ok(Value::String(printed(&arguments))),
        "println" => Ok(Value::String(arguments.iter().map(print).collect::<Vec<_>>().join(" ") + "\n")),
        "printf" => printf::format(&arguments).map(Value::String),
        "index" => index(arguments),
        "slice" => slice(arguments),
        "join" => join(&arguments),
        "split" => split(&arguments),
        "pad" => pad(&arguments),
        "truncate" => truncate(&arguments),
        "eq" => equals_any(&arguments),
        "ne" => two(name, &arguments).map(|(left, right)| Value::Bool(!equal(left, right))),
        "lt" => compare(name, &arguments, Ordering::is_lt),
        "le" => compare(name, &arguments, Ordering::is_le),
        "gt" => compare(name, &arguments, Ordering::is_gt),
        "ge" => compare(name, &arguments, Ordering::is_ge),
        _ => Err(unknown(name)),
    }
}

const NAMES: [&str; 22] = [
    "json", "lower", "upper", "title", "len", "not", "print", "println", "printf", "index", "slice", "join",
    "split", "pad", "truncate", "eq", "ne", "lt", "le", "gt", "ge", "and",
];

fn unknown(name: &str) -> String {
    let near = crate::suggest::nearest(name, NAMES.into_iter());
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    format!("there is no function {name}{hint}")
}

fn one(name: &str, mut arguments: Vec<Value>) -> Result<Value, String> {
    match (arguments.len(), arguments.pop()) {
        (1, Some(value)) => Ok(value),
        (count, _) => Err(format!("{name} takes one argument, not {count}")),
    }
}

fn two<'v>(name: &str, arguments: &'v [Value]) -> Result<(&'v Value, &'v Value), String> {
    match arguments {
        [left, right] => Ok((left, right)),
        other => Err(format!("{name} takes two arguments, not {}", other.len())),
    }
}

fn text(name: &str, arguments: Vec<Value>) -> Result<String, String> {
    match one(name, arguments)? {
        Value::String(text) => Ok(text),
        other => Err(format!("{name} takes a text, not {}", kind(&other))),
    }
}

/// A count or position: a number that is not negative.
fn count(name: &str, value: &Value) -> Result<usize, String> {
    value
        .as_u64()
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| format!("{name} takes a number from 0 up, not {}", print(value)))
}

/// Each word with a capital at its front.
fn title(text: &str) -> String {
    let mut at_start = true;
    text.chars()
        .flat_map(|c| {
            let upper = at_start && c.is_lowercase();
            at_start = !(c.is_alphanumeric() || c == '_' || c == '\'');
            if upper { c.to_uppercase().collect::<Vec<_>>() } else { vec![c] }
        })
        .collect()
}

fn length(value: &Value) -> Result<Value, String> {
    match value {
        Value::String(text) => Ok(text.len().into()),
        Value::Array(items) => Ok(items.len().into()),
        Value::Object(fields) => Ok(fields.len().into()),
        Value::Null => Ok(0.into()),
        other => Err(format!("len cannot count {}", kind(other))),
    }
}

/// As Go's Sprint: a space between two neighbours that are both not text.
fn printed(arguments: &[Value]) -> String {
    let mut out = String::new();
    let mut before: Option<&Value> = None;
    for value in arguments {
        if before.is_some_and(|before| !before.is_string() && !value.is_string()) {
            out.push(' ');
        }
        out.push_str(&print(value));
        before = Some(value);
    }
    out
}

/// `index collection key...`, one key for each level.
fn index(arguments: Vec<Value>) -> Result<Value, String> {
    let mut arguments = arguments.into_iter();
    let mut value = arguments.next().ok_or("index takes a list or an object first")?;
    for key in arguments {
        value = match (&mut value, &key) {
            (Value::Array(items), key) => {
                let at = count("index", key)?;
                let length = items.len();
                items
                    .get_mut(at)
                    .map(Value::take)
                    .ok_or_else(|| format!("index {at} is out of range: the list has {length}"))?
            }
            // As in Go: a key that a map does not have gives its empty value.
            (Value::Object(fields), Value::String(key)) => {
                fields.remove(key).unwrap_or(Value::String(String::new()))
            }
            (Value::Null, _) => Value::String(String::new()),
            (value, key) => return Err(format!("{} has no element {}", kind(value), print(key))),
        };
    }
    Ok(value)
}

/// `slice list from to`, also of a text by its bytes.
fn slice(arguments: Vec<Value>) -> Result<Value, String> {
    let Some((value, bounds)) = arguments.split_first() else {
        return Err("slice takes a list first".to_owned());
    };
    let length = match value {
        Value::Array(items) => items.len(),
        Value::String(text) => text.len(),
        other => return Err(format!("slice cannot cut {}", kind(other))),
    };
    let from = bounds.first().map_or(Ok(0), |bound| count("slice", bound))?;
    let to = bounds.get(1).map_or(Ok(length), |bound| count("slice", bound))?;
    let refused = || format!("slice {from} to {to} is out of range: the length is {length}");
    match value {
        Value::Array(items) => {
            items.get(from..to).map(|part| Value::Array(part.to_vec())).ok_or_else(refused)
        }
        Value::String(text) => text.get(from..to).map(Value::from).ok_or_else(refused),
        _ => Err(refused()),
    }
}

/// `join list separator`
fn join(arguments: &[Value]) -> Result<Value, String> {
    match arguments {
        [Value::Array(items), Value::String(separator)] => {
            Ok(items.iter().map(print).collect::<Vec<_>>().join(separator).into())
        }
        [Value::Null, Value::String(_)] => Ok(String::new().into()),
        _ => Err("join takes a list and a text".to_owned()),
    }
}

/// `split text separator`
fn split(arguments: &[Value]) -> Result<Value, String> {
    match arguments {
        [Value::String(text), Value::String(separator)] => {
            Ok(text.split(separator.as_str()).map(Value::from).collect())
        }
        _ => Err("split takes two texts".to_owned()),
    }
}

/// `pad text before after`: spaces on both sides; an empty text stays empty.
fn pad(arguments: &[Value]) -> Result<Value, String> {
    match arguments {
        [Value::String(text), _, _] if text.is_empty() => Ok(Value::String(String::new())),
        [Value::String(text), before, after] => {
            let (before, after) = (count("pad", before)?.min(1000), count("pad", after)?.min(1000));
            Ok(format!("{}{text}{}", " ".repeat(before), " ".repeat(after)).into())
        }
        _ => Err("pad takes a text and two numbers".to_owned()),
    }
}

/// `truncate text length`
fn truncate(arguments: &[Value]) -> Result<Value, String> {
    match arguments {
        [Value::String(text), length] => {
            Ok(text.chars().take(count("truncate", length)?).collect::<String>().into())
        }
        _ => Err("truncate takes a text and a number".to_owned()),
    }
}

/// `eq a b...`: whether the first is one of the others.
fn equals_any(arguments: &[Value]) -> Result<Value, String> {
    match arguments.split_first() {
        Some((first, others)) if !others.is_empty() => {
            Ok(Value::Bool(others.iter().any(|other| equal(first, other))))
        }
        _ => Err("eq takes at least two arguments".to_owned()),
    }
}

fn compare(name: &str, arguments: &[Value], holds: fn(Ordering) -> bool) -> Result<Value, String> {
    let (left, right) = two(name, arguments)?;
    order(left, right)
        .map(|order| Value::Bool(holds(order)))
        .ok_or_else(|| format!("{name} cannot compare {} with {}", kind(left), kind(right)))
}
