//! `cofferdam image bootstrap`: a base image out of a distribution's own package archive, without any registry.

use std::io::{ErrorKind, Write};
use std::process::{Child, Command, ExitCode, Stdio};

use clap::Parser;
use cofferdam_engine::ImportSource;
use cofferdam_names::ImageReference;
use cofferdam_policy::ImageConfig;

use super::image_import::PATH;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;

/// Flags of `image bootstrap`.
#[derive(Debug, Parser)]
pub(crate) struct ImageBootstrapCommand {
    /// The image's name (default: DISTRIBUTION:SUITE)
    #[arg(short, long, value_name = "NAME")]
    tag: Option<String>,
    /// The archive (default: the distribution's own)
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Which packages: minbase (the least that apt works with), apt, essential
    #[arg(long, value_name = "VARIANT", default_value = "minbase", hide_default_value = true)]
    variant: String,
    /// One more package
    #[arg(long, value_name = "PACKAGE")]
    include: Vec<String>,
    /// debian:SUITE or ubuntu:SUITE, such as debian:bookworm
    #[arg(value_name = "DISTRIBUTION:SUITE")]
    release: String,
}

/// What is made of what.
struct Release<'a> {
    suite: &'a str,
    mirror: &'a str,
}

impl Run for ImageBootstrapCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let release = self.release()?;
        let name = self.tag.as_deref().unwrap_or(&self.release);
        // Before the minutes that the rest takes.
        name.parse::<ImageReference>()
            .map_err(|error| Report::new(format!("cannot name an image {name}")).because(&error))?;
        let engine = engine(globals)?;
        let (program, mut maker) = self.start(&release)?;
        let Some(mut tar) = maker.stdout.take() else {
            return Err(Report::new(format!("cannot read what {program} writes")));
        };
        let config = ImageConfig {
            env: vec![PATH.to_owned()],
            cmd: vec!["/bin/bash".to_owned()],
            ..ImageConfig::default()
        };
        // It gets its name when all is well: until then the name may be another image's.
        let draft = format!("cofferdam-bootstrap:{}", std::process::id());
        let imported = engine.import_image(ImportSource::Tar(&mut tar), &draft, &config);
        drop(tar);
        let waited = maker.wait();
        let ended =
            waited.map_err(|error| Report::new(format!("cannot wait for {program}")).because(&error))?;
        // It says itself what went wrong: its end comes before what was made of half of its tar.
        let done = if ended.success() {
            imported.map_err(Report::from).and_then(|imported| {
                engine.tag_image(&draft, name)?;
                Ok(imported.id)
            })
        } else {
            Err(Report::new(format!("cannot bootstrap {}: {program} ended with {ended}", self.release)))
        };
        // Without a draft there is nothing to remove.
        let _ = engine.remove_image(&draft, false);
        writeln!(std::io::stdout().lock(), "{}", done?)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl ImageBootstrapCommand {
    fn release(&self) -> Result<Release<'_>, Report> {
        let refuse = |why: String| {
            Report::new(format!("cannot bootstrap {}: {why}", self.release))
                .hint("it is debian:SUITE or ubuntu:SUITE, such as debian:bookworm")
        };
        let (distribution, suite) =
            self.release.split_once(':').ok_or_else(|| refuse("it names no suite".to_owned()))?;
        let own = match distribution {
            "debian" => "http://deb.debian.org/debian",
            "ubuntu" => "http://archive.ubuntu.com/ubuntu",
            other => return Err(refuse(format!("the archive of {other} is not known"))),
        };
        // Both become arguments of another program.
        let word = |text: &str| {
            text.starts_with(|first: char| first.is_ascii_alphanumeric())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.+".contains(&byte))
        };
        if !word(suite) {
            return Err(refuse(format!("{suite:?} is no suite")));
        }
        if let Some(package) = self.include.iter().find(|package| !word(package)) {
            return Err(refuse(format!("{package:?} is no package")));
        }
        if !matches!(self.variant.as_str(), "minbase" | "apt" | "essential") {
            return Err(Report::new(format!("invalid value {:?} for --variant", self.variant))
                .hint("it is one of minbase, apt, essential"));
        }
        let mirror = self.mirror.as_deref().unwrap_or(own);
        if !(mirror.starts_with("http://") || mirror.starts_with("https://") || mirror.starts_with("file://"))
        {
            return Err(refuse(format!("{mirror:?} is no address of an archive")));
        }
        Ok(Release { suite, mirror })
    }

    /// Starts the distribution's own tool, which writes a tar. Signatures are checked by apt or gpgv with the host's keys.
    fn start(&self, release: &Release<'_>) -> Result<(&'static str, Child), Report> {
        let mut command = Command::new("mmdebstrap");
        command.arg(format!("--variant={}", self.variant)).args(["--format=tar", "--quiet"]);
        command.args(self.included()).args([release.suite, "-", release.mirror]);
        match spawn(&mut command) {
            Ok(child) => Ok(("mmdebstrap", child)),
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Report::new("cannot run mmdebstrap").because(&error))
            }
            Err(_) => Ok(("debootstrap", self.start_debootstrap(release)?)),
        }
    }

    /// Where there is no mmdebstrap.
    fn start_debootstrap(&self, release: &Release<'_>) -> Result<Child, Report> {
        if !is_there("debootstrap") {
            return Err(Report::new("there is neither mmdebstrap nor debootstrap on this host")
                .hint("install the package mmdebstrap"));
        }
        if self.variant != "minbase" {
            return Err(Report::new(format!("debootstrap has no variant {}", self.variant))
                .hint("install the package mmdebstrap"));
        }
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", DEBOOTSTRAP, "sh"]).args(self.included());
        command.args([release.suite, release.mirror]);
        spawn(&mut command).map_err(|error| Report::new("cannot run debootstrap").because(&error))
    }

    fn included(&self) -> Option<String> {
        (!self.include.is_empty()).then(|| format!("--include={}", self.include.join(",")))
    }
}

/// debootstrap fills a folder. What it mounts is in a mount namespace that ends with it, so nothing of the host can be below
/// the folder that is removed.
const DEBOOTSTRAP: &str = r#"set -e
root=$(mktemp -d /var/tmp/cofferdam-bootstrap-XXXXXX)
trap 'rm -rf --one-file-system "$root"' EXIT
if [ $# -eq 3 ]; then set -- "$1" "$2" "$root" "$3"; else set -- "$1" "$root" "$2"; fi
debootstrap --variant=minbase "$@" >&2
rm -f "$root"/var/cache/apt/archives/*.deb
tar --create --file=- --directory="$root" --one-file-system --numeric-owner --xattrs --xattrs-include='*' ."#;

/// Starts a program whose output is read.
fn spawn(command: &mut Command) -> std::io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}

/// Whether a program is where the shell would look.
fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
