//! Dockerfiles, as BuildKit understands them (docs.docker.com/reference/dockerfile).
//!
//! Three layers: `lines` makes whole instructions of lines (continuations, comments, here-documents), `instruction` gives them
//! types, `stage` puts them into stages. Variables are replaced when a step is made, because only then their values are known.

mod copy;
mod error;
mod expand;
mod flags;
mod healthcheck;
mod instruction;
mod lines;
mod mount;
mod position;
mod stage;
mod words;

pub use copy::{CopySource, Transfer};
pub use error::{DockerfileError, Problem};
pub use expand::{ExpandError, Variables, expand, expand_words};
pub use instruction::{Command, Instruction, Located, Run};
pub use lines::{Directives, Heredoc, Lines, RawInstruction};
pub use mount::{BuildMount, MountType, NetworkChoice, Sharing};
pub use stage::{Dockerfile, From, Stage};

/// The words that begin an instruction.
pub const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];
