//! Words of an instruction: separated by blanks that no quote and no escape protects.

/// The words as they stand, quotes and escapes left in.
pub(super) fn split(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == escape && quote != Some('\'') {
            word.push(letter);
            word.extend(letters.next());
            continue;
        }
        match quote {
            Some(open) if letter == open => quote = None,
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            None if letter.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(letter);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A word without the quotes in it.
pub(super) fn without_quotes(word: &str) -> String {
    word.chars().filter(|letter| !matches!(letter, '"' | '\'')).collect()
}

/// What follows the words that begin with `--`.
pub(super) fn after_flags(text: &str) -> &str {
    let mut rest = text.trim_start();
    while let Some(flag) = rest.strip_prefix("--") {
        rest = flag.split_once(char::is_whitespace).map_or("", |(_, after)| after.trim_start());
    }
    rest
}

/// A JSON list of texts, if it is one.
pub(super) fn json_list(text: &str) -> Option<Vec<String>> {
    if !text.trim_start().starts_with('[') {
        return None;
    }
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes_hold_words_together() {
        assert_eq!(split(r#"a "b c" d\ e 'f\' g"#, '\\'), ["a", "\"b c\"", r"d\ e", r"'f\'", "g"]);
        assert_eq!(split("a `\"b c", '`'), ["a", "`\"b", "c"]);
        assert_eq!(split("  ", '\\'), Vec::<String>::new());
        assert_eq!(after_flags("--a=b --c d e"), "d e");
        assert_eq!(json_list(r#"["a", "b"]"#), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(json_list("[a]"), None);
    }
}
