//! What an expression comes to.

use std::cell::Cell;
use std::cmp::Ordering;

use serde_json::Value as Json;

use super::parse::Expression;
use crate::fact::Unknown;

/// An evaluation ends after so many steps: lists in lists of a hostile host have no bound of their own.
const MOST_STEPS: usize = 1_000_000;

/// A value. Lists and maps are those of the facts, not copied; or made by an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'f> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(std::borrow::Cow<'f, str>),
    List(Vec<Value<'f>>),
    Json(&'f Json),
}

type Found<'f> = Result<Value<'f>, Unknown>;

fn unknown<T>(why: impl Into<String>) -> Result<T, Unknown> {
    Err(Unknown(why.into()))
}

impl<'f> Value<'f> {
    /// What a place in the facts holds; a fact that is not known is none.
    fn of(json: &'f Json) -> Found<'f> {
        Ok(match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => Self::Int(number),
                (None, Some(number)) => Self::Float(number),
                (None, None) => return unknown("a number that is too large"),
            },
            Json::String(text) => Self::Text(text.as_str().into()),
            Json::Object(map) if map.len() == 1 => match map.get("unknown") {
                Some(Json::String(reason)) => return unknown(reason.as_str()),
                _ => Self::Json(json),
            },
            Json::Array(_) | Json::Object(_) => Self::Json(json),
        })
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::Json(Json::Object(_)) => "a map",
            Self::List(_) | Self::Json(_) => "a list",
        }
    }

    fn compared(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Int(_) | Self::Float(_), Self::Int(_) | Self::Float(_)) => {
                self.float()?.partial_cmp(&other.float()?)
            }
            _ => None,
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "as CEL compares numbers of two kinds")]
    fn float(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    fn equals(&self, other: &Self) -> bool {
        match (self.items(), other.items()) {
            (Some(a), Some(b)) => {
                a.len() == b.len()
                    && a.iter().zip(&b).all(|(a, b)| matches!((a, b), (Ok(a), Ok(b)) if a.equals(b)))
            }
            _ => self == other || self.compared(other) == Some(Ordering::Equal),
        }
    }

    /// The items of a list.
    fn items(&self) -> Option<Vec<Found<'f>>> {
        match self {
            Self::List(list) => Some(list.iter().cloned().map(Ok).collect()),
            Self::Json(Json::Array(list)) => Some(list.iter().map(Value::of).collect()),
            _ => None,
        }
    }

    /// What a macro goes through: the items of a list, the keys of a map.
    fn each(&self) -> Option<Vec<Found<'f>>> {
        match self {
            Self::Json(Json::Object(map)) => {
                Some(map.keys().map(|key| Ok(Self::Text(key.as_str().into()))).collect())
            }
            _ => self.items(),
        }
    }
}

impl Expression {
    /// What it comes to over these facts.
    pub(super) fn value<'f>(&self, facts: &'f Json) -> Found<'f> {
        let scope = Scope { facts, steps: Cell::new(0), names: Vec::new() };
        scope.value(self)
    }

    /// The fields that it looks at, with what they hold: at most four, each shortened.
    pub(super) fn seen(&self, facts: &Json) -> String {
        const MOST: usize = 4;
        const MOST_LETTERS: usize = 80;
        let mut fields = Vec::new();
        self.fields(&mut fields);
        let scope = Scope { facts, steps: Cell::new(0), names: Vec::new() };
        let shown = fields.into_iter().take(MOST).filter_map(|field| {
            let value = match scope.value(field).ok()? {
                Value::Json(json) => json.to_string(),
                Value::Text(text) => text.into_owned(),
                Value::Int(number) => number.to_string(),
                Value::Bool(value) => value.to_string(),
                other => other.kind().to_owned(),
            };
            let value: String = value.chars().take(MOST_LETTERS).collect();
            Some(format!("{} is {value}", field.path()?))
        });
        let shown: Vec<String> = shown.collect();
        if shown.is_empty() { "the expression over the facts".to_owned() } else { shown.join(", ") }
    }

    fn fields<'e>(&'e self, found: &mut Vec<&'e Self>) {
        match self {
            Self::Field(..) | Self::Index(..) if self.path().is_some() => found.push(self),
            Self::Field(inner, _) | Self::Not(inner) | Self::Negative(inner) | Self::Each(_, inner, ..) => {
                inner.fields(found)
            }
            Self::Index(a, b) | Self::Binary(_, a, b) => {
                a.fields(found);
                b.fields(found);
            }
            Self::Choice(a, b, c) => [a, b, c].into_iter().for_each(|part| part.fields(found)),
            Self::Call(_, parts) | Self::List(parts) => parts.iter().for_each(|part| part.fields(found)),
            _ => {}
        }
    }

    /// A path from `facts` on.
    fn path(&self) -> Option<String> {
        match self {
            Self::Name(name) if name == "facts" => Some(name.clone()),
            Self::Field(inner, name) => Some(format!("{}.{name}", inner.path()?)),
            Self::Index(inner, index) => match &**index {
                Self::Text(name) => Some(format!("{}[{name:?}]", inner.path()?)),
                Self::Int(number) => Some(format!("{}[{number}]", inner.path()?)),
                _ => None,
            },
            _ => None,
        }
    }
}

