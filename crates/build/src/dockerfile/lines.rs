//! From lines to whole instructions: parser directives, comments, continuations and here-documents.

use super::error::{DockerfileError, Problem};
use super::words;

/// The most bytes of a Dockerfile.
const MOST_BYTES: usize = 16 << 20;

/// What the first lines of a file say of the file itself (`# escape=`...`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// `# syntax=`: accepted, and not followed: no foreign front end is fetched and run.
    pub syntax: Option<String>,
    /// `# escape=`: a backslash or a backtick.
    pub escape: char,
    /// `# check=`: kept, not followed.
    pub check: Option<String>,
}

impl Default for Directives {
    fn default() -> Self {
        Self { syntax: None, escape: '\\', check: None }
    }
}

/// A text that stands in the lines after its instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it.
    pub name: String,
    /// The descriptor before `<<`; 0 if there was none.
    pub descriptor: String,
    /// `<<-`: tabs at the beginning of a line are left out.
    pub strip_tabs: bool,
    /// Whether variables in it are replaced: its name stood without quotes.
    pub expand: bool,
    /// Its lines, as they stand in the file.
    pub content: String,
}

impl Heredoc {
    /// Its text as a shell would read it.
    #[must_use]
    pub fn text(&self) -> String {
        if !self.strip_tabs {
            return self.content.clone();
        }
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}

/// One instruction that has no type yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawInstruction {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// Its name in capitals.
    pub name: String,
    /// What follows the name, continuation lines joined.
    pub rest: String,
    /// Its here-documents in order.
    pub heredocs: Vec<Heredoc>,
}

/// A file in whole instructions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines {
    /// What the first lines say.
    pub directives: Directives,
    /// The instructions in order.
    pub instructions: Vec<RawInstruction>,
}

impl Lines {
    /// Reads a file up to its end or to what is wrong, which comes second.
    #[must_use]
    pub fn read(text: &str) -> (Self, Option<DockerfileError>) {
        let mut lines = Self::default();
        let error = lines.fill(text.strip_prefix('\u{feff}').unwrap_or(text)).err();
        (lines, error)
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// A here-document has no end, or a directive is wrong.
    pub fn parse(text: &str) -> Result<Self, DockerfileError> {
        match Self::read(text) {
            (lines, None) => Ok(lines),
            (_, Some(error)) => Err(error),
        }
    }

    fn fill(&mut self, text: &str) -> Result<(), DockerfileError> {
        if text.len() > MOST_BYTES {
            return Err(Problem::TooLarge(MOST_BYTES >> 20).at(1));
        }
        self.read_directives(text)?;
        let escape = self.directives.escape;
        let mut source = text.split_inclusive('\n').enumerate();
        while let Some((index, first)) = source.next() {
            let first = without_end(first);
            if is_comment(first) || first.trim().is_empty() {
                continue;
            }
            let (mut whole, mut open) = without_continuation(first.trim_start(), escape);
            while open {
                let Some((_, next)) = source.next() else { break };
                let next = without_end(next);
                // Docker passes over empty lines inside an instruction (and warns of them).
                if is_comment(next) || next.trim().is_empty() {
                    continue;
                }
                let (part, more) = without_continuation(next, escape);
                whole.push_str(&part);
                open = more;
            }
            let (name, rest) = split_name(&whole);
            let mut instruction =
                RawInstruction { line: index + 1, name, rest: rest.to_owned(), heredocs: Vec::new() };
            for mut heredoc in heredocs(&instruction, escape) {
                let closed = take_heredoc(&mut heredoc, &mut source);
                let name = heredoc.name.clone();
                instruction.heredocs.push(heredoc);
                if !closed {
                    let line = instruction.line;
                    self.instructions.push(instruction);
                    return Err(Problem::OpenHeredoc { name }.at(line));
                }
            }
            self.instructions.push(instruction);
        }
        Ok(())
    }

    /// Directives stand before everything else, comments and empty lines too.
    fn read_directives(&mut self, text: &str) -> Result<(), DockerfileError> {
        let mut seen: Vec<String> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let Some((name, value)) = directive(line) else { break };
            let name = name.to_ascii_lowercase();
            if seen.contains(&name) {
                return Err(Problem::DirectiveTwice { name }.at(index + 1));
            }
            match (name.as_str(), value) {
                ("syntax", value) => self.directives.syntax = Some(value.to_owned()),
                ("check", value) => self.directives.check = Some(value.to_owned()),
                ("escape", "\\") => self.directives.escape = '\\',
                ("escape", "`") => self.directives.escape = '`',
                ("escape", value) => {
                    return Err(Problem::BadEscape { value: value.to_owned() }.at(index + 1));
                }
                // A comment that looks like one: it and what follows are comments.
                _ => break,
            }
            seen.push(name);
        }
        Ok(())
    }
}

fn directive(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('#')?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let word = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (word && !value.is_empty()).then_some((name, value))
}

fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// A line without the escape at its end, and whether it had one. Two in a row stand for the character itself.
fn without_continuation(line: &str, escape: char) -> (String, bool) {
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        Some(before) if !before.ends_with(escape) => (before.to_owned(), true),
        _ => (line.to_owned(), false),
    }
}

