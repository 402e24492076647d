//! The graph as text and for Graphviz.

use std::fmt::Write;

use super::{Arrow, Graph, Party};

impl Graph {
    /// One line for each arrow, by zone.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (number, zone) in self.zones.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            let _ = writeln!(
                text,
                "{separator}zone {}{}",
                zone.name,
                if zone.linked { "" } else { ": no network" }
            );
            if zone.host {
                text.push_str("  !  may share the host's network, where no rule holds\n");
            }
            let own = Party::Zone(zone.name.clone());
            for arrow in self.arrows.iter().filter(|arrow| arrow.from == own) {
                line(&mut text, "->", &arrow.to, arrow);
            }
            for arrow in self.arrows.iter().filter(|arrow| arrow.to == own && arrow.from != own) {
                line(&mut text, "<-", &arrow.from, arrow);
            }
        }
        text
    }

    /// For Graphviz's dot(1).
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut text = String::from(
            "digraph zones {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n",
        );
        for zone in &self.zones {
            let style = if zone.linked { "filled" } else { "dashed" };
            let _ = writeln!(
                text,
                "  {} [label={}, shape=box, style={style}, fillcolor=\"#e8f0fe\"];",
                quoted(&Party::Zone(zone.name.clone()).to_string()),
                quoted(zone.name.as_str()),
            );
        }
        for arrow in &self.arrows {
            let (mut label, style) = (what(arrow), if arrow.missing.is_some() { "dotted" } else { "solid" });
            if let Some(missing) = &arrow.missing {
                label = format!("{label} ({missing})");
            }
            let (from, to) = (outside(&arrow.from, "from"), outside(&arrow.to, "to"));
            let _ = writeln!(
                text,
                "  {} -> {} [label={}, style={style}];",
                quoted(&from),
                quoted(&to),
                quoted(&label)
            );
        }
        text.push_str("}\n");
        text
    }
}

/// Who comes from outside stands apart from who is reached there.
fn outside(party: &Party, side: &str) -> String {
    match party {
        Party::Zone(_) => party.to_string(),
        Party::Outside(word) if side == "from" => format!("from {word}"),
        Party::Outside(word) => word.clone(),
    }
}

pub(super) fn what(arrow: &Arrow) -> String {
    arrow.what.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
}

fn line(text: &mut String, sign: &str, other: &Party, arrow: &Arrow) {
    let what = what(arrow);
    let _ = match &arrow.missing {
        None => writeln!(text, "  {sign} {other:<24} {what}"),
        Some(missing) => {
            writeln!(text, "  {} {other:<24} {what} (nothing passes: {missing})", sign.replace('-', "x"))
        }
    };
}

/// A quoted text of the dot language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
