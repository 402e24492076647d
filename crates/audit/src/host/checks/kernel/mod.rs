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
use table::Theme;

fn themes() -> impl Iterator<Item = &'static Theme> {
    options::THEMES.iter().chain(surface::THEMES).chain(command_line::THEMES).chain(parameters::THEMES)
}

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    themes().flat_map(Theme::controls).collect()
}

/// The parameters below `/proc/sys` that the tables ask for.
pub(crate) fn parameters_looked_at() -> BTreeSet<String> {
    let conditions = themes().flat_map(Theme::parsed).filter_map(|line| line.condition.ok());
    let names = conditions.flat_map(|condition| {
        let tests = condition.tests().into_iter();
        tests
            .filter_map(|test| match &test.subject {
                Subject::Parameter(name) => Some(name.clone()),
                _ => None,
            })
            .collect::<Vec<_>>()
    });
    names.collect()
}

/// Whether a line of the tables looks at the kernel's configuration too.
pub(crate) fn asks_for_options(id: &str) -> bool {
    let line = themes().flat_map(Theme::parsed).find(|line| line.id == id);
    let asks = |condition: Condition| {
        condition.tests().iter().any(|test| matches!(test.subject, Subject::Option(_)))
    };
    line.and_then(|line| line.condition.ok()).is_none_or(asks)
}

#[cfg(test)]
mod tests;
