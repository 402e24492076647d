//! Findings as a table for people: control, planned, observed, verdict.

use std::fmt::Write as _;

use crate::finding::{Finding, Verdict};

/// Widths of the two columns of values, unless more is asked for.
const VALUE_WIDTH: usize = 38;

/// One line for each finding, notes below; `value_width` characters for each of planned and observed (none: all of them).
#[must_use]
pub fn table(findings: &[Finding], value_width: Option<usize>) -> String {
    let rows: Vec<[String; 4]> = findings
        .iter()
        .map(|finding| {
            let name = match &finding.item {
                Some(item) => format!("{} {item}", finding.control),
                None => finding.control.clone(),
            };
            let cut = |text: &str| match value_width {
                Some(width) => shorten(&printable(text), width),
                None => printable(text),
            };
            [cut(&name), cut(&finding.planned), cut(&finding.observed), finding.verdict.to_string()]
        })
        .collect();
    let headings = ["CONTROL", "PLANNED", "OBSERVED"];
    let widths: [usize; 3] = std::array::from_fn(|column| {
        let longest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        longest.max(headings[column].len())
    });
    let mut out = String::new();
    let [control, planned, observed] = headings;
    line(&mut out, &widths, [control, planned, observed, "VERDICT"]);
    for (row, finding) in rows.iter().zip(findings) {
        line(&mut out, &widths, [&row[0], &row[1], &row[2], &row[3]]);
        if let Some(note) = &finding.note
            && (finding.verdict != Verdict::Holds || value_width.is_none())
        {
            let _ = writeln!(out, "    {}", printable(note));
        }
    }
    out
}

/// The table in its usual width.
#[must_use]
pub fn narrow_table(findings: &[Finding]) -> String {
    table(findings, Some(VALUE_WIDTH))
}

fn line(out: &mut String, widths: &[usize; 3], cells: [&str; 4]) {
    let [a, b, c, d] = cells;
    let [aw, bw, cw] = *widths;
    let _ = writeln!(out, "{a:aw$}  {b:bw$}  {c:cw$}  {d}");
}

/// What a container chose (a path, a name) must not steer the terminal of who reads about it.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(control: &str, observed: &str, verdict: Verdict) -> Finding {
        Finding {
            control: control.to_owned(),
            item: None,
            planned: "4".to_owned(),
            observed: observed.to_owned(),
            verdict,
            note: Some("why".to_owned()),
        }
    }

    #[test]
    fn columns_line_up_and_long_values_are_cut() {
        let findings = [finding("a", "4", Verdict::Holds), finding("bb", &"x".repeat(90), Verdict::Differs)];
        let text = table(&findings, Some(10));
        let expected = "CONTROL  PLANNED  OBSERVED    VERDICT\n\
            a        4        4           holds\n\
            bb       4        xxxxxxxxx…  differs\n    why\n";
        assert_eq!(text, expected);
        assert!(table(&findings, None).contains(&"x".repeat(90)));
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let text = narrow_table(&[finding("a", "\x1b[2J\u{9b}1m\n", Verdict::Differs)]);
        assert!(!text.contains('\x1b') && !text.contains('\u{9b}'));
        assert_eq!(text.lines().count(), 3);
    }
}
