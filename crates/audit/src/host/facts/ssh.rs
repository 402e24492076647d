//! Facts about the SSH server: the settings in force for everybody (sshd_config(5)).

use std::collections::BTreeMap;

use serde::Serialize;

use super::Source;
use crate::fact::{Fact, Unknown};

/// The SSH server's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Sshd {
    /// Settings by their keyword in small letters; the first word of a keyword counts, as the server reads it.
    pub settings: BTreeMap<String, Setting>,
    /// How many blocks `Match` there are: they can say otherwise for some users.
    pub matches: usize,
    /// Whether drop-ins in /etc/ssh/sshd_config.d are read, before anything else is set.
    pub includes_drop_ins: bool,
}

/// One setting with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the words say it")]
pub struct Setting {
    pub value: String,
    pub path: String,
    pub line: usize,
}

const MAIN: &str = "/etc/ssh/sshd_config";
/// How deep files include others; the server stops at 16.
const MOST_DEPTH: usize = 16;

/// The configuration; `None` where no SSH server is installed.
pub(crate) fn gather(source: &Source) -> Fact<Option<Sshd>> {
    let read = || -> Result<Option<Sshd>, Unknown> {
        let installed = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/lib/openssh/sshd-session"];
        let mut found = false;
        for path in installed {
            found |= *source.tree.exists(path).get()?;
        }
        if !found {
            return Ok(None);
        }
        let mut sshd = Sshd::default();
        include(source, MAIN, 0, &mut sshd)?;
        Ok(Some(sshd))
    };
    read().into()
}

/// Reads one file; `false` once a block `Match` has begun, after which nothing is for everybody.
fn include(source: &Source, path: &str, depth: usize, sshd: &mut Sshd) -> Result<(), Unknown> {
    let Some(text) = source.tree.text(path).get()?.clone() else { return Ok(()) };
    for (number, line) in text.lines().enumerate() {
        let Some((keyword, value)) = split(line) else { continue };
        match keyword.as_str() {
            // Whatever follows in this file is for some users only.
            "match" => {
                sshd.matches += 1;
                return Ok(());
            }
            "include" if depth < MOST_DEPTH => {
                for pattern in value.split_whitespace() {
                    let names_drop_ins = pattern.trim_matches('"').ends_with("sshd_config.d/*.conf");
                    sshd.includes_drop_ins |= path == MAIN && names_drop_ins && sshd.settings.is_empty();
                    for file in expand(source, pattern)? {
                        include(source, &file, depth + 1, sshd)?;
                    }
                }
            }
            _ => {
                let setting = Setting { value, path: path.to_owned(), line: number + 1 };
                sshd.settings.entry(keyword).or_insert(setting);
            }
        }
    }
    Ok(())
}

/// `Keyword value`, `Keyword=value`; quotes are taken off.
fn split(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|letter: char| letter.is_whitespace() || letter == '=')?;
    let (keyword, value) = line.split_at(end);
    let value = value.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '=');
    let value = value.split(" #").next().unwrap_or(value).trim().trim_matches('"');
    Some((keyword.to_ascii_lowercase(), value.to_owned()))
}

/// The files that an `Include` names: a path, or a pattern with `*` in its last part.
fn expand(source: &Source, pattern: &str) -> Result<Vec<String>, Unknown> {
    let pattern = pattern.trim_matches('"');
    let pattern = if pattern.starts_with('/') { pattern.to_owned() } else { format!("/etc/ssh/{pattern}") };
    let Some((folder, name)) = pattern.rsplit_once('/') else { return Ok(Vec::new()) };
    let Some((head, tail)) = name.split_once('*') else { return Ok(vec![pattern]) };
    let names = source.tree.names_with_ending(folder, tail)?;
    let names = names.into_iter().filter(|name| name.starts_with(head) && !name.starts_with('.'));
    Ok(names.map(|name| format!("{folder}/{name}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_counts_and_a_match_is_not_for_everybody() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let source = Source::at_rest(folder.path()).unwrap();
        assert_eq!(gather(&source), Fact::Known(None));
        write("usr/sbin/sshd", "");
        write("etc/ssh/sshd_config.d/10.conf", "PermitRootLogin no\nInclude /etc/ssh/sshd_config.d/*.conf\n");
        write(
            "etc/ssh/sshd_config",
            "Include sshd_config.d/*.conf\npermitrootlogin yes\nX11Forwarding=yes # why\nMatch User a\nPasswordAuthentication yes\n",
        );
        let sshd = gather(&source).known().cloned().flatten().unwrap();
        assert_eq!(sshd.settings["permitrootlogin"].value, "no");
        assert_eq!(sshd.settings["x11forwarding"].value, "yes");
        assert_eq!((sshd.settings["x11forwarding"].line, sshd.matches), (3, 1));
        assert!(!sshd.settings.contains_key("passwordauthentication"));
    }
}
