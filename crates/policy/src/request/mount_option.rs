//! `--mount type=bind,source=...,target=...,readonly`: comma-separated values, quoted as in CSV.

use std::path::PathBuf;

use cofferdam_confinement::Propagation;

use super::volume::{self, TmpfsOptions};
use super::{BindRecursion, InvalidOption, VolumeKind, VolumeRequest};

/// What the fields say, in any order, before they are put together.
#[derive(Default)]
struct Fields {
    kind: Option<String>,
    source: Option<String>,
    target: Option<String>,
    readonly: Option<bool>,
    propagation: Option<Propagation>,
    recursion: Option<String>,
    create: bool,
    no_copy: bool,
    subpath: Option<PathBuf>,
    tmpfs: TmpfsOptions,
    /// Fields seen that belong to one kind only: the kind and the field.
    bound_to: Vec<(&'static str, String)>,
}

impl VolumeRequest {
    /// Reads a `--mount`.
    ///
    /// # Errors
    /// [`InvalidOption`] with the field that is wrong.
    pub fn parse_mount(text: &str) -> Result<Self, InvalidOption> {
        let refuse = |rule: String| InvalidOption::new("mount", text, rule);
        let mut fields = Fields::default();
        for field in split_csv(text).ok_or_else(|| refuse("its quotes are not closed".into()))? {
            fields.apply(&field).map_err(refuse)?;
        }
        fields.finish().map_err(refuse)
    }
}

impl Fields {
    fn apply(&mut self, field: &str) -> Result<(), String> {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.trim(), Some(value)),
            None => (field.trim(), None),
        };
        let needed = || value.map(str::to_owned).ok_or_else(|| format!("{key} has a value"));
        let switch = || match value {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(_) => Err(format!("{key} is true or false")),
        };
        match key {
            "type" => self.kind = Some(needed()?),
            "source" | "src" => self.source = Some(needed()?),
            "target" | "dst" | "destination" => self.target = Some(needed()?),
            "readonly" | "ro" => self.readonly = Some(switch()?),
            "rw" => self.readonly = Some(!switch()?),
            "consistency" => {}
            "bind-propagation" => {
                self.bound_to.push(("bind", key.to_owned()));
                let word = needed()?;
                let known = volume::parse_propagation(&word);
                self.propagation = Some(known.ok_or_else(|| format!("unknown propagation {word:?}"))?);
            }
            "bind-recursive" => {
                self.bound_to.push(("bind", key.to_owned()));
                self.recursion = Some(needed()?);
            }
            "bind-nonrecursive" => {
                self.bound_to.push(("bind", key.to_owned()));
                self.recursion = switch()?.then(|| "disabled".to_owned());
            }
            "bind-create-src" => {
                self.bound_to.push(("bind", key.to_owned()));
                self.create = switch()?;
            }
            "volume-driver" => {
                self.bound_to.push(("volume", key.to_owned()));
                if needed()? != "local" {
                    return Err("volume-driver is local: there is no other".to_owned());
                }
            }
            "volume-opt" | "volume-label" => {
                return Err(format!("{key} is of new volumes: make it with `cofferdam volume create`"));
            }
            "volume-nocopy" => {
                self.bound_to.push(("volume", key.to_owned()));
                self.no_copy = switch()?;
            }
            "volume-subpath" => {
                self.bound_to.push(("volume", key.to_owned()));
                self.subpath = Some(needed()?.into());
            }
            "image-subpath" => {
                self.bound_to.push(("image", key.to_owned()));
                self.subpath = Some(needed()?.into());
            }
            "tmpfs-size" => {
                self.bound_to.push(("tmpfs", key.to_owned()));
                self.tmpfs.size = Some(needed()?.parse().map_err(|error: InvalidOption| error.to_string())?);
            }
            "tmpfs-mode" => {
                self.bound_to.push(("tmpfs", key.to_owned()));
                let mode = volume::parse_mode(&needed()?);
                self.tmpfs.mode = Some(mode.ok_or("tmpfs-mode is octal, at most 7777")?);
            }
            _ => return Err(format!("unknown field {key:?}")),
        }
        Ok(())
    }

    fn finish(self) -> Result<VolumeRequest, String> {
        let target = self.target.ok_or("it names no target")?;
        let target = target.parse().map_err(|_| "its target in the container is an absolute path")?;
        let kind = self.kind.as_deref().unwrap_or("volume");
        if let Some((other, key)) = self.bound_to.iter().find(|(owner, _)| *owner != kind) {
            return Err(format!("{key} belongs to type={other}, this is type={kind}"));
        }
        let kind = match kind {
            "bind" => {
                let source = self.source.ok_or("type=bind names a source")?;
                if !source.starts_with('/') && !source.starts_with('.') {
                    return Err("the source of a bind starts with / or .".to_owned());
                }
                let (propagation, relabel) = (self.propagation, None);
                let recursion = match self.recursion.as_deref() {
                    None | Some("enabled") => BindRecursion::Enabled,
                    Some("disabled") => BindRecursion::Disabled,
                    Some("writable") => BindRecursion::Writable,
                    // Ours are always recursively read-only if they are read-only: that is what is asked for.
                    Some("readonly") if self.readonly == Some(true) => BindRecursion::Enabled,
                    Some("readonly") => return Err("bind-recursive=readonly goes with readonly".to_owned()),
                    Some(word) => return Err(format!("unknown bind-recursive {word:?}")),
                };
                let create = self.create;
                VolumeKind::Bind { source: source.into(), propagation, recursion, create, relabel }
            }
            "volume" => {
                if let Some(name) = self.source.as_deref().filter(|name| !volume::is_volume_name(name)) {
                    return Err(format!("{name:?} is no volume's name; for a folder write type=bind"));
                }
                VolumeKind::Volume {
                    anonymous: self.source.is_none(),
                    name: self.source,
                    no_copy: self.no_copy,
                    subpath: self.subpath,
                }
            }
            "tmpfs" if self.source.is_some() => return Err("type=tmpfs has no source".to_owned()),
            "tmpfs" => VolumeKind::Tmpfs { options: self.tmpfs },
            "image" if self.readonly == Some(false) => {
                return Err("an image is mounted read-only".to_owned());
            }
            "image" => {
                let image = self.source.filter(|name| !name.is_empty()).ok_or("type=image names a source")?;
                VolumeKind::Image { image, id: None, subpath: self.subpath }
            }
            other => return Err(format!("type is bind, volume, tmpfs or image, not {other:?}")),
        };
        Ok(VolumeRequest { target, kind, readonly: self.readonly })
    }
}

