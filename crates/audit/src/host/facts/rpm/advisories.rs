//! The advisories that dnf keeps of its repositories (`updateinfo.xml`): which versions mend what.

use std::io::Read;

use cofferdam_image::tree::compression;

use super::super::Source;
use super::super::packages::MOST_BYTES;
use super::Package;
use crate::fact::Unknown;

/// Where dnf 4 and dnf 5 keep them: a folder for each repository, with `repodata` in it.
const CACHES: &str = "/var/cache/dnf /var/cache/libdnf5 /var/cache/yum";
/// More repositories are not looked at.
const MOST_REPOSITORIES: usize = 64;

/// The packages that security advisories name, and when the newest list was written, in seconds since 1970.
pub(super) fn read(source: &Source) -> Result<(Vec<Package>, i64), Unknown> {
    let (mut fixes, mut newest) = (Vec::new(), None);
    for cache in CACHES.split(' ') {
        for repository in source.tree.names_with_ending(cache, "")?.into_iter().take(MOST_REPOSITORIES) {
            let folder = format!("{cache}/{repository}/repodata");
            for name in source
                .tree
                .names_with_ending(&folder, "")?
                .into_iter()
                .filter(|name| name.contains("updateinfo.xml"))
            {
                let path = format!("{folder}/{name}");
                let Some(bytes) = source.tree.bytes_up_to(&path, MOST_BYTES).get()?.clone() else { continue };
                let written = source.tree.status(&path).get()?.map(|status| status.modified);
                newest = newest.max(written);
                fixes.extend(packages(&plain(&bytes, &path)?));
            }
        }
    }
    match newest {
        Some(newest) => Ok((fixes, newest)),
        None => Err(Unknown("dnf has no list of advisories here: run `dnf updateinfo`".to_owned())),
    }
}

fn plain(bytes: &[u8], path: &str) -> Result<String, Unknown> {
    let failed = |why: String| Unknown(format!("{path}: {why}"));
    let mut text = Vec::new();
    if compression::is_compressed(bytes) {
        let mut bytes = bytes;
        let stream = compression::open(&mut bytes).map_err(|error| failed(error.to_string()))?;
        let most = MOST_BYTES as u64;
        let read = stream.take(most + 1).read_to_end(&mut text);
        read.map_err(|error| failed(error.to_string()))?;
        if text.len() > MOST_BYTES {
            return Err(failed("it grows without end when it is decompressed".to_owned()));
        }
    } else {
        text.extend_from_slice(bytes);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The packages of the advisories of type `security`. Only tags and their attributes are looked at.
pub(super) fn packages(text: &str) -> Vec<Package> {
    let mut found = Vec::new();
    let mut is_security = false;
    for tag in text.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        let name = tag.split([' ', '\t', '\n', '/']).next().unwrap_or_default();
        match name {
            "update" => is_security = attribute(tag, "type").as_deref() == Some("security"),
            "package" if is_security => {
                let field = |name: &str| attribute(tag, name);
                if let (Some(name), Some(version), Some(release)) =
                    (field("name"), field("version"), field("release"))
                {
                    let machine = field("arch").unwrap_or_default();
                    let epoch = field("epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
                    found.push(Package { name, machine, epoch, version, release });
                }
            }
            _ => {}
        }
    }
    found
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = [' ', '\t', '\n'].iter().find_map(|space| tag.find(&format!("{space}{name}=")))?;
    let value = tag.get(start + name.len() + 2..)?;
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    Some(value.get(1..)?.split(quote).next()?.to_owned())
}
