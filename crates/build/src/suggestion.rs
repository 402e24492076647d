//! The known word that a mistyped one is nearest to.

/// The candidate that is one or two slips away, if there is one: at most a third of the word is wrong.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(1);
    let near = candidates.iter().map(|candidate| (slips(word, candidate), *candidate));
    near.filter(|(slips, _)| *slips <= most).min().map(|(_, candidate)| candidate)
}

/// Letters to insert, remove or change (Levenshtein); neighbours that changed places count as one.
fn slips(left: &str, right: &str) -> usize {
    let letters = |text: &str| text.to_ascii_lowercase().chars().take(64).collect::<Vec<_>>();
    let (left, right) = (letters(left), letters(right));
    let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
    let (mut above, mut row): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=right.len()).collect());
    for (i, a) in left.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let change = cell(&row, j) + usize::from(a != b);
            let mut best = change.min(cell(&row, j + 1) + 1).min(cell(&next, j) + 1);
            if i > 0 && j > 0 && left.get(i - 1) == Some(b) && right.get(j - 1) == Some(a) {
                best = best.min(cell(&above, j - 1) + 1);
            }
            next.push(best);
        }
        above = std::mem::replace(&mut row, next);
    }
    cell(&row, right.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found() {
        let known = ["COPY", "RUN", "ENTRYPOINT"];
        for (word, found) in
            [("CPOY", Some("COPY")), ("copyy", Some("COPY")), ("ENTRYPIONT", Some("ENTRYPOINT")), ("X", None)]
        {
            assert_eq!(nearest(word, &known), found, "{word}");
        }
    }
}
