//! `--output`.

use cofferdam_engine::BuildOutput;

use crate::report::Report;

/// Reads `type=...,dest=...`, or a folder, or `-` for a tar on standard output.
pub(super) fn parse(text: &str) -> Result<BuildOutput, Report> {
    let refuse = |why: String| {
        Report::new(format!("invalid value {text:?} for --output: {why}"))
            .hint("there are type=image, type=local,dest=DIR and type=tar,dest=FILE")
    };
    if text == "-" {
        return Ok(BuildOutput::Tar(None));
    }
    if !text.contains('=') {
        return Ok(BuildOutput::Local(text.into()));
    }
    let (mut kind, mut dest) = ("", None);
    for field in text.split(',') {
        match field.split_once('=') {
            Some(("type", value)) => kind = value,
            Some(("dest", value)) if !value.is_empty() => dest = Some(value),
            _ => return Err(refuse(format!("{field:?} is not known"))),
        }
    }
    match (kind, dest) {
        ("image", None) => Ok(BuildOutput::Image),
        ("local", Some(dest)) => Ok(BuildOutput::Local(dest.into())),
        ("tar", None | Some("-")) => Ok(BuildOutput::Tar(None)),
        ("tar", Some(dest)) => Ok(BuildOutput::Tar(Some(dest.into()))),
        ("local", None) => Err(refuse("it needs dest=DIR".to_owned())),
        ("oci" | "docker", _) => {
            Err(refuse("name the image, and write it with `cofferdam image save`".to_owned()))
        }
        (other, _) => Err(refuse(format!("there is no type {other:?} with these options"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs() {
        assert_eq!(parse("type=image").unwrap(), BuildOutput::Image);
        assert_eq!(parse("out").unwrap(), BuildOutput::Local("out".into()));
        assert_eq!(parse("type=local,dest=o").unwrap(), BuildOutput::Local("o".into()));
        assert_eq!(parse("-").unwrap(), BuildOutput::Tar(None));
        assert_eq!(parse("type=tar,dest=x.tar").unwrap(), BuildOutput::Tar(Some("x.tar".into())));
        for bad in [
            "type=local",
            "type=x",
            "type=oci,dest=x",
            "dest=x",
            "type=image,dest=x",
            "type=local,dest=x,y=z",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
