//! `cofferdam image trust`: the keys and the authorities whose signatures count on this host.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use cofferdam_engine::Engine;
use cofferdam_engine::signature::{PublicKey, SigningKey};
use cofferdam_names::KeyName;

use crate::client_file;
use crate::command::Run;
use crate::globals::Globals;
use crate::report::{Outcome, Report};
use crate::session::{engine, registry_client};
use crate::table::align;

/// Flags of `image trust`.
#[derive(Debug, Parser)]
#[command(
    override_usage = "cofferdam image trust [NAME FILE | --authorities FILE | --rm NAME | --check IMAGE | --generate FILE]"
)]
pub(crate) struct ImageTrustCommand {
    /// Trust a key no longer
    #[arg(long, value_name = "NAME", conflicts_with_all = ["name", "check", "generate"])]
    rm: Vec<KeyName>,
    /// Trust the authorities and logs of FILE, sigstore's trusted_root.json, in the place of those before; `none` for no authorities
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "check", "generate", "rm"])]
    authorities: Option<PathBuf>,
    /// Fetch the signatures of an image and print the trusted keys that have signed it, and who has with a trusted certificate
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["name", "generate"])]
    check: Option<String>,
    /// Make a key: the private one in FILE, which must not exist, the public one in FILE.pub
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    generate: Option<PathBuf>,
    /// What zones call the key: signed_by = ["NAME"]; without it, list all keys
    #[arg(value_name = "NAME", requires = "file")]
    name: Option<KeyName>,
    /// The public key (PEM, as cosign and openssl write it)
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Run for ImageTrustCommand {
    fn run(self, globals: &Globals) -> Outcome {
        if let Some(file) = &self.generate {
            return generate(file);
        }
        let engine = engine(globals)?;
        if let Some(file) = &self.authorities {
            return trust_authorities(&engine, file);
        }
        if let Some(image) = &self.check {
            return check(&engine, globals, image);
        }
        if let (Some(name), Some(file)) = (&self.name, &self.file) {
            return add(&engine, name, file);
        }
        if self.rm.is_empty() {
            return list(&engine);
        }
        for name in &self.rm {
            if !engine.distrust_key(name)? {
                return Err(Report::new(format!("no such key: {name}")).hint("see `cofferdam image trust`"));
            }
            writeln!(std::io::stdout().lock(), "{name}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn add(engine: &Engine, name: &KeyName, file: &Path) -> Outcome {
    let text = client_file::text(file, "the public key")?;
    let key = PublicKey::from_pem(text.as_bytes()).map_err(|error| {
        Report::new(format!("cannot use the public key {}", file.display())).because(&error)
    })?;
    engine.trust_key(name, &key)?;
    writeln!(std::io::stdout().lock(), "{name}: {key}")?;
    Ok(ExitCode::SUCCESS)
}

fn trust_authorities(engine: &Engine, file: &Path) -> Outcome {
    let mut out = std::io::stdout().lock();
    if file == Path::new("none") {
        if !engine.distrust_authorities()? {
            return Err(Report::new("no authorities are trusted"));
        }
    } else {
        let text = client_file::text(file, "the trusted authorities")?;
        writeln!(out, "{}", engine.trust_authorities(text.as_bytes())?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list(engine: &Engine) -> Outcome {
    let keys = engine.trusted_keys()?;
    let lines = keys.iter().map(|(name, key)| format!("{name}\t{key}"));
    let lines: Vec<String> = std::iter::once("NAME\tKEY".to_owned()).chain(lines).collect();
    let mut out = std::io::stdout().lock();
    out.write_all(align(lines.iter().map(String::as_str)).as_bytes())?;
    if let Some(root) = engine.trust_root()? {
        writeln!(out, "{root}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One line for each key and each identity; a failure where there is none.
fn check(engine: &Engine, globals: &Globals, image: &str) -> Outcome {
    engine.pull_signatures(&registry_client(globals)?, image)?;
    let keys = engine.image_signers(image)?;
    let identities = engine.image_identities(image)?;
    if keys.is_empty() && identities.is_empty() {
        return Err(Report::new(format!("nobody who is trusted has signed image {image}"))
            .hint("see `cofferdam image trust` for the keys and authorities that are trusted"));
    }
    let mut out = std::io::stdout().lock();
    for key in keys {
        writeln!(out, "{key}")?;
    }
    for identity in identities {
        writeln!(out, "{identity}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn generate(file: &Path) -> Outcome {
    let (key, pem) = SigningKey::generate().map_err(|error| Report::from_error(&error))?;
    let mut public = file.to_owned().into_os_string();
    public.push(".pub");
    write_new(file, pem.as_bytes(), 0o600)?;
    write_new(Path::new(&public), key.public().to_pem().as_bytes(), 0o644)?;
    writeln!(std::io::stdout().lock(), "{}", key.public())?;
    Ok(ExitCode::SUCCESS)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Report> {
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create_new(true), mode)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|error| Report::new(format!("cannot write {}", path.display())).because(&error))
}
