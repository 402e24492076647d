//! Listings: a table, a template per row, or JSON, as `--format` says.

use serde_json::{Map, Value};

use crate::plain;
use crate::report::Report;
use crate::table;
use crate::template::Template;

/// One row: fields by name.
pub(crate) type Row = Map<String, Value>;

/// How a listing looks.
pub(crate) struct Layout {
    /// Fields with the header of their column. All that a template may name.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// The fields of the usual table.
    pub(crate) usual: &'static [&'static str],
    /// The field that `-q` prints.
    pub(crate) key: &'static str,
}

/// What `--format` asks for.
enum Format {
    Usual,
    Json,
    Table(Template),
    Lines(Template),
}

fn format(text: Option<&str>) -> Result<Format, Report> {
    let text = text.unwrap_or("table").trim();
    match text.strip_prefix("table") {
        Some("") => Ok(Format::Usual),
        Some(template) if template.starts_with(char::is_whitespace) => {
            Ok(Format::Table(Template::parse(&unescape(template.trim_start()))?))
        }
        _ if text == "json" => Ok(Format::Json),
        _ => Ok(Format::Lines(Template::parse(&unescape(text))?)),
    }
}

/// `\t` and `\n` as shells leave them in single quotes.
fn unescape(text: &str) -> String {
    text.replace("\\t", "\t").replace("\\n", "\n")
}

impl Layout {
    /// Prints rows on standard output.
    pub(crate) fn print(&self, rows: &[Row], text: Option<&str>, quiet: bool) -> Result<(), Report> {
        let out = self.render(rows, text, quiet)?;
        Ok(plain::print(&out)?)
    }

    /// The rows as text.
    pub(crate) fn render(&self, rows: &[Row], text: Option<&str>, quiet: bool) -> Result<String, Report> {
        if quiet && text.is_none() {
            return Ok(rows.iter().map(|row| cell(row, self.key) + "\n").collect());
        }
        match format(text)? {
            Format::Usual => {
                let header = self.usual.iter().map(|field| self.header(field)).collect::<Vec<_>>().join("\t");
                let cells = |row: &Row| {
                    let cells = self.usual.iter().map(|field| plain::cell(&cell(row, field)).into_owned());
                    cells.collect::<Vec<_>>().join("\t")
                };
                let lines: Vec<String> = std::iter::once(header).chain(rows.iter().map(cells)).collect();
                Ok(table::align(lines.iter().map(String::as_str)))
            }
            Format::Json => {
                Ok(rows.iter().map(|row| Value::Object(row.clone()).to_string() + "\n").collect())
            }
            Format::Table(template) => {
                let headers: Row = self
                    .headers
                    .iter()
                    .map(|(field, header)| ((*field).to_owned(), (*header).into()))
                    .collect();
                let mut lines = vec![fill(&template, &headers, |_, key| key.to_uppercase())?];
                for row in rows {
                    lines.push(fill(&template, &plain_row(row), label)?);
                }
                Ok(table::align(lines.iter().map(String::as_str)))
            }
            Format::Lines(template) => {
                rows.iter().map(|row| Ok(fill(&template, row, label)? + "\n")).collect()
            }
        }
    }

    fn header(&self, field: &str) -> &'static str {
        self.headers.iter().find(|(name, _)| *name == field).map_or("", |(_, header)| header)
    }
}

/// A field as a table shows it.
fn cell(row: &Row, field: &str) -> String {
    match row.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// A row whose fields do not leave their columns.
fn plain_row(row: &Row) -> Row {
    let shown = |value: &Value| match value {
        Value::String(text) => Value::from(plain::cell(text)),
        other => other.clone(),
    };
    row.iter().map(|(field, value)| (field.clone(), shown(value))).collect()
}

/// Fills a template for one row; `label` is what `.Label "key"` gives.
fn fill(template: &Template, row: &Row, label: fn(&Row, &str) -> String) -> Result<String, Report> {
    let methods = |name: &str, arguments: &[Value]| match (name, arguments) {
        ("Label", [Value::String(key)]) => Some(Value::String(label(row, key))),
        _ => None,
    };
    Ok(template.render_with(&Value::Object(row.clone()), &methods)?)
}

/// A label out of the `Labels` field (`a=b,c=d`).
fn label(row: &Row, key: &str) -> String {
    let labels = cell(row, "Labels");
    let found = labels.split(',').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == key);
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout {
        headers: &[("ID", "CONTAINER ID"), ("Names", "NAMES"), ("Labels", "LABELS")],
        usual: &["ID", "Names"],
        key: "ID",
    };

    fn row(id: &str, name: &str) -> Row {
        [("ID", id), ("Names", name), ("Labels", "a=1,b=2")]
            .map(|(k, v)| (k.to_owned(), v.into()))
            .into_iter()
            .collect()
    }

    fn render(format: Option<&str>, quiet: bool) -> String {
        LAYOUT
            .render(&[row("1234", "web"), row("5678", "db")], format, quiet)
            .unwrap_or_else(|report| report.text())
    }

    #[test]
    fn a_cell_stays_in_its_place() {
        let rows = [row("12", "a\tb\n\x1b[2Jforged")];
        let render = |format: Option<&str>| LAYOUT.render(&rows, format, false).unwrap();
        assert_eq!(render(None), "CONTAINER ID   NAMES\n12             a\\tb\\n\\x1b[2Jforged\n");
        assert_eq!(render(Some("table {{.ID}}\\t{{.Names}}")), render(None));
        assert_eq!(render(Some("{{.Names}}")), "a\tb\n\x1b[2Jforged\n", "a program gets every byte");
    }

    #[test]
    fn every_shape() {
        let usual = "CONTAINER ID   NAMES\n1234           web\n5678           db\n";
        assert_eq!(render(None, false), usual);
        assert_eq!(render(Some("table"), false), usual);
        assert_eq!(render(None, true), "1234\n5678\n");
        assert_eq!(render(Some("{{.Names}}"), false), "web\ndb\n");
        assert_eq!(render(Some("{{.Label \"b\"}}"), true), "2\n2\n");
        assert_eq!(
            render(Some(r"table {{.Names}}\t{{.Label `a`}}"), false),
            "NAMES     A\nweb       1\ndb        1\n"
        );
        assert!(render(Some("json"), false).starts_with("{\"ID\":\"1234\""));
        assert_eq!(
            render(Some("{{.Name}}"), false),
            "cofferdam: --format: there is no field .Name; did you mean .Names? (column 3)\n"
        );
    }
}
