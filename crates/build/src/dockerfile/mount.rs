//! `RUN --mount` and `RUN --network`.

use super::error::Problem;
use crate::suggestion::nearest;

const RUN: &str = "RUN";

/// What a build mount is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the types' names")]
pub enum MountType {
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

/// Who may use a cache at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// Everybody.
    #[default]
    Shared,
    /// One step; another gets a new, empty one.
    Private,
    /// One step; another waits.
    Locked,
}

/// `--mount=type=...`. Texts have their variables still in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildMount {
    /// What it is.
    pub kind: MountType,
    /// Where it appears; absent for a secret's usual place.
    pub target: Option<String>,
    /// The path in what it is of.
    pub source: Option<String>,
    /// A stage or an image; absent for the context.
    pub from: Option<String>,
    /// The name of a cache, a secret or an agent.
    pub id: Option<String>,
    /// Whether it may be written to, where it was said.
    pub readonly: Option<bool>,
    /// How a cache is shared.
    pub sharing: Sharing,
    /// Whether a step fails without the secret or the agent.
    pub required: bool,
    /// Permission bits of what appears.
    pub mode: Option<u32>,
    /// Its owner.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
    /// Bytes of a tmpfs.
    pub size: Option<u64>,
    /// The variable that gets a secret's value.
    pub env: Option<String>,
}

const KEYS: [&str; 19] = [
    "type",
    "target",
    "dst",
    "destination",
    "source",
    "src",
    "from",
    "id",
    "ro",
    "readonly",
    "rw",
    "readwrite",
    "sharing",
    "required",
    "mode",
    "uid",
    "gid",
    "size",
    "env",
];

impl BuildMount {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let refuse = |rule: String| Problem::flag(RUN, "mount", rule);
        let mut mount = Self {
            kind: MountType::Bind,
            target: None,
            source: None,
            from: None,
            id: None,
            readonly: None,
            sharing: Sharing::Shared,
            required: false,
            mode: None,
            uid: None,
            gid: None,
            size: None,
            env: None,
        };
        for field in fields(text) {
            let (key, value) = match field.split_once('=') {
                Some((key, value)) => (key.trim().to_ascii_lowercase(), Some(value)),
                None => (field.trim().to_ascii_lowercase(), None),
            };
            mount.set(&key, value).map_err(|rule| refuse(format!("{field:?}: {rule}")))?;
        }
        mount.check().map_err(|rule| refuse(rule.to_owned()))?;
        Ok(mount)
    }

    fn set(&mut self, key: &str, value: Option<&str>) -> Result<(), String> {
        let switch = || match value {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(_) => Err("it is true or false".to_owned()),
        };
        let needed = || match value {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err("it needs a value".to_owned()),
        };
        let text = || needed().map(|value| Some(value.to_owned()));
        let number = || needed()?.parse().map(Some).map_err(|_| "it is a number".to_owned());
        match key {
            "type" => {
                self.kind = match needed()? {
                    "bind" => MountType::Bind,
                    "cache" => MountType::Cache,
                    "tmpfs" => MountType::Tmpfs,
                    "secret" => MountType::Secret,
                    "ssh" => MountType::Ssh,
                    _ => return Err("there are bind, cache, tmpfs, secret and ssh".to_owned()),
                }
            }
            "target" | "dst" | "destination" => self.target = text()?,
            "source" | "src" => self.source = text()?,
            "from" => self.from = text()?,
            "id" => self.id = text()?,
            "ro" | "readonly" => self.readonly = Some(switch()?),
            "rw" | "readwrite" => self.readonly = Some(!switch()?),
            "required" => self.required = switch()?,
            "sharing" => {
                self.sharing = match needed()? {
                    "shared" => Sharing::Shared,
                    "private" => Sharing::Private,
                    "locked" => Sharing::Locked,
                    _ => return Err("there are shared, private and locked".to_owned()),
                }
            }
            "mode" => {
                let mode = u32::from_str_radix(needed()?, 8).ok().filter(|mode| *mode <= 0o7777);
                self.mode = Some(mode.ok_or("it is an octal number")?);
            }
            "uid" => self.uid = number()?,
            "gid" => self.gid = number()?,
            "size" => self.size = Some(bytes(needed()?).ok_or("it is a number of bytes (64m)")?),
            "env" => self.env = text()?,
            _ => {
                return Err(match nearest(key, &KEYS) {
                    Some(near) => format!("unknown option; did you mean {near}?"),
                    None => "unknown option".to_owned(),
                });
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), &'static str> {
        use MountType::{Bind, Cache, Secret, Ssh, Tmpfs};
        match self.kind {
            Bind | Cache | Tmpfs if self.target.is_none() => Err("it needs a target"),
            Bind | Tmpfs | Cache if self.env.is_some() || self.required => {
                Err("env and required are a secret's or an agent's")
            }
            Tmpfs | Secret | Ssh if self.from.is_some() => Err("from is of bind and cache"),
            Tmpfs | Ssh if self.source.is_some() => Err("source is of bind, cache and secret"),
            Bind | Tmpfs if self.id.is_some() => Err("id is of cache, secret and ssh"),
            Bind | Cache | Secret | Ssh if self.size.is_some() => Err("size is a tmpfs's"),
            Ssh if self.env.is_some() => Err("env is a secret's"),
            _ => Ok(()),
        }
    }
}

