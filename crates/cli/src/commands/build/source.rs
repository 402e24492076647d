//! Where the files of a build and its Dockerfile are.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use cofferdam_engine::{BuildFile, BuildSource};

use crate::report::Report;

/// The most bytes of a Dockerfile.
const MOST_TEXT: u64 = 16 << 20;

/// Finds out what `PATH` and `--file` mean.
pub(super) fn read(path: &str, file: Option<&Path>) -> Result<BuildSource, Report> {
    if is_address(path) {
        return Err(Report::new(format!("cannot use {path} as the files of a build"))
            .hint("nothing is fetched from the network; clone or download it, and name the folder"));
    }
    let dash = Path::new("-");
    match (path, file) {
        ("-", Some(file)) if file == dash => {
            Err(Report::new("standard input cannot be both the Dockerfile and the files of the build"))
        }
        ("-", file) => standard_input(file),
        (folder, Some(file)) if file == dash => {
            let mut text = String::new();
            let read = input()?.take(MOST_TEXT).read_to_string(&mut text);
            read.map_err(|error| {
                Report::new("cannot read the Dockerfile from standard input").because(&error)
            })?;
            let file = BuildFile::Text { name: "Dockerfile".to_owned(), text };
            Ok(BuildSource::Folder(existing(folder)?, file))
        }
        (folder, file) => {
            let folder = existing(folder)?;
            let file = match file {
                None => BuildFile::InContext(default_file(&folder)),
                Some(file) => named(&folder, file)?,
            };
            Ok(BuildSource::Folder(folder, file))
        }
    }
}

fn is_address(path: &str) -> bool {
    path.contains("://") || path.starts_with("git@") || path.starts_with("github.com/")
}

fn existing(folder: &str) -> Result<PathBuf, Report> {
    let path = PathBuf::from(folder);
    if path.is_dir() { Ok(path) } else { Err(Report::new(format!("there is no folder {folder}"))) }
}

/// Podman's name is taken as well, where Docker's is not there.
fn default_file(folder: &Path) -> PathBuf {
    let other = !folder.join("Dockerfile").exists() && folder.join("Containerfile").exists();
    PathBuf::from(if other { "Containerfile" } else { "Dockerfile" })
}

/// A Dockerfile that was named: in the context if it is there, else its text.
fn named(folder: &Path, file: &Path) -> Result<BuildFile, Report> {
    let failed = |error| Report::new(format!("cannot read {}", file.display())).because(&error);
    let whole = file.canonicalize().map_err(failed)?;
    let context = folder.canonicalize().map_err(failed)?;
    if let Ok(inner) = whole.strip_prefix(&context) {
        return Ok(BuildFile::InContext(inner.to_owned()));
    }
    let text = std::fs::read_to_string(&whole).map_err(failed)?;
    Ok(BuildFile::Text { name: file.display().to_string(), text })
}

fn input() -> Result<std::io::Stdin, Report> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return Err(Report::new("cannot read the files of a build from a terminal").hint("name a folder"));
    }
    Ok(input)
}

/// A tar of the files, or a Dockerfile alone: its first bytes tell.
fn standard_input(file: Option<&Path>) -> Result<BuildSource, Report> {
    let failed = |error| Report::new("cannot read standard input").because(&error);
    let mut input = input()?;
    let mut head = Vec::new();
    input.by_ref().take(512).read_to_end(&mut head).map_err(failed)?;
    if is_archive(&head) {
        let stream: Box<dyn Read> = Box::new(std::io::Cursor::new(head).chain(input));
        let name = file.unwrap_or(Path::new("Dockerfile"));
        return Ok(BuildSource::Tar(stream, BuildFile::InContext(name.to_owned())));
    }
    if file.is_some() {
        return Err(Report::new("what comes on standard input is no tar, and holds no --file"));
    }
    input.take(MOST_TEXT).read_to_end(&mut head).map_err(failed)?;
    let text = String::from_utf8(head)
        .map_err(|_| Report::new("what comes on standard input is neither a tar nor a Dockerfile"))?;
    Ok(BuildSource::Nowhere(BuildFile::Text { name: "Dockerfile".to_owned(), text }))
}

fn is_archive(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
        || [&b"\x1f\x8b"[..], b"\x28\xb5\x2f\xfd", b"\xfd7zXZ"].iter().any(|magic| head.starts_with(magic))
}
