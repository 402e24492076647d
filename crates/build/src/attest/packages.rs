//! Which packages a root file system says that it has. Its databases are foreign input: what cannot be read is passed over.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Dir, Mode, OFlags, ResolveFlags, openat2};
use serde::{Deserialize, Serialize};

/// The most bytes of a database.
const MOST_BYTES: u64 = 64 << 20;

/// Whose package it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageKind {
    /// Alpine's.
    Apk,
    /// Debian's and Ubuntu's.
    Deb,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Whose.
    pub kind: PackageKind,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it runs on.
    pub architecture: String,
    /// Its license, where the database has it.
    pub license: Option<String>,
    /// The distribution (os-release(5), `ID`).
    pub distribution: String,
}

impl Package {
    /// Its name everywhere (package-url).
    #[must_use]
    pub fn url(&self) -> String {
        let kind = match self.kind {
            PackageKind::Apk => "apk",
            PackageKind::Deb => "deb",
        };
        let plain = |text: &str| -> String {
            text.bytes()
                .map(|byte| {
                    if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) {
                        char::from(byte).to_string()
                    } else {
                        format!("%{byte:02X}")
                    }
                })
                .collect()
        };
        let (distribution, name) = (plain(&self.distribution), plain(&self.name));
        let (version, architecture) = (plain(&self.version), plain(&self.architecture));
        format!("pkg:{kind}/{distribution}/{name}@{version}?arch={architecture}")
    }
}

/// The packages of a root, in order, and the databases that are there and are not read.
///
/// # Errors
/// The root itself cannot be read.
pub fn packages(root: &OwnedFd) -> io::Result<(Vec<Package>, Vec<&'static str>)> {
    let release = read(root, "etc/os-release")?.or(read(root, "usr/lib/os-release")?).unwrap_or_default();
    let distribution = release.lines().find_map(|line| line.strip_prefix("ID="));
    let distribution = distribution.unwrap_or("linux").trim_matches(['"', '\'']).to_owned();
    let mut found = Vec::new();
    if let Some(text) = read(root, "var/lib/dpkg/status")? {
        found.extend(debian(&text, &distribution));
    }
    // Images without dpkg itself (distroless) have a file for each package.
    for name in names(root, "var/lib/dpkg/status.d")? {
        if let Some(text) = read(root, &format!("var/lib/dpkg/status.d/{name}"))? {
            found.extend(debian(&text, &distribution));
        }
    }
    for path in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        if let Some(text) = read(root, path)? {
            found.extend(alpine(&text, &distribution));
        }
    }
    found.sort();
    found.dedup();
    let rpm = ["var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite", "var/lib/rpm/Packages"];
    let unread = rpm.into_iter().filter(|path| open(root, path).is_ok()).collect();
    Ok((found, unread))
}

/// Links are followed inside the root.
fn open(root: impl AsFd, path: &str) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(openat2(&root, Path::new(path), flags, Mode::empty(), resolve)?)
}

fn read(root: &OwnedFd, path: &str) -> io::Result<Option<String>> {
    let Ok(file) = open(root, path) else { return Ok(None) };
    let mut bytes = Vec::new();
    match std::fs::File::from(file).take(MOST_BYTES).read_to_end(&mut bytes) {
        Ok(_) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        // A folder of that name.
        Err(_) => Ok(None),
    }
}

fn names(root: &OwnedFd, path: &str) -> io::Result<Vec<String>> {
    let Ok(folder) = open(root, path) else { return Ok(Vec::new()) };
    let Ok(entries) = Dir::read_from(&folder) else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !name.ends_with(".md5sums") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// deb822(5) paragraphs of installed packages.
fn debian(text: &str, distribution: &str) -> Vec<Package> {
    let paragraph = |paragraph: &str| {
        let field = |name: &str| {
            let mut lines = paragraph.lines();
            lines
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(|value| value.trim().to_owned())
        };
        // In files of their own packages have no state.
        if field("Status").is_some_and(|state| !state.ends_with(" installed")) {
            return None;
        }
        Some(Package {
            kind: PackageKind::Deb,
            name: field("Package")?,
            version: field("Version")?,
            architecture: field("Architecture").unwrap_or_default(),
            license: None,
            distribution: distribution.to_owned(),
        })
    };
    text.split("\n\n").filter_map(paragraph).collect()
}

/// apk's database: fields of one letter.
fn alpine(text: &str, distribution: &str) -> Vec<Package> {
    let paragraph = |paragraph: &str| {
        let field = |name: &str| {
            paragraph.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
        };
        Some(Package {
            kind: PackageKind::Apk,
            name: field("P:")?,
            version: field("V:")?,
            architecture: field("A:").unwrap_or_default(),
            license: field("L:"),
            distribution: distribution.to_owned(),
        })
    };
    text.split("\n\n").filter_map(paragraph).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn packages_of_debian_and_alpine() {
        let home = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("etc/os-release", "NAME=x\nID=\"debian\"\n");
        put(
            "var/lib/dpkg/status",
            "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.0+b1\nDescription: x\n more\n\n\
             Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n",
        );
        put("var/lib/dpkg/status.d/base", "Package: base\nVersion: 12\nArchitecture: all\n");
        put("lib/apk/db/installed", "C:x\nP:musl\nV:1.2-r0\nA:x86_64\nL:MIT\nF:lib\n\n");
        put("var/lib/rpm/Packages", "");
        let root = rustix::fs::open(home.path(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let (found, unread) = packages(&root).unwrap();
        let urls: Vec<String> = found.iter().map(Package::url).collect();
        assert_eq!(
            urls,
            [
                "pkg:apk/debian/musl@1.2-r0?arch=x86_64",
                "pkg:deb/debian/a@1:2.0%2Bb1?arch=amd64",
                "pkg:deb/debian/base@12?arch=all",
            ]
        );
        assert_eq!(found[0].license.as_deref(), Some("MIT"));
        assert_eq!(unread, ["var/lib/rpm/Packages"]);
    }

    proptest! {
        #[test]
        fn any_database_is_read(text in "(Package|Status|Version|P:|V:|[: \n]|\\PC){0,60}") {
            let _ = debian(&text, "x");
            let _ = alpine(&text, "x");
        }
    }
}
