//! `cofferdam image import`: a folder or a tar becomes an image.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::{Error, ImportSource, Imported};
use cofferdam_names::ContainerPath;
use cofferdam_policy::{ImageConfig, key_value};

use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;

/// Flags of `image import`.
#[derive(Debug, Parser)]
pub(crate) struct ImageImportCommand {
    /// A word of the command of containers that are given none; give it once for each word (default: /bin/sh)
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    cmd: Vec<String>,
    /// Set an environment variable of its containers (default: PATH)
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Their user: NAME|UID[:GROUP|GID]
    #[arg(short, long, default_value = "", hide_default_value = true)]
    user: String,
    /// Their working directory
    #[arg(short, long, default_value = "", hide_default_value = true)]
    workdir: String,
    /// A path of its containers that is a volume, unless they are given another one
    #[arg(long, value_name = "PATH")]
    volume: Vec<ContainerPath>,
    /// Set a label on the image
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    label: Vec<String>,
    /// A folder or a tar that holds a root file system; - for a tar on standard input
    #[arg(value_name = "FOLDER|FILE|-")]
    source: PathBuf,
    /// The image's name
    #[arg(value_name = "NAME")]
    name: String,
}

/// The search path of Debian's and Docker's containers.
pub(super) const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Run for ImageImportCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let config = self.config()?;
        let engine = engine(globals)?;
        let import = |source: ImportSource<'_>| -> Result<Imported, Error> {
            engine.import_image(source, &self.name, &config)
        };
        let imported = if self.source == Path::new("-") {
            if std::io::stdin().is_terminal() {
                return Err(Report::new("cannot read a tar from a terminal").hint("name a folder or a file"));
            }
            import(ImportSource::Tar(&mut std::io::stdin().lock()))?
        } else if self.source.is_dir() {
            import(ImportSource::Folder(&self.source))?
        } else {
            let file = std::fs::File::open(&self.source).map_err(|error| {
                Report::new(format!("cannot open {}", self.source.display())).because(&error)
            })?;
            import(ImportSource::Tar(&mut std::io::BufReader::with_capacity(1 << 16, file)))?
        };
        if imported.left_out > 0 {
            writeln!(
                std::io::stderr().lock(),
                "cofferdam: left out {} device nodes, pipes and sockets: a container gets its own",
                imported.left_out
            )?;
        }
        writeln!(std::io::stdout().lock(), "{}", imported.id)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl ImageImportCommand {
    fn config(&self) -> Result<ImageConfig, Report> {
        if let Some(entry) = self.env.iter().find(|entry| entry.find('=').is_none_or(|at| at == 0)) {
            return Err(
                Report::new(format!("invalid value {entry:?} for --env")).hint("its form is NAME=VALUE")
            );
        }
        if !(self.workdir.is_empty() || self.workdir.starts_with('/')) {
            return Err(
                Report::new(format!("invalid value {:?} for --workdir", self.workdir)).hint("it is absolute")
            );
        }
        let mut env = self.env.clone();
        if !env.iter().any(|entry| entry.starts_with("PATH=")) {
            env.insert(0, PATH.to_owned());
        }
        let cmd = if self.cmd.is_empty() { vec!["/bin/sh".to_owned()] } else { self.cmd.clone() };
        let (user, workdir) = (self.user.clone(), self.workdir.clone());
        let volumes = self.volume.iter().map(ToString::to_string).collect();
        let labels = self.label.iter().map(|label| key_value(label)).collect();
        Ok(ImageConfig { env, cmd, user, workdir, volumes, labels, ..ImageConfig::default() })
    }
}