struct Scope<'f> {
    facts: &'f Json,
    steps: Cell<usize>,
    names: Vec<(String, Value<'f>)>,
}

impl<'f> Scope<'f> {
    fn value(&self, expression: &Expression) -> Found<'f> {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MOST_STEPS {
            return unknown("the expression takes too many steps");
        }
        Ok(match expression {
            Expression::Null => Value::Null,
            Expression::Bool(value) => Value::Bool(*value),
            Expression::Int(number) => Value::Int(*number),
            Expression::Float(number) => Value::Float(*number),
            Expression::Text(text) => Value::Text(text.clone().into()),
            Expression::List(list) => {
                Value::List(list.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)
            }
            Expression::Name(name) => return self.name(name),
            Expression::Field(inner, name) => return field(&self.value(inner)?, name),
            Expression::Index(inner, index) => return self.index(inner, index),
            Expression::Not(inner) => Value::Bool(!self.truth(inner)?),
            Expression::Negative(inner) => match self.value(inner)? {
                Value::Int(number) => Value::Int(
                    number.checked_neg().ok_or_else(|| Unknown("a number that is too large".to_owned()))?,
                ),
                Value::Float(number) => Value::Float(-number),
                other => return unknown(format!("{} has no negative", other.kind())),
            },
            Expression::Binary(sign @ ("&&" | "||"), a, b) => return self.logic(sign, a, b),
            Expression::Binary(sign, a, b) => return binary(sign, &self.value(a)?, &self.value(b)?),
            Expression::Choice(condition, yes, no) => {
                return self.value(if self.truth(condition)? { yes } else { no });
            }
            Expression::Call(name, arguments) => return self.call(name, arguments),
            Expression::Each(name, list, variable, body) => return self.each(name, list, variable, body),
        })
    }

    fn name(&self, name: &str) -> Found<'f> {
        if let Some((_, value)) = self.names.iter().rev().find(|(known, _)| known == name) {
            return Ok(value.clone());
        }
        if name == "facts" {
            Value::of(self.facts)
        } else {
            unknown(format!("there is nothing called {name}"))
        }
    }

    fn truth(&self, expression: &Expression) -> Result<bool, Unknown> {
        match self.value(expression)? {
            Value::Bool(value) => Ok(value),
            other => unknown(format!("{} where true or false is needed", other.kind())),
        }
    }

    /// One side that decides is enough, even if the other one is not known (CEL, "Logical Operators").
    fn logic(&self, sign: &str, a: &Expression, b: &Expression) -> Found<'f> {
        let decides = sign == "||";
        let first = self.truth(a);
        if first == Ok(decides) {
            return Ok(Value::Bool(decides));
        }
        match (first, self.truth(b)) {
            (_, Ok(second)) if second == decides => Ok(Value::Bool(decides)),
            (Err(reason), _) | (_, Err(reason)) => Err(reason),
            (Ok(_), Ok(second)) => Ok(Value::Bool(second)),
        }
    }

    fn index(&self, inner: &Expression, index: &Expression) -> Found<'f> {
        let whole = self.value(inner)?;
        match self.value(index)? {
            Value::Text(name) => field(&whole, &name),
            Value::Int(number) => {
                let items =
                    whole.items().ok_or_else(|| Unknown(format!("{} has no numbers", whole.kind())))?;
                let item = usize::try_from(number).ok().and_then(|at| items.into_iter().nth(at));
                item.unwrap_or_else(|| unknown(format!("the list has no item {number}")))
            }
            other => unknown(format!("{} is no index", other.kind())),
        }
    }

    fn call(&self, name: &str, arguments: &[Expression]) -> Found<'f> {
        if let ("has", [Expression::Field(inner, field)]) = (name, arguments) {
            let inner = self.value(inner)?;
            return Ok(Value::Bool(
                matches!(&inner, Value::Json(Json::Object(map)) if map.contains_key(field)),
            ));
        }
        let values: Vec<Value<'f>> =
            arguments.iter().map(|part| self.value(part)).collect::<Result<_, _>>()?;
        Ok(match (name, values.as_slice()) {
            ("size", [Value::Text(text)]) => {
                Value::Int(i64::try_from(text.chars().count()).unwrap_or(i64::MAX))
            }
            ("size", [list]) => match list.each() {
                Some(items) => Value::Int(i64::try_from(items.len()).unwrap_or(i64::MAX)),
                None => return unknown(format!("{} has no size", list.kind())),
            },
            ("contains", [Value::Text(text), Value::Text(part)]) => Value::Bool(text.contains(&**part)),
            ("startsWith", [Value::Text(text), Value::Text(part)]) => Value::Bool(text.starts_with(&**part)),
            ("endsWith", [Value::Text(text), Value::Text(part)]) => Value::Bool(text.ends_with(&**part)),
            ("int", [Value::Text(text)]) => match text.trim().parse() {
                Ok(number) => Value::Int(number),
                Err(_) => return unknown(format!("{text:?} is no number")),
            },
            ("int", [Value::Int(number)]) => Value::Int(*number),
            ("string", [Value::Int(number)]) => Value::Text(number.to_string().into()),
            ("string", [Value::Text(text)]) => Value::Text(text.clone()),
            _ => return unknown(format!("{name} takes no such values, or is not known here")),
        })
    }

    fn each(&self, name: &str, list: &Expression, variable: &str, body: &Expression) -> Found<'f> {
        let whole = self.value(list)?;
        let items = whole.each().ok_or_else(|| Unknown(format!("{} is no list", whole.kind())))?;
        let mut kept = Vec::new();
        let mut gap = None;
        for item in items {
            let item = item?;
            let mut names = self.names.clone();
            names.push((variable.to_owned(), item.clone()));
            let inner = Scope { facts: self.facts, steps: self.steps.clone(), names };
            let value = if name == "map" {
                inner.value(body).map(|value| (true, value))
            } else {
                inner.truth(body).map(|holds| (holds, item))
            };
            self.steps.set(inner.steps.get());
            match (name, value) {
                ("all", Ok((false, _))) => return Ok(Value::Bool(false)),
                ("exists", Ok((true, _))) => return Ok(Value::Bool(true)),
                (_, Ok((true, value))) => kept.push(value),
                (_, Ok(_)) => {}
                (_, Err(reason)) => gap = Some(reason),
            }
        }
        match (name, gap) {
            (_, Some(reason)) => Err(reason),
            ("all", None) => Ok(Value::Bool(true)),
            ("exists", None) => Ok(Value::Bool(false)),
            (_, None) => Ok(Value::List(kept)),
        }
    }
}

