//! `printf`: the verbs that make sense for JSON values.

use serde_json::Value;

use super::value::print;

/// A width or a precision is at most this, so that a template cannot ask for all memory.
const MAX_WIDTH: usize = 1000;

/// One `%...` of a format.
#[derive(Debug, Default)]
struct Verb {
    left: bool,
    zero: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
    letter: char,
}

/// Fills the format (first argument) with the others.
pub(super) fn format(arguments: &[Value]) -> Result<String, String> {
    let Some((Value::String(format), values)) = arguments.split_first() else {
        return Err("printf takes a text first".to_owned());
    };
    let mut values = values.iter();
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let verb = verb(&mut chars)?;
        if verb.letter == '%' {
            out.push('%');
            continue;
        }
        let value = values.next().ok_or_else(|| format!("printf has no value for %{}", verb.letter))?;
        out.push_str(&verb.print(value)?);
    }
    match values.len() {
        0 => Ok(out),
        more => Err(format!("printf has {more} more value(s) than its format asks for")),
    }
}

fn verb(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Verb, String> {
    let mut verb = Verb::default();
    while let Some(flag) = chars.next_if(|c| "-0+".contains(*c)) {
        match flag {
            '-' => verb.left = true,
            '0' => verb.zero = true,
            _ => verb.plus = true,
        }
    }
    verb.width = digits(chars)?.unwrap_or(0);
    if chars.next_if_eq(&'.').is_some() {
        verb.precision = Some(digits(chars)?.unwrap_or(0));
    }
    verb.letter = chars.next().ok_or("printf: the format ends inside a verb")?;
    Ok(verb)
}

fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Option<usize>, String> {
    let mut number: Option<usize> = None;
    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
        chars.next();
        let next = number.unwrap_or(0) * 10 + digit as usize;
        if next > MAX_WIDTH {
            return Err(format!("printf: a width is at most {MAX_WIDTH}"));
        }
        number = Some(next);
    }
    Ok(number)
}

impl Verb {
    fn print(&self, value: &Value) -> Result<String, String> {
        let refused = || Err(format!("printf: %{} cannot print {}", self.letter, print(value)));
        let text = match (self.letter, value) {
            ('v', value) => print(value),
            ('s', value) => {
                let text = print(value);
                self.precision.map_or(text.clone(), |most| text.chars().take(most).collect())
            }
            ('q', value) => Value::String(print(value)).to_string(),
            ('t', Value::Bool(value)) => value.to_string(),
            ('d', Value::Number(number)) if number.is_i64() || number.is_u64() => number.to_string(),
            ('x', Value::Number(number)) => match number.as_u64() {
                Some(number) => format!("{number:x}"),
                None => return refused(),
            },
            ('x', Value::String(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
            ('f', Value::Number(number)) => match number.as_f64() {
                Some(number) => format!("{number:.*}", self.precision.unwrap_or(6)),
                None => return refused(),
            },
            ('t' | 'd' | 'x' | 'f', _) => return refused(),
            (other, _) => return Err(format!("printf knows no verb %{other}")),
        };
        Ok(self.padded(text, value.is_number()))
    }

    fn padded(&self, mut text: String, number: bool) -> String {
        if self.plus && number && !text.starts_with('-') {
            text.insert(0, '+');
        }
        let missing = self.width.saturating_sub(text.chars().count());
        if self.left {
            return text + &" ".repeat(missing);
        }
        if self.zero && number {
            let sign = text.len() - text.trim_start_matches(['-', '+']).len();
            text.insert_str(sign, &"0".repeat(missing));
            return text;
        }
        " ".repeat(missing) + &text
    }
}
