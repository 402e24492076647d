//! Lines of tables of checks: the words, what judges, and in tests two examples that prove that it can fail and can pass.
//!
//! A table is made when somebody asks for it, and the words of a line are one text. A constant table would hold a pointer for
//! each word, and the loader writes every pointer of the program into each of its processes: also into the one that watches a
//! container for months and never audits anything.

use crate::control::{About, Body, Dimension, Gain, Severity};

/// What stands between the words of a line.
pub(crate) const SEPARATOR: char = '\u{1f}';

/// A check as one line of a table; `J` judges.
pub(crate) struct Line<J> {
    /// Id, title, why, remedy and references, with [`SEPARATOR`] between.
    text: &'static str,
    severity: Severity,
    gain: Gain,
    pub(crate) judge: J,
    /// An example on which it fails, in the words of its table's tests.
    #[cfg(test)]
    pub(crate) weak: &'static str,
    /// One on which it passes.
    #[cfg(test)]
    pub(crate) strong: &'static str,
}

impl<J> Line<J> {
    /// A line, as [`lines`] makes it. Not inlined: the compiler would put what it is made of into a constant after all.
    #[inline(never)]
    pub(crate) fn new(text: &'static str, severity: Severity, gain: Gain, judge: J) -> Self {
        Self {
            text,
            severity,
            gain,
            judge,
            #[cfg(test)]
            weak: "",
            #[cfg(test)]
            strong: "",
        }
    }

    /// With the examples of its test.
    #[cfg(test)]
    pub(crate) fn with_examples(self, weak: &'static str, strong: &'static str) -> Self {
        Self { weak, strong, ..self }
    }

    fn words(&self) -> impl Iterator<Item = &'static str> + use<J> {
        self.text.split(SEPARATOR)
    }

    /// The check's name.
    pub(crate) fn id(&self) -> &'static str {
        self.words().next().unwrap_or_default()
    }

    /// The words about it.
    pub(crate) fn about(&self, area: &'static str, dimension: Dimension) -> About {
        let mut words = self.words();
        let mut next = || words.next().unwrap_or_default();
        let about = About::new(area, next())
            .title(next())
            .why(next())
            .remedy(next())
            .weight(self.severity, self.gain)
            .dimension(dimension);
        words.fold(about, referring)
    }
}

/// Adds a reference: the body's word, a space, and what it calls its requirement.
pub(crate) fn referring(about: About, reference: &'static str) -> About {
    let Some((body, id)) = reference.split_once(' ') else { return about };
    match Body::of_word(body) {
        Some(body) => about.reference(body, id),
        None => about,
    }
}

/// The lines of a table, whose judges are of one type.
macro_rules! lines {
    ($judge:ty; $(Line {
        id: $id:literal, title: $title:literal, why: $why:literal, remedy: $remedy:literal,
        severity: $severity:expr, gain: $gain:expr, references: [$(($body:ident, $section:literal)),*],
        judge: $is_good:expr, weak: $weak:expr, strong: $strong:expr $(,)?
    }),* $(,)?) => {{
        let mut lines: Vec<$crate::line::Line<$judge>> = Vec::new();
        $(
            const _: &[$crate::control::Body] = &[$($crate::control::Body::$body),*];
            let line = $crate::line::Line::<$judge>::new(
                concat!($id, "\u{1f}", $title, "\u{1f}", $why, "\u{1f}", $remedy $(, "\u{1f}", stringify!($body), " ", $section)*),
                $severity, $gain, $is_good,
            );
            #[cfg(test)]
            let line = line.with_examples($weak, $strong);
            lines.push(line);
        )*
        lines
    }};
}
pub(crate) use lines;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_its_words() {
        let lines = lines! { fn(u8) -> bool;
            Line { id: "a.b", title: "A is b", why: "Because.", remedy: "do it", severity: Severity::High, gain: Gain::Denial, references: [(CisDocker, "4.1"), (Lynis, "X-1")], judge: |number| number > 1, weak: "1", strong: "2" },
        };
        let about = lines[0].about("area", Dimension::Engine);
        assert_eq!((about.id.as_ref(), about.title.as_ref()), ("a.b", "A is b"));
        assert_eq!((about.why.as_ref(), about.remedy.as_ref()), ("Because.", "do it"));
        let references: Vec<_> = about.references.iter().map(|one| (one.body, one.id.as_ref())).collect();
        assert_eq!(references, [(Body::CisDocker, "4.1"), (Body::Lynis, "X-1")]);
        assert!((lines[0].judge)(2) && lines[0].weak == "1");
    }

    #[test]
    fn every_body_has_its_word() {
        for body in Body::ALL {
            assert_eq!(Body::of_word(&format!("{body:?}")), Some(body));
        }
    }
}