fn field<'f>(whole: &Value<'f>, name: &str) -> Found<'f> {
    match whole {
        Value::Json(Json::Object(map)) => match map.get(name) {
            Some(value) => Value::of(value),
            None => unknown(format!("there is no field {name}")),
        },
        other => unknown(format!("{} has no field {name}", other.kind())),
    }
}

fn binary<'f>(sign: &str, a: &Value<'f>, b: &Value<'f>) -> Found<'f> {
    let too_large = || Unknown("a number that is too large, or a division by zero".to_owned());
    Ok(match (sign, a, b) {
        ("==", ..) => Value::Bool(a.equals(b)),
        ("!=", ..) => Value::Bool(!a.equals(b)),
        ("in", _, Value::Json(Json::Object(map))) => {
            Value::Bool(matches!(a, Value::Text(name) if map.contains_key(&**name)))
        }
        ("in", ..) => {
            let items = b.items().ok_or_else(|| Unknown(format!("{} is no list", b.kind())))?;
            let items = items.into_iter().collect::<Result<Vec<_>, _>>()?;
            Value::Bool(items.iter().any(|item| item.equals(a)))
        }
        ("+", Value::Text(a), Value::Text(b)) => Value::Text(format!("{a}{b}").into()),
        ("+" | "-" | "*" | "/" | "%", Value::Int(a), Value::Int(b)) => {
            let made = match sign {
                "+" => a.checked_add(*b),
                "-" => a.checked_sub(*b),
                "*" => a.checked_mul(*b),
                "/" => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            Value::Int(made.ok_or_else(too_large)?)
        }
        ("<" | "<=" | ">" | ">=", ..) => {
            let order = a.compared(b);
            let order =
                order.ok_or_else(|| Unknown(format!("{} and {} have no order", a.kind(), b.kind())))?;
            Value::Bool(match sign {
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                ">" => order.is_gt(),
                _ => order.is_ge(),
            })
        }
        _ => return unknown(format!("{sign} does not go with {} and {}", a.kind(), b.kind())),
    })
}
