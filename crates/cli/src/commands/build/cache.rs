//! `--cache-from` and `--cache-to`.

use cofferdam_engine::{CacheExport, CachePlace};

use crate::report::Report;

/// Reads `type=local,src=DIR`, `type=registry,ref=NAME`, or a name alone.
pub(super) fn from(text: &str) -> Result<CachePlace, Report> {
    let fields = Fields::read("--cache-from", text)?;
    if fields.mode.is_some() || fields.dest.is_some() {
        return Err(refuse("--cache-from", text, "mode and dest are --cache-to's"));
    }
    fields.place(fields.src)
}

/// Reads `type=local,dest=DIR`, `type=registry,ref=NAME`, each with `mode=min|max`.
pub(super) fn to(text: &str) -> Result<CacheExport, Report> {
    let fields = Fields::read("--cache-to", text)?;
    if fields.src.is_some() {
        return Err(refuse("--cache-to", text, "src is --cache-from's"));
    }
    let all = match fields.mode {
        None | Some("min") => false,
        Some("max") => true,
        Some(_) => return Err(refuse("--cache-to", text, "mode is min or max")),
    };
    Ok(CacheExport { place: fields.place(fields.dest)?, all })
}

struct Fields<'a> {
    flag: &'static str,
    text: &'a str,
    kind: &'a str,
    src: Option<&'a str>,
    dest: Option<&'a str>,
    name: Option<&'a str>,
    mode: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn read(flag: &'static str, text: &'a str) -> Result<Self, Report> {
        let mut fields = Self { flag, text, kind: "registry", src: None, dest: None, name: None, mode: None };
        if !text.contains('=') {
            fields.name = Some(text);
            return Ok(fields);
        }
        for field in text.split(',') {
            match field.split_once('=') {
                Some(("type", value)) => fields.kind = value,
                Some(("src", value)) => fields.src = Some(value),
                Some(("dest", value)) => fields.dest = Some(value),
                Some(("ref", value)) => fields.name = Some(value),
                Some(("mode", value)) => fields.mode = Some(value),
                _ => return Err(refuse(flag, text, &format!("{field:?} is not known"))),
            }
        }
        Ok(fields)
    }

    fn place(&self, folder: Option<&str>) -> Result<CachePlace, Report> {
        let refuse = |why: &str| refuse(self.flag, self.text, why);
        match (self.kind, folder.filter(|folder| !folder.is_empty()), self.name) {
            ("local", Some(folder), None) => Ok(CachePlace::Local(folder.into())),
            ("registry", None, Some(name)) => {
                name.parse().map(CachePlace::Registry).map_err(|error| refuse(&format!("{error}")))
            }
            ("local", ..) => Err(refuse("a folder is needed, and nothing else")),
            ("registry", ..) => Err(refuse("a name is needed (ref), and nothing else")),
            (other, ..) => Err(refuse(&format!("there is no type {other:?}"))),
        }
    }
}

fn refuse(flag: &str, text: &str, why: &str) -> Report {
    Report::new(format!("invalid value {text:?} for {flag}: {why}"))
        .hint("its form is type=local,src=DIR (dest=DIR) or type=registry,ref=NAME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let name = CachePlace::Registry("r.example/c:1".parse().unwrap());
        assert_eq!(from("r.example/c:1").unwrap(), name);
        assert_eq!(from("type=registry,ref=r.example/c:1").unwrap(), name);
        assert_eq!(from("type=local,src=d").unwrap(), CachePlace::Local("d".into()));
        let local = CacheExport { place: CachePlace::Local("d".into()), all: true };
        assert_eq!(to("type=local,dest=d,mode=max").unwrap(), local);
        assert!(!to("r.example/c:1").unwrap().all);
        for bad in ["type=local", "type=gha,ref=x", "type=local,src=d,x=y", "ref=UPPER", "type=local,dest=d"]
        {
            assert!(from(bad).is_err(), "{bad}");
        }
        for bad in ["type=inline", "type=local,src=d", "type=local,dest=d,mode=all"] {
            assert!(to(bad).is_err(), "{bad}");
        }
    }
}
