//! `cofferdam cp`: files out of a container and into one.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::{Copied, CopyOptions};
use cofferdam_names::ContainerPath;

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::{container, engine};
use crate::size;

/// Flags of `cp`.
#[derive(Debug, Parser)]
#[command(
    override_usage = "cofferdam cp [OPTIONS] CONTAINER:PATH PATH|-\n       cofferdam cp [OPTIONS] PATH|- CONTAINER:PATH"
)]
pub(crate) struct CpCommand {
    /// Archive mode: keep the numbers of users and groups, and set-user-ID bits
    #[arg(short, long)]
    archive: bool,
    /// Follow a symbolic link as the source
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Say nothing
    #[arg(short, long)]
    quiet: bool,
    /// What is copied: CONTAINER:PATH, PATH, or - for a tar on standard input
    #[arg(value_name = "SOURCE")]
    source: String,
    /// Where it goes: CONTAINER:PATH, PATH, or - for a tar on standard output
    #[arg(value_name = "TARGET")]
    target: String,
}

/// One side of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Side {
    Host(PathBuf),
    Stream,
    Container { word: String, path: ContainerPath },
}

/// Docker's rule: a path that begins with `/` or `.` is the host's, else what stands before a colon is a container.
fn side(text: &str) -> Result<Side, Report> {
    if text == "-" {
        return Ok(Side::Stream);
    }
    let local = text.starts_with('/') || text.starts_with('.');
    let Some((word, path)) = text.split_once(':').filter(|_| !local) else {
        return Ok(Side::Host(text.into()));
    };
    if word.is_empty() {
        return Err(Report::new(format!("no container before the colon of {text:?}")));
    }
    // Relative to the container's root, as with Docker.
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let path =
        path.parse().map_err(|error| Report::new(format!("invalid path in {text:?}")).because(&error))?;
    Ok(Side::Container { word: word.to_owned(), path })
}

impl Run for CpCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let options = CopyOptions { archive: self.archive, follow: self.follow_link };
        let copied = match (side(&self.source)?, side(&self.target)?) {
            (Side::Container { .. }, Side::Container { .. }) => {
                return Err(Report::new("cannot copy between two containers")
                    .hint("pass a tar on: cofferdam cp A:PATH - | cofferdam cp - B:PATH"));
            }
            (Side::Container { word, path }, Side::Host(to)) => {
                let engine = engine(globals)?;
                engine.copy_out(&container(&engine, &word)?, &path, &to, options)?
            }
            (Side::Container { word, path }, Side::Stream) => {
                let out = std::io::stdout();
                if out.is_terminal() {
                    return Err(Report::new("cannot write a tar to a terminal").hint("redirect it to a file"));
                }
                let engine = engine(globals)?;
                let id = container(&engine, &word)?;
                let mut out = std::io::BufWriter::with_capacity(1 << 16, out.lock());
                engine.pack_out(&id, &path, &mut out, options)?;
                out.flush()?;
                return Ok(ExitCode::SUCCESS);
            }
            (Side::Host(from), Side::Container { word, path }) => {
                let engine = engine(globals)?;
                engine.copy_in(&container(&engine, &word)?, &from, &path, options)?
            }
            (Side::Stream, Side::Container { word, path }) => {
                let engine = engine(globals)?;
                engine.unpack_in(&container(&engine, &word)?, &mut std::io::stdin().lock(), &path)?
            }
            (Side::Host(_) | Side::Stream, Side::Host(_) | Side::Stream) => {
                return Err(Report::new("neither side is a container")
                    .hint("a container's path is written CONTAINER:PATH"));
            }
        };
        self.tell(copied)
    }
}

impl CpCommand {
    fn tell(&self, copied: Copied) -> Outcome {
        let mut err = std::io::stderr().lock();
        if copied.left_out > 0 {
            writeln!(err, "cofferdam: left out {} device nodes, pipes and sockets", copied.left_out)?;
        }
        if !self.quiet && std::io::stderr().is_terminal() {
            writeln!(err, "Successfully copied {} to {}", size::decimal(copied.bytes), self.target)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_before_a_colon_is_a_container() {
        let inside = |path: &str| Side::Container { word: "box".into(), path: path.parse().unwrap() };
        assert_eq!(side("box:/etc").unwrap(), inside("/etc"));
        assert_eq!(side("box:etc").unwrap(), inside("/etc"));
        assert_eq!(side("box:").unwrap(), inside("/"));
        assert_eq!(side("./a:b").unwrap(), Side::Host("./a:b".into()));
        assert_eq!(side("/a:b").unwrap(), Side::Host("/a:b".into()));
        assert_eq!(side("file").unwrap(), Side::Host("file".into()));
        assert_eq!(side("-").unwrap(), Side::Stream);
        assert!(side(":/x").is_err());
    }
}
