//! Where in a Dockerfile an error is: an instruction is known by its line; what is wrong with it is looked for from there.

use super::error::{DockerfileError, Problem};

impl DockerfileError {
    /// The same error with the line and the column of what it is about.
    #[must_use]
    pub fn located(self, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.lines().enumerate().skip(self.line.saturating_sub(1)).peekable();
        let Some((_, first)) = lines.peek().copied() else { return self };
        let word = self.problem.word();
        if let Some(word) = word.filter(|word| !word.is_empty()) {
            for (index, line) in lines {
                if let Some(column) = column_of(line, &word) {
                    return Self { line: index + 1, column: Some(column), ..self };
                }
                let goes_on = line.trim_start().starts_with('#') || line.trim_end().ends_with(['\\', '`']);
                if !goes_on {
                    break;
                }
            }
        }
        let indent = first.chars().take_while(|letter| letter.is_whitespace()).count();
        Self { column: Some(indent + 1), ..self }
    }
}

/// Where a word stands in a line, whatever its letters' case: not as a part of another one.
fn column_of(line: &str, word: &str) -> Option<usize> {
    // As ASCII: lengths stay the same.
    let (small, word) = (line.to_ascii_lowercase(), word.to_ascii_lowercase());
    let joins = |one: Option<char>, other: Option<char>| {
        let letter = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
        letter(one) && letter(other)
    };
    let (at, _) = small.match_indices(&word).find(|(at, found)| {
        let (before, from) = small.split_at(*at);
        let after = from.get(found.len()..).unwrap_or_default();
        !joins(before.chars().next_back(), word.chars().next())
            && !joins(word.chars().next_back(), after.chars().next())
    })?;
    Some(line.get(..at)?.chars().count() + 1)
}

impl Problem {
    /// The word of the Dockerfile that is wrong, where there is one.
    fn word(&self) -> Option<String> {
        match self {
            Self::UnknownInstruction { word, .. } | Self::UnknownStage { word, .. } => Some(word.clone()),
            Self::UnknownFlag { flag, .. } | Self::BadFlag { flag, .. } => Some(format!("--{flag}")),
            Self::OpenHeredoc { name } => Some(name.clone()),
            Self::DirectiveTwice { name } | Self::StageTwice { name } => Some(name.clone()),
            Self::BadEscape { value } => Some(value.clone()),
            Self::Expand(_) => Some("${".to_owned()),
            Self::NotBuilt { what, .. } => what.split_whitespace().last().map(str::to_owned),
            Self::BadArguments { .. } | Self::NoFrom | Self::TooLarge(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Dockerfile;

    #[test]
    fn errors_have_a_line_and_a_column() {
        for (text, place) in [
            ("FROM a\n  CPOY a b", "line 2, column 3: unknown"),
            ("FROM a\nCOPY \\\n  # a comment\n  --form=x a b", "line 4, column 3: COPY has no"),
            ("FROM a\nRUN x\nRUN --mount=type=x y", "line 3, column 5: RUN --mount"),
            ("FROM a AS b\nFROM c AS b", "line 2, column 11: two stages"),
            ("FROM a\nRUN cat <<END\nx", "line 2, column 11: the here-document"),
            ("# escape=x\nFROM a", "line 1, column 10: the directive"),
            ("FROM a\nCOPY x", "line 2, column 1: COPY"),
            ("FROM a\nRUN --security=insecure x", "line 2, column 5: RUN --security"),
            ("RUN x", "line 1, column 1: a Dockerfile begins"),
            ("", "line 1: a Dockerfile begins"),
        ] {
            let error = Dockerfile::parse(text).unwrap_err().located(text).to_string();
            assert!(error.starts_with(place), "{text:?}: {error}");
        }
    }
}
