//! `-v` and `--tmpfs`; the longer `--mount` is in [`super::mount_option`].

use std::path::{Path, PathBuf};
use std::str::FromStr;

use cofferdam_confinement::{AccessTime, Propagation};
use cofferdam_names::ContainerPath;
use serde::{Deserialize, Serialize};

use super::InvalidOption;
use crate::ByteSize;

/// What happens to the mounts below a bound folder (`bind-recursive`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BindRecursion {
    /// They come along, and are read-only if the mount is.
    #[default]
    Enabled,
    /// They stay behind.
    Disabled,
    /// They come along and stay as they are, though the mount is read-only.
    Writable,
}

/// The options of a tmpfs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TmpfsOptions {
    /// Bytes; absent for the kernel's half of the memory, inside the container's memory limit.
    pub size: Option<ByteSize>,
    /// The size as a part of the host's memory, in percent.
    pub size_percent: Option<u32>,
    /// Most blocks, of a page each.
    pub blocks: Option<u64>,
    /// When the times of access are written.
    pub access_time: Option<AccessTime>,
    /// `nodiratime`
    pub nodiratime: bool,
    /// Permission bits of its root.
    pub mode: Option<u32>,
    /// Owner of its root, as the container sees it.
    pub uid: Option<u32>,
    /// Group of its root, as the container sees it.
    pub gid: Option<u32>,
    /// Most inodes.
    pub inodes: Option<u64>,
    /// `ro`
    pub readonly: bool,
    /// `exec`: programs may run from it.
    pub exec: bool,
    /// `suid`: set-user-id bits count.
    pub suid: bool,
    /// `dev`: device nodes work.
    pub dev: bool,
}

/// `--tmpfs PATH[:OPTIONS]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TmpfsRequest {
    /// Where it appears.
    pub target: ContainerPath,
    /// Its options.
    pub options: TmpfsOptions,
}

/// What a volume is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum VolumeKind {
    /// A file or folder of the host.
    Bind {
        /// Its path; relative to the client's working directory until the request is resolved.
        source: PathBuf,
        /// `rprivate` and its like.
        propagation: Option<Propagation>,
        /// The mounts below it.
        recursion: BindRecursion,
        /// Make the folder where it is missing.
        #[serde(default)]
        create: bool,
        /// SELinux: `z` (false: shared) or `Z` (true: the container's own).
        relabel: Option<bool>,
    },
    /// A volume of the engine's.
    Volume {
        /// Its name; absent for an anonymous one.
        name: Option<String>,
        /// Do not fill a new volume with what the image has there.
        no_copy: bool,
        /// The folder in it that is mounted.
        subpath: Option<PathBuf>,
        /// Nobody named it: it goes with its container (`--rm`, `rm -v`).
        #[serde(default)]
        anonymous: bool,
    },
    /// A tmpfs.
    Tmpfs {
        /// Its options.
        options: TmpfsOptions,
    },
    /// The files of an image, to be read only.
    Image {
        /// Its name, as it was asked for.
        image: String,
        /// Its id, once the engine has looked it up: a name may lead to another image later.
        #[serde(default)]
        id: Option<String>,
        /// The file or folder in it that is mounted.
        subpath: Option<PathBuf>,
    },
}

impl VolumeKind {
    /// A volume of this name; without one an anonymous one.
    #[must_use]
    pub fn volume(name: Option<String>) -> Self {
        Self::Volume { anonymous: name.is_none(), name, no_copy: false, subpath: None }
    }
}

/// One `-v` or `--mount`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeRequest {
    /// Where it appears.
    pub target: ContainerPath,
    /// What it is.
    pub kind: VolumeKind,
    /// `ro` or `rw`; absent for the zone's default.
    pub readonly: Option<bool>,
}

impl VolumeRequest {
    pub(super) fn resolve(&mut self, cwd: &Path) {
        if let VolumeKind::Bind { source, .. } = &mut self.kind
            && source.is_relative()
        {
            // A host path: joining to the client's own directory is what the client means.
            *source = cwd.join(&*source);
        }
    }

    /// Whether the source of a `-v` is a path (and not a volume's name).
    fn source_kind(text: &str, source: &str) -> Result<VolumeKind, InvalidOption> {
        if source.starts_with('/') || source.starts_with('.') {
            return Ok(VolumeKind::Bind {
                source: source.into(),
                propagation: None,
                create: false,
                recursion: BindRecursion::Enabled,
                relabel: None,
            });
        }
        if is_volume_name(source) {
            return Ok(VolumeKind::volume(Some(source.to_owned())));
        }
        let rule = "its source is a path that starts with / or ., or a volume's name";
        Err(InvalidOption::new("volume", text, rule))
    }

