//! What `ADD` fetches.

use cofferdam_names::Digest;

use super::steps::FileSource;
use crate::dockerfile::Problem;

const ADD: &str = "ADD";

/// A source of `ADD`: an address, or a path.
pub(super) fn source(text: String, checksum: Option<&str>) -> Result<FileSource, Problem> {
    if is_repository(&text) {
        let why = "repositories are not fetched; clone it beside the Dockerfile and COPY it";
        return Err(Problem::NotBuilt { what: format!("ADD {text}"), why });
    }
    let is_address = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    match (is_address, checksum) {
        (false, None) => Ok(FileSource::Path(text)),
        (false, Some(_)) => Err(flag("only what is fetched has one")),
        (true, None) => Ok(FileSource::Address { url: text, checksum: None }),
        (true, Some(checksum)) => {
            let digest = checksum.parse::<Digest>();
            let digest = digest.map_err(|_| flag(&format!("{checksum:?} is not sha256: and 64 digits")))?;
            Ok(FileSource::Address { url: text, checksum: Some(digest) })
        }
    }
}

fn flag(rule: &str) -> Problem {
    Problem::BadFlag { instruction: ADD, flag: "checksum".to_owned(), rule: rule.to_owned() }
}

/// What BuildKit clones: the schemes of git, and addresses whose path ends with `.git`.
fn is_repository(text: &str) -> bool {
    let schemes = ["git@", "git://", "ssh://"];
    let path = text.split(['#', '?']).next().unwrap_or(text);
    schemes.iter().any(|scheme| text.starts_with(scheme)) || text.contains("://") && path.ends_with(".git")
}

/// The name of a file, by its address: the last part of the path. None if that has none.
pub(crate) fn file_name(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (_, path) = rest.split(['#', '?']).next()?.split_once('/')?;
    let name = decoded(path.rsplit('/').next()?)?;
    let fits = !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\0']);
    fits.then_some(name)
}

/// Without percent-encoding (RFC 3986, 2.1).
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_paths_and_repositories() {
        let sum = format!("sha256:{}", "0".repeat(64));
        assert!(matches!(source("http://x/y".into(), None), Ok(FileSource::Address { checksum: None, .. })));
        assert!(matches!(source("https://x/y".into(), Some(&sum)), Ok(FileSource::Address { .. })));
        assert!(matches!(source("ftp://x/y".into(), None), Ok(FileSource::Path(_))));
        for git in ["git@x:y", "git://x/y", "ssh://x/y", "https://x/y.git", "https://x/y.git#main:sub"] {
            assert!(matches!(source(git.into(), None), Err(Problem::NotBuilt { .. })), "{git}");
        }
        assert!(source("x.tar".into(), Some(&sum)).is_err());
        assert!(source("http://x/y".into(), Some("md5:0")).is_err());
    }

    #[test]
    fn names_of_files() {
        for (url, name) in [
            ("http://x/a/b%20c.tar?q=/d#e", Some("b c.tar")),
            ("http://x/", None),
            ("http://x", None),
            ("http://x/a/..", None),
            ("http://x/%2e%2e", None),
            ("http://x/a%2fb", None),
            ("http://x/%zz", None),
        ] {
            assert_eq!(file_name(url).as_deref(), name, "{url}");
        }
    }
}