fn split_name(whole: &str) -> (String, &str) {
    let whole = whole.trim();
    let (name, rest) = whole.split_once(char::is_whitespace).unwrap_or((whole, ""));
    (name.to_ascii_uppercase(), rest.trim())
}

/// The here-documents that an instruction announces, still empty.
fn heredocs(instruction: &RawInstruction, escape: char) -> Vec<Heredoc> {
    let mut name = instruction.name.as_str();
    let mut rest = instruction.rest.clone();
    if name == "ONBUILD" {
        let (inner, inner_rest) = split_name(&instruction.rest);
        rest = inner_rest.to_owned();
        name = match inner.as_str() {
            "RUN" => "RUN",
            "COPY" => "COPY",
            "ADD" => "ADD",
            _ => return Vec::new(),
        };
    }
    if !matches!(name, "RUN" | "COPY" | "ADD") || !rest.contains("<<") {
        return Vec::new();
    }
    // What is a JSON list is no shell's text.
    if words::json_list(words::after_flags(&rest)).is_some() {
        return Vec::new();
    }
    words::split(&rest, escape).iter().filter_map(|word| heredoc(word)).collect()
}

/// `2<<-"EOF"`: a descriptor, the sign, and the name.
pub(super) fn heredoc(word: &str) -> Option<Heredoc> {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let (descriptor, rest) = word.split_at_checked(digits)?;
    let rest = rest.strip_prefix("<<")?;
    let (strip_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let name = words::without_quotes(rest);
    if name.is_empty() || rest.contains(['<', '\n']) {
        return None;
    }
    Some(Heredoc {
        expand: name == rest,
        name,
        descriptor: descriptor.to_owned(),
        strip_tabs,
        content: String::new(),
    })
}

/// Takes the lines of a here-document from the file; whether its end was found.
fn take_heredoc<'a>(heredoc: &mut Heredoc, source: &mut impl Iterator<Item = (usize, &'a str)>) -> bool {
    for (_, line) in source {
        let end = without_end(line);
        let end = if heredoc.strip_tabs { end.trim_start_matches('\t') } else { end };
        if end == heredoc.name {
            return true;
        }
        heredoc.content.push_str(line);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rests(text: &str) -> Vec<String> {
        let lines = Lines::parse(text).unwrap().instructions;
        lines.into_iter().map(|line| format!("{} {} {}", line.line, line.name, line.rest)).collect()
    }

    #[test]
    fn continuations_comments_and_empty_lines() {
        let text = "# hello\nfrom a\nRUN a \\\n  # not this\n\n  && b \\  \n  && c\n\nRUN d\\\\\nRUN e";
        assert_eq!(rests(text), ["2 FROM a", "3 RUN a   && b   && c", "9 RUN d\\\\", "10 RUN e"]);
        assert_eq!(rests("FROM a\r\nRUN b \\\r\n c\r\n"), ["1 FROM a", "2 RUN b  c"]);
        assert_eq!(rests("\u{feff}FROM a"), ["1 FROM a"]);
        assert_eq!(rests("RUN a \\"), ["1 RUN a"]);
    }

    #[test]
    fn directives_stand_first() {
        let lines = Lines::parse("# syntax=docker/dockerfile:1\n# Escape = `\nFROM a\nRUN b `\n c").unwrap();
        assert_eq!(lines.directives.syntax.as_deref(), Some("docker/dockerfile:1"));
        assert_eq!(lines.directives.escape, '`');
        assert_eq!(lines.instructions[1].rest, "b  c");
        assert_eq!(Lines::parse("\n# escape=`\nFROM a").unwrap().directives.escape, '\\');
        assert_eq!(Lines::parse("# a=b\n# escape=`\nFROM a").unwrap().directives.escape, '\\');
        assert!(Lines::parse("# escape=x\nFROM a").is_err());
        assert!(Lines::parse("# escape=`\n# escape=`\nFROM a").is_err());
    }

    #[test]
    fn here_documents() {
        let text = "RUN <<EOF bash\na\n\tb\nEOF\nCOPY <<A <<-'B' /x/\none\nA\n\ttwo\n\tB\nRUN echo '<<X'\nRUN [\"<<Y\"]";
        let lines = Lines::parse(text).unwrap().instructions;
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0].heredocs[0].content, "a\n\tb\n");
        assert!(lines[0].heredocs[0].expand);
        assert_eq!((lines[1].heredocs[0].name.as_str(), lines[1].heredocs[0].text()), ("A", "one\n".into()));
        assert_eq!((lines[1].heredocs[1].expand, lines[1].heredocs[1].text()), (false, "two\n".into()));
        assert_eq!(lines[3].line, 11);
        let error = Lines::parse("FROM a\nRUN <<EOF\nx").unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 2: the here-document <<EOF has no end: there is no line that is only EOF"
        );
        assert_eq!(Lines::parse("ONBUILD RUN <<E\nx\nE").unwrap().instructions[0].heredocs.len(), 1);
    }
}
