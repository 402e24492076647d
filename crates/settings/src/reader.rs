//! Reads the tables of a file key by key, keeps each value's line, and gathers every problem it meets.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::suggestion::nearest;
use crate::{FileProblem, Place, Setting};

/// One value with the place it has in the text.
#[derive(Debug)]
pub struct Entry<'i> {
    /// Its key.
    pub key: String,
    span: Range<usize>,
    value: DeValue<'i>,
}

/// One table of the file.
#[derive(Debug)]
pub struct Section<'i> {
    /// Its name in messages, with a dot at its end; empty for the top.
    prefix: String,
    entries: Vec<Entry<'i>>,
    /// The keys that were asked for: what the table may hold.
    known: Vec<&'static str>,
    /// Where its header is.
    pub place: Place,
}

/// The file being read.
#[derive(Debug)]
pub struct Reader<'i> {
    text: &'i str,
    file: Arc<str>,
    problems: Vec<FileProblem>,
}

impl<'i> Reader<'i> {
    /// A reader of a text. `file` is how messages show where it is from.
    #[must_use]
    pub fn new(file: Arc<str>, text: &'i str) -> Self {
        Self { text, file, problems: Vec::new() }
    }

    /// Everything that is wrong, in the order of the text.
    #[must_use]
    pub fn into_problems(mut self) -> Vec<FileProblem> {
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        self.problems
    }

    /// The place of a byte offset.
    fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        Place { file: Arc::clone(&self.file), line: before.matches('\n').count() + 1 }
    }

    fn problem(&mut self, offset: usize, message: String) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
        self.problems.push(FileProblem { line: before.matches('\n').count() + 1, column, message });
    }

    /// Says what is wrong with an entry's value.
    pub fn refuse(&mut self, entry: &Entry<'_>, prefix: &Section<'_>, rule: &str) {
        self.problem(entry.span.start, format!("{}{}: {rule}", prefix.prefix, entry.key));
    }

    /// Says what a whole table lacks.
    pub fn require(&mut self, section: &Section<'_>, key: &str, message: &str) {
        // A value that is there and wrong was already reported.
        let told = self.problems.iter().any(|problem| problem.message.starts_with(&format!("{key}:")));
        if !told {
            self.require_at(&section.place, message.to_owned());
        }
    }

    /// Says what is wrong at the start of a line.
    pub fn require_at(&mut self, place: &Place, message: String) {
        self.problems.push(FileProblem { line: place.line, column: 1, message });
    }

    /// The document's top table; none if it is no TOML.
    pub fn document(&mut self) -> Option<Section<'i>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let offset = error.span().map_or(0, |span| span.start);
            self.problem(offset, format!("not TOML: {}", error.message().trim_end()));
        }
        errors.is_empty().then(|| self.section(String::new(), table.into_inner(), 0))
    }

    fn section(&self, prefix: String, table: DeTable<'i>, offset: usize) -> Section<'i> {
        let entries = table.into_iter().map(|(key, value)| Entry {
            span: key.span(),
            key: key.into_inner().into_owned(),
            value: value.into_inner(),
        });
        Section { prefix, entries: entries.collect(), known: Vec::new(), place: self.place(offset) }
    }

    /// Takes an entry out of its table.
    pub fn take(&mut self, section: &mut Section<'i>, key: &'static str) -> Option<Entry<'i>> {
        section.known.push(key);
        let index = section.entries.iter().position(|entry| entry.key == key)?;
        Some(section.entries.swap_remove(index))
    }

    /// Takes a table out of its table.
    pub fn table(&mut self, section: &mut Section<'i>, key: &'static str) -> Option<Section<'i>> {
        let entry = self.take(section, key)?;
        match entry.value {
            DeValue::Table(table) => {
                Some(self.section(format!("{}{key}.", section.prefix), table, entry.span.start))
            }
            _ => {
                self.refuse(&entry, section, "it is a table");
                None
            }
        }
    }

    /// Takes an entry and reads it; a value that `read` does not take is a problem with `rule`.
    pub fn value<T>(
        &mut self,
        section: &mut Section<'i>,
        key: &'static str,
        rule: &str,
        read: impl FnOnce(&DeValue<'i>) -> Option<T>,
    ) -> Option<Setting<T>> {
        let entry = self.take(section, key)?;
        match read(&entry.value) {
            Some(value) => Some(Setting::new(value, self.place(entry.span.start))),
            None => {
                self.refuse(&entry, section, rule);
                None
            }
        }
    }

    /// Takes a list of texts and reads each.
    pub fn list<T>(
        &mut self,
        section: &mut Section<'i>,
        key: &'static str,
        rule: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<Setting<Vec<T>>> {
        let entry = self.take(section, key)?;
        let DeValue::Array(array) = &entry.value else {
            self.refuse(&entry, section, &format!("it is a list; {rule}"));
            return None;
        };
        let mut values = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_str().and_then(&read) {
                Some(value) => values.push(value),
                None => {
                    let shown = item.get_ref().as_str().unwrap_or_else(|| item.get_ref().type_str());
                    self.problem(item.span().start, format!("{}{key}: {shown:?}: {rule}", section.prefix));
                }
            }
        }
        Some(Setting::new(values, self.place(entry.span.start)))
    }

    /// Reads every entry of a table whose keys are free, such as paths.
    pub fn map<K: Ord, V>(
        &mut self,
        section: Section<'i>,
        rule: &str,
        read: impl Fn(&str, &DeValue<'i>) -> Option<(K, V)>,
    ) -> Setting<std::collections::BTreeMap<K, Setting<V>>> {
        let mut map = std::collections::BTreeMap::new();
        for entry in &section.entries {
            match read(&entry.key, &entry.value) {
                Some((key, value)) => {
                    map.insert(key, Setting::new(value, self.place(entry.span.start)));
                }
                None => self.refuse(entry, &section, rule),
            }
        }
        Setting::new(map, section.place)
    }

    /// The tables of a table whose keys are free, such as hosts, in the order of the text.
    pub fn tables(&mut self, section: Section<'i>) -> Vec<(String, Section<'i>)> {
        let Section { prefix, mut entries, .. } = section;
        entries.sort_by_key(|entry| entry.span.start);
        let mut tables = Vec::new();
        for Entry { key, span, value } in entries {
            match value {
                DeValue::Table(table) => {
                    let section = self.section(format!("{prefix}{key}."), table, span.start);
                    tables.push((key, section));
                }
                _ => self.problem(span.start, format!("{prefix}{key}: it is a table")),
            }
        }
        tables
    }

    /// Ends a table: what was not asked for is unknown.
    pub fn finish(&mut self, section: Section<'i>) {
        for entry in &section.entries {
            let hint = match nearest(&entry.key, &section.known) {
                Some(word) => format!("; did you mean {word:?}?"),
                None => format!("; known here: {}", section.known.join(", ")),
            };
            self.problem(
                entry.span.start,
                format!("unknown key {:?}{hint}", section.prefix.clone() + &entry.key),
            );
        }
    }
}

/// A whole number that is not negative.
#[must_use]
pub fn unsigned(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}
