//! One value of one control file: what is written, what reads back, and how it is read. The same list of settings is
//! applied and observed, so that nothing can be applied and then not be looked at.

use std::borrow::Cow;
use std::path::Path;

use super::Controller;
use super::control_file::{self, ControlFileError};

/// One value of one control file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The control as OCI's config names it (`memory.limit`).
    pub control: Cow<'static, str>,
    /// Who enforces it; none for v2's own files and its core.
    pub controller: Option<Controller>,
    /// The file's name in the group's folder.
    pub file: Cow<'static, str>,
    /// What is written.
    pub value: String,
    /// What the kernel says when asked afterwards: its own rounding and spelling.
    pub planned: String,
    /// Where in the file that stands.
    pub(super) reading: Reading,
}

/// Where in a control file the value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// The file is the value.
    Whole,
    /// Behind `key` on its own line; `absent` is what a missing line means.
    Line { key: String, absent: &'static str },
    /// `field=VALUE` on the line of `key`; `absent` is what a missing line or field means.
    Field { key: String, field: &'static str, absent: &'static str },
    /// As many words as were planned, from the start of the file.
    Words(usize),
    /// On the line of `key`, those of its `field=VALUE` words whose fields were planned.
    Fields { key: String, fields: Vec<String> },
}

impl Setting {
    /// A setting whose file is its value.
    pub(super) fn whole(
        control: &'static str,
        controller: Controller,
        file: impl Into<Cow<'static, str>>,
        value: impl ToString,
    ) -> Self {
        let value = value.to_string();
        Self {
            control: control.into(),
            controller: Some(controller),
            file: file.into(),
            planned: value.clone(),
            value,
            reading: Reading::Whole,
        }
    }

    /// The same with the kernel's own rounding or spelling of it.
    pub(super) fn reads_back(mut self, planned: impl ToString) -> Self {
        self.planned = planned.to_string();
        self
    }

    /// The same with another place in the file.
    pub(super) fn read_as(mut self, reading: Reading) -> Self {
        self.reading = reading;
        self
    }

    /// The same for one of several subjects (a device, an interface): `network.priorities[eth0]`.
    pub(super) fn of(mut self, subject: &dyn std::fmt::Display) -> Self {
        self.control = format!("{}[{subject}]", self.control).into();
        self
    }

    /// Writes it into the group at `folder`.
    pub(super) fn apply(&self, folder: &Path) -> std::io::Result<()> {
        let path = folder.join(self.file.as_ref());
        // The kernel takes one line for each write.
        self.value.lines().try_for_each(|line| control_file::write(&path, line))
    }

    /// What the group at `folder` has.
    pub(super) fn observe(&self, folder: &Path) -> Result<String, ControlFileError> {
        Ok(self.reading.of(&control_file::read(&folder.join(self.file.as_ref()))?))
    }
}

impl Reading {
    /// The value in a file's text.
    fn of(&self, text: &str) -> String {
        match self {
            Self::Whole => text.trim().to_owned(),
            Self::Line { key, absent } => line(text, key).map_or_else(|| (*absent).to_owned(), str::to_owned),
            Self::Field { key, field, absent } => line(text, key)
                .and_then(|rest| {
                    rest.split_whitespace().find_map(|word| word.strip_prefix(field)?.strip_prefix('='))
                })
                .unwrap_or(absent)
                .to_owned(),
            Self::Words(count) => text.split_whitespace().take(*count).collect::<Vec<_>>().join(" "),
            Self::Fields { key, fields } => {
                let words: Vec<_> = line(text, key).unwrap_or_default().split_whitespace().collect();
                let found = fields.iter().filter_map(|field| {
                    words.iter().find(|word| word.split('=').next() == Some(field.as_str())).copied()
                });
                std::iter::once(key.as_str()).chain(found).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// What stands behind `key` on its line.
fn line<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_found_where_it_stands() {
        let io_max = "8:0 rbps=100 wbps=max riops=5 wiops=max\n8:16 rbps=7 wbps=max riops=max wiops=max\n";
        let key = || "8:0".to_owned();
        for (reading, text, value) in [
            (Reading::Whole, "max\n", "max"),
            (Reading::Line { key: key(), absent: "0" }, "8:0 55\n", "55"),
            (Reading::Line { key: key(), absent: "0" }, "18:0 55\n", "0"),
            (Reading::Field { key: key(), field: "riops", absent: "max" }, io_max, "5"),
            (Reading::Field { key: "8:1".to_owned(), field: "rbps", absent: "max" }, io_max, "max"),
            (Reading::Words(1), "50000 100000\n", "50000"),
            (
                Reading::Fields { key: key(), fields: vec!["riops".to_owned(), "rbps".to_owned()] },
                io_max,
                "8:0 riops=5 rbps=100",
            ),
        ] {
            assert_eq!(reading.of(text), value, "{reading:?}");
        }
    }
}
