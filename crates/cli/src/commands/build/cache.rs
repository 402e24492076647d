//! `--cache-from` and `--cache-to`.

use cofferdam_engine::{CacheExport, CachePlace};

use crate::report::Report;

/// Reads `type=local,src=DIR`, `type=registry,ref=NAME`, or a name alone.
pub(super) fn from(text: &str) -> Result<CachePlace, Report> {
    let fields = Fields::read("--cache-from", text)?;
    if fields.mode.is_some() || fields.dest.is_some() || fields.ignore_error.is_some() {
        return Err(refuse("--cache-from", text, "mode, dest and ignore-error are --cache-to's"));
    }
    fields.place(fields.src)
}

/// Reads `type=local,dest=DIR`, `type=registry,ref=NAME`, each with `mode=min|max`.
pub(super) fn to(text: &str) -> Result<CacheExport, Report> {
    let fields = Fields::read("--cache-to", text)?;
    let refuse = |why: &str| refuse("--cache-to", text, why);
    if fields.src.is_some() {
        return Err(refuse("src is --cache-from's"));
    }
    let all = match fields.mode {
        None | Some("min") => false,
        Some("max") => true,
        Some(_) => return Err(refuse("mode is min or max")),
    };
    let optional = match fields.ignore_error {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(refuse("ignore-error is true or false")),
    };
    Ok(CacheExport { place: fields.place(fields.dest)?, all, optional })
}

struct Fields<'a> {
    flag: &'static str,
    text: &'a str,
    kind: &'a str,
    src: Option<&'a str>,
    dest: Option<&'a str>,
    name: Option<&'a str>,
    mode: Option<&'a str>,
    ignore_error: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn read(flag: &'static str, text: &'a str) -> Result<Self, Report> {
        let (src, dest, name, mode, ignore_error) = (None, None, None, None, None);
        let mut fields = Self { flag, text, kind: "registry", src, dest, name, mode, ignore_error };
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
                Some(("ignore-error", value)) => fields.ignore_error = Some(value),
                // What a cache of this program's is anyway.
                Some(("oci-mediatypes" | "image-manifest", "true")) => {}
                Some((name @ ("oci-mediatypes" | "image-manifest"), _)) => {
                    return Err(refuse(flag, text, &format!("a cache is an OCI manifest ({name}=true)")));
                }
                Some((name @ ("compression" | "compression-level" | "force-compression"), _)) => {
                    let why =
                        format!("{name}: layers go as the image has them, by the build's own --compression");
                    return Err(refuse(flag, text, &why));
                }
                Some((name @ ("tag" | "digest"), _)) => {
                    let why = format!("{name}: a folder holds one cache, which needs no name");
                    return Err(refuse(flag, text, &why));
                }
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
            ("inline", ..) => Err(refuse(
                "in an image itself there is no cache; give it a name of its own: type=registry,ref=NAME",
            )),
            (other @ ("gha" | "s3" | "azblob"), ..) => Err(refuse(&format!(
                "type {other:?} is a service's own; a registry or a folder holds a cache"
            ))),
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
        let local = CacheExport { place: CachePlace::Local("d".into()), all: true, optional: false };
        assert_eq!(to("type=local,dest=d,mode=max").unwrap(), local);
        assert!(!to("r.example/c:1").unwrap().all && !to("type=local,dest=d,mode=min").unwrap().all);
        // As people write them for BuildKit.
        let whole = "type=registry,ref=r.example/c:1,mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true";
        assert_eq!(to(whole).unwrap(), CacheExport { place: name, all: true, optional: true });
        for bad in ["type=local", "type=gha,ref=x", "type=local,src=d,x=y", "ref=UPPER", "type=local,dest=d"]
        {
            assert!(from(bad).is_err(), "{bad}");
        }
        for (bad, why) in [
            ("type=inline", "type=registry,ref=NAME"),
            ("type=inline,mode=max", "type=registry,ref=NAME"),
            ("type=gha,mode=max", "a service's own"),
            ("type=s3,region=x", "not known"),
            ("type=local,src=d", "--cache-from's"),
            ("type=local,dest=d,mode=all", "min or max"),
            ("type=local,dest=d,ignore-error=1", "true or false"),
            ("type=local,dest=d,oci-mediatypes=false", "OCI manifest"),
            ("type=local,dest=d,compression=zstd", "--compression"),
            ("type=local,dest=d,tag=x", "one cache"),
        ] {
            let error = to(bad).unwrap_err().text();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
