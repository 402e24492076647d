//! `cofferdam image bootstrap`: a base image out of a distribution's own package archive, without any registry.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use clap::Parser;
use cofferdam_engine::ImportSource;
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
        let engine = engine(globals)?;
        let mut maker = self.start(&release)?;
        let Some(mut tar) = maker.stdout.take() else {
            return Err(Report::new("cannot read what mmdebstrap writes"));
        };
        let config = ImageConfig {
            env: vec![PATH.to_owned()],
            cmd: vec!["/bin/bash".to_owned()],
            ..ImageConfig::default()
        };
        let imported = engine.import_image(ImportSource::Tar(&mut tar), name, &config);
        drop(tar);
        // It says itself what went wrong: its end comes before what was made of half of its tar.
        let ended =
            maker.wait().map_err(|error| Report::new("cannot wait for mmdebstrap").because(&error))?;
        if !ended.success() {
            if imported.is_ok() {
                engine.remove_image(name, false)?;
            }
            return Err(Report::new(format!(
                "cannot bootstrap {}: mmdebstrap ended with {ended}",
                self.release
            )));
        }
        writeln!(std::io::stdout().lock(), "{}", imported?.id)?;
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

    /// Starts the distribution's own tool. Its signatures are checked by apt with the host's keys.
    fn start(&self, release: &Release<'_>) -> Result<Child, Report> {
        let mut command = Command::new("mmdebstrap");
        command.arg(format!("--variant={}", self.variant)).args(["--format=tar", "--quiet"]);
        if !self.include.is_empty() {
            command.arg(format!("--include={}", self.include.join(",")));
        }
        command.args([release.suite, "-", release.mirror]).stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().map_err(|error| {
            let report = Report::new("cannot run mmdebstrap").because(&error);
            if error.kind() != std::io::ErrorKind::NotFound {
                return report;
            }
            let other = ["/usr/sbin/debootstrap", "/sbin/debootstrap"].into_iter().any(|path| Path::new(path).exists());
            report.hint(if other {
                "install the package mmdebstrap; or run debootstrap into a folder, and `cofferdam image import` it"
            } else {
                "install the package mmdebstrap"
            })
        })
    }
}