/// Comma-separated fields; a field in double quotes may hold commas (CSV, RFC 4180).
fn fields(text: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            _ => field.push(letter),
        }
    }
    fields.push(field);
    fields
}

fn bytes(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let (number, unit) = match text.strip_suffix(['k', 'm', 'g']) {
        Some(number) => (number, text.chars().last()),
        None => (text, None),
    };
    let shift = match unit {
        Some('k') => 10,
        Some('m') => 20,
        Some('g') => 30,
        _ => 0,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// `RUN --network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NetworkChoice {
    /// What the build has.
    #[default]
    Default,
    /// None.
    None,
    /// The host's: refused where the build has not got it.
    Host,
}

impl NetworkChoice {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "default" => Ok(Self::Default),
            "none" => Ok(Self::None),
            "host" => Ok(Self::Host),
            other => Err(Problem::flag(
                RUN,
                "network",
                format!("there are default, none and host, and no {other:?}"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read() {
        let mount =
            BuildMount::parse("type=cache,target=/root/.cache,id=x,sharing=locked,mode=0700,uid=5").unwrap();
        assert_eq!((mount.kind, mount.sharing), (MountType::Cache, Sharing::Locked));
        assert_eq!((mount.mode, mount.uid, mount.id.as_deref()), (Some(0o700), Some(5), Some("x")));
        let mount = BuildMount::parse("target=/x,rw,from=a,\"source=/a,b\"").unwrap();
        assert_eq!((mount.kind, mount.readonly), (MountType::Bind, Some(false)));
        assert_eq!(mount.source.as_deref(), Some("/a,b"));
        assert_eq!(BuildMount::parse("type=tmpfs,target=/x,size=64m").unwrap().size, Some(64 << 20));
        assert_eq!(
            BuildMount::parse("type=secret,id=k,env=KEY,required").unwrap().env.as_deref(),
            Some("KEY")
        );
    }

    #[test]
    fn what_is_no_mount_is_refused() {
        for bad in [
            "",
            "type=x",
            "type=bind",
            "type=cache",
            "type=secret,size=4",
            "type=bind,target=/x,required",
            "target=/x,ro=maybe",
            "type=tmpfs,target=/x,from=y",
            "type=cache,target=/x,sharing=no",
            "target=/x,mode=99999",
            "target=",
            "sorce=/x,target=/y",
        ] {
            assert!(BuildMount::parse(bad).is_err(), "{bad}");
        }
        let error = BuildMount::parse("taget=/x").unwrap_err().to_string();
        assert!(error.contains("did you mean target?"), "{error}");
    }
}
