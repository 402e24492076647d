//! `--output`.

use std::path::PathBuf;

use cofferdam_engine::BuildOutput;

use crate::report::Report;

/// Where a result goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// Where the engine puts it.
    Engine(BuildOutput),
    /// Into an archive that `load` reads, of this program and of others: an OCI layout that is also Docker's.
    Archive(PathBuf),
}

impl Destination {
    /// What the engine is asked for.
    pub(super) fn of_engine(&self) -> BuildOutput {
        match self {
            Self::Engine(output) => output.clone(),
            Self::Archive(_) => BuildOutput::Image,
        }
    }
}

/// Reads `type=...,dest=...`, or a folder, or `-` for a tar on standard output.
pub(super) fn parse(text: &str) -> Result<Destination, Report> {
    let refuse = |why: String| {
        Report::new(format!("invalid value {text:?} for --output: {why}"))
            .hint("there are type=image, type=local,dest=DIR, type=tar,dest=FILE and type=oci,dest=FILE")
    };
    if text == "-" {
        return Ok(Destination::Engine(BuildOutput::Tar(None)));
    }
    if !text.contains('=') {
        return Ok(Destination::Engine(BuildOutput::Local(text.into())));
    }
    let (mut kind, mut dest) = ("", None);
    for field in text.split(',') {
        match field.split_once('=') {
            Some(("type", value)) => kind = value,
            Some(("dest", value)) if !value.is_empty() => dest = Some(value),
            _ => return Err(refuse(format!("{field:?} is not known"))),
        }
    }
    let output = match (kind, dest) {
        ("image", None) => BuildOutput::Image,
        ("local", Some(dest)) => BuildOutput::Local(dest.into()),
        ("tar", None | Some("-")) => BuildOutput::Tar(None),
        ("tar", Some(dest)) => BuildOutput::Tar(Some(dest.into())),
        ("oci" | "docker", Some(dest)) if dest != "-" => return Ok(Destination::Archive(dest.into())),
        ("local", None) => return Err(refuse("it needs dest=DIR".to_owned())),
        ("oci" | "docker", _) => return Err(refuse("it needs dest=FILE".to_owned())),
        (other, _) => return Err(refuse(format!("there is no type {other:?} with these options"))),
    };
    Ok(Destination::Engine(output))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs() {
        for (text, output) in [
            ("type=image", BuildOutput::Image),
            ("out", BuildOutput::Local("out".into())),
            ("type=local,dest=o", BuildOutput::Local("o".into())),
            ("-", BuildOutput::Tar(None)),
            ("type=tar,dest=x.tar", BuildOutput::Tar(Some("x.tar".into()))),
        ] {
            assert_eq!(parse(text).unwrap(), Destination::Engine(output), "{text}");
        }
        assert_eq!(parse("type=docker,dest=x").unwrap(), Destination::Archive("x".into()));
        for bad in
            ["type=local", "type=x", "type=oci", "dest=x", "type=image,dest=x", "type=local,dest=x,y=z"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
