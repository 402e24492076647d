//! YAML as a tree with line numbers. An alias shares what its anchor names, so that a few lines cannot become a billion.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::DocumentError;

const MOST_NODES: usize = 500_000;
const MOST_DEPTH: usize = 200;

/// A value with the line on which it begins.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A word; `plain` where it stands without quotes, so that `true` is a switch.
    Word {
        text: String,
        plain: bool,
    },
    List(Vec<Rc<Node>>),
    Map(Vec<(String, Rc<Node>)>),
}

impl Node {
    /// The entry of a mapping, also one that `<<` merges in.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else { return None };
        if let Some((_, node)) = entries.iter().find(|(key, _)| key == name) {
            return Some(node);
        }
        let merged = entries.iter().filter(|(key, _)| key == "<<");
        merged
            .flat_map(|(_, node)| match &node.value {
                Value::List(list) => list.iter().map(|node| &**node).collect(),
                _ => vec![&**node],
            })
            // One step only: a merge of a merge of itself would have no end.
            .find_map(|node| match &node.value {
                Value::Map(entries) => entries.iter().find(|(key, _)| key == name).map(|(_, node)| &**node),
                _ => None,
            })
    }

    /// The value at the end of a path of names.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, name| node.get(name))
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Word { text, .. } => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> &[Rc<Node>] {
        match &self.value {
            Value::List(list) => list,
            _ => &[],
        }
    }

    pub(super) fn entries(&self) -> &[(String, Rc<Node>)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn is_true(&self) -> bool {
        matches!(&self.value, Value::Word { text, plain: true } if matches!(text.as_str(), "true" | "True" | "TRUE" | "yes" | "on"))
    }

    pub(super) fn number(&self) -> Option<i64> {
        self.text()?.parse().ok()
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Word { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null"))
    }
}

/// A mapping or list that is not finished, with the key that waits for its value.
enum Open {
    List(Vec<Rc<Node>>),
    Map(Vec<(String, Rc<Node>)>, Option<String>),
}

struct Frame {
    open: Open,
    line: usize,
    anchor: usize,
}

#[derive(Default)]
struct Builder {
    open: Vec<Frame>,
    anchors: HashMap<usize, Rc<Node>>,
    documents: Vec<Rc<Node>>,
    nodes: usize,
}

impl Builder {
    fn begin(&mut self, open: Open, line: usize, anchor: usize) -> Result<(), DocumentError> {
        if self.open.len() >= MOST_DEPTH {
            return Err(DocumentError::TooLarge("200 levels"));
        }
        self.open.push(Frame { open, line, anchor });
        Ok(())
    }

    fn end(&mut self) -> Result<(), DocumentError> {
        let Some(Frame { open, line, anchor }) = self.open.pop() else { return Ok(()) };
        let value = match open {
            Open::List(list) => Value::List(list),
            Open::Map(entries, _) => Value::Map(entries),
        };
        self.put(Rc::new(Node { line, value }), anchor)
    }

    fn put(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), DocumentError> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(DocumentError::TooLarge("500,000 values"));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.open.last_mut().map(|frame| &mut frame.open) {
            None => self.documents.push(node),
            Some(Open::List(list)) => list.push(node),
            Some(Open::Map(entries, key)) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => *key = Some(node.text().unwrap_or("?").to_owned()),
            },
        }
        Ok(())
    }
}

/// All documents of a file.
pub(super) fn parse(text: &str) -> Result<Vec<Rc<Node>>, DocumentError> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span): (Event<'_>, Span) = event.map_err(|error| DocumentError::Yaml {
            line: error.marker().line(),
            why: error.info().to_owned(),
        })?;
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = Value::Word { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                builder.put(Rc::new(Node { line, value }), anchor)?;
            }
            Event::Alias(anchor) => {
                let empty =
                    || Rc::new(Node { line, value: Value::Word { text: String::new(), plain: true } });
                let node = builder.anchors.get(&anchor).cloned().unwrap_or_else(empty);
                builder.put(node, 0)?;
            }
            Event::SequenceStart(anchor, _) => builder.begin(Open::List(Vec::new()), line, anchor)?,
            Event::MappingStart(anchor, _) => builder.begin(Open::Map(Vec::new(), None), line, anchor)?,
            Event::SequenceEnd | Event::MappingEnd => builder.end()?,
            _ => {}
        }
    }
    Ok(builder.documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_merges_lines_and_documents() {
        let text = "a: &x\n  b: 1\nc:\n  <<: *x\n  d: [e, \"true\"]\n---\n- true\n";
        let documents = parse(text).unwrap();
        assert_eq!(documents.len(), 2);
        let c = documents[0].get("c").unwrap();
        assert_eq!(c.get("b").unwrap().number(), Some(1));
        assert_eq!(c.at(&["d"]).unwrap().list()[1].text(), Some("true"));
        assert!(!c.at(&["d"]).unwrap().list()[1].is_true());
        assert_eq!(c.get("d").unwrap().line, 5);
        assert!(documents[1].list()[0].is_true());
    }

    #[test]
    fn hostile_files_end() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..40 {
            let names = vec![format!("*a{}", level - 1); 9].join(",");
            bomb += &format!("a{level}: &a{level} [{names}]\n");
        }
        assert!(parse(&bomb).is_ok());
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"- x\n".repeat(600_000)).is_err());
        assert!(parse("a: b: c\n\t- x").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-a:\\[\\]{}&*!|>'\"%@ \n#?,<]{0,200}") {
            let _ = parse(&text);
        }
    }
}
