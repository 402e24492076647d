//! Checks on the kernel: tables of conditions, and one file for each check that is more than a condition.

mod command_line;
mod options;
mod parameters;
mod surface;
mod table;

use std::collections::BTreeSet;

use crate::condition::{Condition, Subject};
use crate::control::Control;
use crate::host::HostFacts;
use table::{Line, Theme};

fn themes() -> Vec<Theme> {
    let mut themes = options::themes();
    themes.extend(surface::themes());
    themes.extend(command_line::themes());
    themes.extend(parameters::themes());
    themes
}

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    themes().iter().flat_map(Theme::controls).collect()
}

/// Those of the checks that have one of these ids. A start of a container asks for a few, so that no other line is taken apart.
pub(super) fn controls_named(ids: &[String]) -> Vec<Control<HostFacts>> {
    let themes = themes();
    let named = themes.iter().flat_map(|theme| named(theme, ids).map(move |line| theme.control(line)));
    named.collect()
}

/// The lines of a theme that have one of these ids.
fn named<'a>(theme: &'a Theme, ids: &'a [String]) -> impl Iterator<Item = Line> + 'a {
    let bare = |id: &'a String| {
        let id = id.strip_prefix("kconfig.").or_else(|| id.strip_prefix("cmdline."));
        id.map_or("", str::trim)
    };
    let is_in = move |line: &str| {
        ids.iter().any(|id| line.contains(id.as_str()) || !bare(id).is_empty() && line.contains(bare(id)))
    };
    theme.parsed_where(is_in).filter(move |line| ids.contains(&line.id))
}

/// The parameters below `/proc/sys` that the tables ask for.
pub(crate) fn parameters_looked_at() -> BTreeSet<String> {
    themes().iter().flat_map(Theme::parsed).flat_map(parameters).collect()
}

/// Those that the checks with these ids ask for.
pub(crate) fn parameters_of(ids: &[String]) -> BTreeSet<String> {
    themes().iter().flat_map(|theme| named(theme, ids)).flat_map(parameters).collect()
}

fn parameters(line: Line) -> Vec<String> {
    let Ok(condition) = line.condition else { return Vec::new() };
    let names = condition.tests().into_iter().filter_map(|test| match &test.subject {
        Subject::Parameter(name) => Some(name.clone()),
        _ => None,
    });
    names.collect()
}

/// Whether a line of the tables looks at the kernel's configuration too.
pub(crate) fn asks_for_options(id: &str) -> bool {
    let ids = [id.to_owned()];
    let themes = themes();
    let line = themes.iter().flat_map(|theme| named(theme, &ids)).next();
    let asks = |condition: Condition| {
        condition.tests().iter().any(|test| matches!(test.subject, Subject::Option(_)))
    };
    line.and_then(|line| line.condition.ok()).is_none_or(asks)
}

#[cfg(test)]
pub(super) mod tests;
