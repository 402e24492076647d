//! `cofferdam image sign`: signs images with a key, as cosign does.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::signature::SigningKey;

use super::pull::reference;
use crate::client_file;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::engine;

/// Flags of `image sign`.
#[derive(Debug, Parser)]
pub(crate) struct ImageSignCommand {
    /// The private key (PEM, PKCS#8, ECDSA on P-256 or Ed25519)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Their names; `push` takes the signatures along
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

impl Run for ImageSignCommand {
    fn run(self, globals: &Globals) -> Outcome {
        let text = client_file::text(&self.key, "the private key")?;
        let key = SigningKey::from_pem(text.as_bytes()).map_err(|error| {
            Report::new(format!("cannot use the private key {}", self.key.display())).because(&error)
        })?;
        let engine = engine(globals)?;
        for image in &self.images {
            let digest = engine.sign_image(&reference(image)?, &key)?;
            writeln!(std::io::stdout().lock(), "{digest}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