/// Cuts one CSV record (RFC 4180); none if a quote stays open.
fn split_csv(text: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let field = fields.last_mut()?;
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    (!quoted).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_docker() {
        let bind = VolumeRequest::parse_mount("type=bind,src=/a,dst=/b,readonly").unwrap();
        assert_eq!((bind.target.as_str(), bind.readonly), ("/b", Some(true)));
        let part = "type=volume,src=data,dst=/d,volume-driver=local,volume-subpath=a/b";
        let part = VolumeRequest::parse_mount(part).unwrap();
        assert!(matches!(part.kind, VolumeKind::Volume { subpath: Some(path), .. } if path.ends_with("a/b")));
        let quoted = VolumeRequest::parse_mount(r#"type=bind,"src=/a,b",dst=/b"#).unwrap();
        assert!(matches!(quoted.kind, VolumeKind::Bind { source, .. } if source.ends_with("a,b")));
        let made = VolumeRequest::parse_mount("type=bind,src=/a,dst=/b,bind-create-src").unwrap();
        assert!(matches!(made.kind, VolumeKind::Bind { create: true, .. }));
        let image =
            VolumeRequest::parse_mount("type=image,src=tools:1,dst=/t,image-subpath=a/b,readonly").unwrap();
        assert!(
            matches!(image.kind, VolumeKind::Image { image, id: None, subpath: Some(_) } if image == "tools:1")
        );
        let tmpfs = VolumeRequest::parse_mount("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700").unwrap();
        assert!(matches!(tmpfs.kind, VolumeKind::Tmpfs { options } if options.mode == Some(0o700)));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for bad in [
            "",
            "type=bind,src=/a",
            "type=bind,dst=/b",
            "type=bind,src=a,dst=/b",
            "type=bind,src=/a,dst=b",
            "type=bind,src=/a,dst=/b,tmpfs-size=1m",
            "type=bind,src=/a,dst=/b,what=1",
            "type=bind,src=/a,dst=/b,bind-recursive=readonly",
            "type=tmpfs,src=/a,dst=/b",
            "type=npipe,src=/a,dst=/b",
            "type=image,dst=/b",
            "type=image,src=busybox,dst=/b,rw",
            "type=image,src=busybox,dst=/b,volume-subpath=a",
            "type=volume,src=a,dst=/b,image-subpath=a",
            "type=volume,src=a,dst=/b,bind-create-src",
            "type=volume,src=data,dst=/b,volume-driver=nfs",
            "type=volume,src=data,dst=/b,volume-opt=o=bind",
            "src=/a,dst=/b",
            "\"type=bind",
        ] {
            assert!(VolumeRequest::parse_mount(bad).is_err(), "{bad}");
        }
    }
}
