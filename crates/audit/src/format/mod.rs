//! Reports as other programs and people read them. All of them are text without anything raw from what was looked at.

mod html;
mod junit;
mod oscal;
mod sarif;

pub use html::html;
pub use junit::junit;
pub use oscal::oscal;
pub use sarif::sarif;

/// Text for XML and HTML: no markup, and nothing that XML 1.0 does not allow.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for letter in crate::printable(text).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
