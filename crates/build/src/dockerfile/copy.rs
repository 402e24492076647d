//! `COPY` and `ADD`.

use super::error::Problem;
use super::flags::Flags;
use super::lines::{Heredoc, RawInstruction};
use super::{lines, words};

/// What is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// A path, a pattern or (for `ADD`) an address, with variables still in it.
    Path(String),
    /// A text of the Dockerfile itself.
    Heredoc(Heredoc),
}

/// A `COPY` or an `ADD`. Texts have their variables still in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// `ADD`: archives are unpacked, addresses fetched.
    pub add: bool,
    /// From where.
    pub sources: Vec<CopySource>,
    /// To where.
    pub destination: String,
    /// `--from`: a stage or an image; absent for the context.
    pub from: Option<String>,
    /// `--chown`
    pub chown: Option<String>,
    /// `--chmod`
    pub chmod: Option<String>,
    /// `--link`: what the stage has at the destination does not matter.
    pub link: bool,
    /// `--parents`: the sources' own folders are kept.
    pub parents: bool,
    /// `--exclude`
    pub exclude: Vec<String>,
    /// `--checksum`
    pub checksum: Option<String>,
    /// `--unpack`; absent for the instruction's own way.
    pub unpack: Option<bool>,
}

impl Transfer {
    pub(super) fn parse(add: bool, raw: &RawInstruction, escape: char) -> Result<Self, Problem> {
        let (name, known): (&str, &[&str]) = if add {
            ("ADD", &["chown", "chmod", "link", "exclude", "checksum", "keep-git-dir", "unpack"])
        } else {
            ("COPY", &["from", "chown", "chmod", "link", "exclude", "parents"])
        };
        let (flags, rest) = Flags::take(name, &raw.rest, escape, known, &["exclude"])?;
        if add && flags.switch("keep-git-dir")?.is_some() {
            let why = "repositories are not fetched; clone it beside the Dockerfile and COPY it";
            return Err(Problem::NotBuilt { what: "ADD --keep-git-dir".into(), why });
        }
        let mut given = words::json_list(rest).unwrap_or_else(|| words::split(rest, escape));
        let Some(destination) = given.pop().filter(|_| !given.is_empty()) else {
            return Err(Problem::arguments(name, "it needs at least one source and a destination"));
        };
        if lines::heredoc(&destination).is_some() {
            return Err(Problem::arguments(name, "its destination cannot be a here-document"));
        }
        // Without a match: the word stands in a JSON list.
        let heredoc = |word: &str| {
            let found = lines::heredoc(word)?;
            raw.heredocs.iter().find(|heredoc| heredoc.name == found.name).cloned()
        };
        let sources = given.into_iter().map(|word| match heredoc(&word) {
            Some(heredoc) => CopySource::Heredoc(heredoc),
            None => CopySource::Path(word),
        });
        Ok(Self {
            add,
            sources: sources.collect(),
            destination,
            from: if add { None } else { flags.one("from")? },
            chown: flags.one("chown")?,
            chmod: flags.one("chmod")?,
            link: flags.switch("link")?.unwrap_or(false),
            parents: !add && flags.switch("parents")?.unwrap_or(false),
            exclude: flags.all("exclude")?,
            checksum: if add { flags.one("checksum")? } else { None },
            unpack: if add { flags.switch("unpack")? } else { None },
        })
    }
}