    fn apply_option(&mut self, word: &str) -> Result<(), &'static str> {
        match (word, &mut self.kind) {
            ("ro" | "readonly", _) => self.readonly = Some(true),
            ("rw", _) => self.readonly = Some(false),
            // Hints to Docker Desktop's file sharing: without meaning on Linux, where all mounts are consistent.
            ("consistent" | "cached" | "delegated", _) => {}
            ("nocopy", VolumeKind::Volume { no_copy, .. }) => *no_copy = true,
            ("z", VolumeKind::Bind { relabel, .. }) => *relabel = Some(false),
            ("Z", VolumeKind::Bind { relabel, .. }) => *relabel = Some(true),
            ("rbind", VolumeKind::Bind { recursion, .. }) => *recursion = BindRecursion::Enabled,
            ("bind", VolumeKind::Bind { recursion, .. }) => *recursion = BindRecursion::Disabled,
            (word, VolumeKind::Bind { propagation, .. }) => {
                *propagation = Some(parse_propagation(word).ok_or("it has an unknown option")?);
            }
            _ => return Err("it has an option that its kind does not know"),
        }
        Ok(())
    }
}

/// Whether a text is a volume's name, as Docker allows them.
#[must_use]
pub fn is_volume_name(text: &str) -> bool {
    text.len() >= 2
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// The word for a propagation; only those that a bind mount of Docker takes.
pub(super) fn parse_propagation(word: &str) -> Option<Propagation> {
    Some(match word {
        "private" => Propagation::Private,
        "rprivate" => Propagation::Rprivate,
        "slave" => Propagation::Slave,
        "rslave" => Propagation::Rslave,
        "shared" => Propagation::Shared,
        "rshared" => Propagation::Rshared,
        _ => return None,
    })
}

impl FromStr for VolumeRequest {
    type Err = InvalidOption;
    /// `-v [SOURCE:]TARGET[:OPTIONS]`
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |rule: &str| InvalidOption::new("volume", text, rule);
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match parts[..] {
            [target] => (None, target, ""),
            [source, target] => (Some(source), target, ""),
            [source, target, options] => (Some(source), target, options),
            _ => return Err(refuse("its form is [SOURCE:]TARGET[:OPTIONS]")),
        };
        let target: ContainerPath =
            target.parse().map_err(|_| refuse("its target in the container is an absolute path"))?;
        if target.relative() == "." {
            return Err(refuse("its target is not the container's root"));
        }
        let kind = match source {
            Some(source) => Self::source_kind(text, source)?,
            None => VolumeKind::volume(None),
        };
        let mut volume = Self { target, kind, readonly: None };
        for word in options.split(',').filter(|word| !word.is_empty()) {
            volume.apply_option(word).map_err(refuse)?;
        }
        Ok(volume)
    }
}

impl FromStr for TmpfsRequest {
    type Err = InvalidOption;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |rule: &str| InvalidOption::new("tmpfs", text, rule);
        let (target, words) = text.split_once(':').unwrap_or((text, ""));
        let target = target.parse().map_err(|_| refuse("its target in the container is an absolute path"))?;
        let mut options = TmpfsOptions::default();
        for word in words.split(',').filter(|word| !word.is_empty()) {
            options.apply(word).map_err(refuse)?;
        }
        Ok(Self { target, options })
    }
}

impl TmpfsOptions {
    fn apply(&mut self, word: &str) -> Result<(), &'static str> {
        const KNOWN: &str = "its options are size, mode, uid, gid, nr_inodes, nr_blocks, ro, rw, [no]exec, [no]suid, [no]dev, \
            async, relatime, [no]atime, strictatime, [no]diratime";
        match word.split_once('=') {
            None => match word {
                "ro" => self.readonly = true,
                "rw" => self.readonly = false,
                "exec" => self.exec = true,
                "noexec" => self.exec = false,
                "suid" => self.suid = true,
                "nosuid" => self.suid = false,
                "dev" => self.dev = true,
                "nodev" => self.dev = false,
                "async" => {}
                "atime" | "relatime" => self.access_time = Some(AccessTime::Relatime),
                "noatime" => self.access_time = Some(AccessTime::Noatime),
                "strictatime" => self.access_time = Some(AccessTime::Strictatime),
                "nodiratime" => self.nodiratime = true,
                "diratime" => self.nodiratime = false,
                "sync" => return Err("nothing of a tmpfs is written anywhere, so there is no sync"),
                _ => return Err(KNOWN),
            },
            Some(("size", value)) => self.apply_size(value)?,
            Some(("mode", value)) => {
                self.mode = Some(parse_mode(value).ok_or("its mode is octal, at most 7777")?);
            }
            Some(("uid", value)) => self.uid = Some(value.parse().map_err(|_| "its uid is a number")?),
            Some(("gid", value)) => self.gid = Some(value.parse().map_err(|_| "its gid is a number")?),
            Some(("nr_inodes", value)) => self.inodes = Some(count(value, "its nr_inodes is a number")?),
            Some(("nr_blocks", value)) => self.blocks = Some(count(value, "its nr_blocks is a number")?),
            Some(("mpol", _)) => {
                return Err("a tmpfs cannot choose memory nodes here (mpol): give --cpuset-mems");
            }
            Some(_) => return Err(KNOWN),
        }
        Ok(())
    }

    /// A number of bytes, or a part of the host's memory.
    fn apply_size(&mut self, value: &str) -> Result<(), &'static str> {
        const RULE: &str =
            "its size is a number of bytes such as 64m, or a part of the memory from 1% to 100%";
        (self.size, self.size_percent) = match value.strip_suffix('%') {
            None => (Some(value.parse().map_err(|_| RULE)?), None),
            Some(number) => {
                let percent = number.parse().ok().filter(|percent| (1..=100).contains(percent));
                (None, Some(percent.ok_or(RULE)?))
            }
        };
        Ok(())
    }
}

/// A number, with a letter for thousands as the kernel takes it.
fn count(text: &str, rule: &'static str) -> Result<u64, &'static str> {
    text.parse::<ByteSize>().map(|count| count.0).map_err(|_| rule)
}

/// Permission bits in octal.
pub(super) fn parse_mode(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(text: &str) -> VolumeRequest {
        text.parse().unwrap()
    }

    #[test]
    fn forms_of_docker() {
        let bind = volume("/a:/b:ro,rslave");
        assert_eq!(bind.readonly, Some(true));
        assert!(matches!(bind.kind, VolumeKind::Bind { propagation: Some(Propagation::Rslave), .. }));
        assert!(matches!(volume("data:/b").kind, VolumeKind::Volume { name: Some(_), .. }));
        assert!(matches!(volume("/b").kind, VolumeKind::Volume { name: None, .. }));
        let mut relative = volume("./x:/b");
        relative.resolve(Path::new("/home/me"));
        assert!(matches!(relative.kind, VolumeKind::Bind { source, .. } if source.ends_with("me/x")));
        for bad in ["", "a:b", "/a:/b:rx", "a/b:/c", "/a:/b:ro:rw", "/a:/", "data:/b:z", "x:/b"] {
            assert!(bad.parse::<VolumeRequest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn tmpfs_options() {
        let tmpfs: TmpfsRequest = "/run:size=64k,mode=1777,exec,ro".parse().unwrap();
        let expected = TmpfsOptions {
            size: Some(ByteSize(65_536)),
            mode: Some(0o1777),
            exec: true,
            readonly: true,
            ..TmpfsOptions::default()
        };
        assert_eq!(tmpfs.options, expected);
        let tmpfs: TmpfsRequest = "/run:size=10%,noatime,nr_blocks=2k,async".parse().unwrap();
        let expected = TmpfsOptions {
            size_percent: Some(10),
            access_time: Some(AccessTime::Noatime),
            blocks: Some(2048),
            ..TmpfsOptions::default()
        };
        assert_eq!(tmpfs.options, expected);
        let told = |text: &str| text.parse::<TmpfsRequest>().unwrap_err().to_string();
        assert!(told("/run:mode=999").contains("octal") && told("/run:size=0%").contains("1% to 100%"));
        assert!(told("/run:mpol=bind:0").contains("cpuset-mems") && told("/run:sync").contains("no sync"));
        for bad in ["run", "/run:x", "/run:size=x", "/run:mode=9", "/run:mode=77777"] {
            assert!(bad.parse::<TmpfsRequest>().is_err(), "{bad}");
        }
    }
}
