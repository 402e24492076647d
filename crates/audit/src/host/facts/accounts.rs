//! Facts about accounts: passwd(5), shadow(5), group(5), sudoers(5), login.defs(5), subuid(5).

use std::collections::BTreeMap;

use serde::Serialize;

use super::Source;
use crate::fact::{Fact, Unknown};

/// A line of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the names are the file's")]
pub struct Account {
    pub name: String,
    /// The second field: `x` where the password is kept in shadow(5).
    pub password: String,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
    pub shell: String,
}

impl Account {
    /// Whether one can log in with it.
    #[must_use]
    pub fn has_login_shell(&self) -> bool {
        !self.shell.ends_with("/nologin") && !self.shell.ends_with("/false") && !self.shell.ends_with("/sync")
    }
}

/// A line of shadow(5). The hash itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Password {
    /// Whose it is.
    pub name: String,
    /// How it is kept.
    pub kind: PasswordKind,
    /// Days after which it must be changed.
    pub most_days: Option<i64>,
}

/// How a password is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordKind {
    /// None is needed to log in.
    Empty,
    /// None fits.
    Locked,
    /// DES or MD5, which are broken.
    Weak,
    /// SHA-256, SHA-512, bcrypt, scrypt or yescrypt.
    Strong,
}

/// A line of group(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the names are the file's")]
pub struct Group {
    pub name: String,
    pub gid: u32,
    pub members: Vec<String>,
}

/// A line of sudoers that grants something, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the words say it")]
pub struct SudoRule {
    pub text: String,
    pub path: String,
    pub line: usize,
}

/// Who may log in, and become whom.
#[derive(Debug, Clone, Serialize)]
pub struct Accounts {
    /// All accounts.
    pub users: Fact<Vec<Account>>,
    /// Their passwords; only root can tell.
    pub passwords: Fact<Vec<Password>>,
    /// All groups.
    pub groups: Fact<Vec<Group>>,
    /// What sudo grants; none where it is not installed.
    pub sudo: Fact<Vec<SudoRule>>,
    /// Settings of login.defs(5).
    pub login: Fact<BTreeMap<String, String>>,
    /// Subordinate ids: owner, first, count.
    pub subordinate: Fact<Vec<(String, u64, u64)>>,
    /// The lines of all files in `/etc/pam.d`, comments left out, with the file's name.
    pub pam: Fact<Vec<(String, String)>>,
    /// Files `authorized_keys` of root: how many keys.
    pub root_keys: Fact<usize>,
}

impl Accounts {
    /// Looks at a tree.
    pub(crate) fn gather(source: &Source) -> Self {
        let lines = |path: &str| -> Fact<Vec<String>> {
            source.tree.text(path).map(|text| text.unwrap_or_default().lines().map(str::to_owned).collect())
        };
        let required = |path: &str| match source.tree.exists(path) {
            Fact::Known(true) => lines(path),
            Fact::Known(false) => Fact::unknown(format!("{path} does not exist")),
            Fact::Unknown(reason) => Fact::Unknown(reason),
        };
        Self {
            users: required("/etc/passwd")
                .map(|lines| lines.iter().filter_map(|line| account(line)).collect()),
            passwords: required("/etc/shadow")
                .map(|lines| lines.iter().filter_map(|line| password(line)).collect()),
            groups: required("/etc/group").map(|lines| lines.iter().filter_map(|line| group(line)).collect()),
            sudo: sudo_rules(source).into(),
            login: lines("/etc/login.defs").map(|lines| settings(&lines)),
            subordinate: lines("/etc/subuid")
                .map(|lines| lines.iter().filter_map(|line| range(line)).collect()),
            pam: pam(source).into(),
            root_keys: source.tree.text("/root/.ssh/authorized_keys").map(|text| {
                let text = text.unwrap_or_default();
                text.lines()
                    .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
                    .count()
            }),
        }
    }

    /// Those of which nothing is known.
    pub(crate) fn unknown(reason: &str) -> Self {
        Self {
            users: Fact::unknown(reason),
            passwords: Fact::unknown(reason),
            groups: Fact::unknown(reason),
            sudo: Fact::unknown(reason),
            login: Fact::unknown(reason),
            subordinate: Fact::unknown(reason),
            pam: Fact::unknown(reason),
            root_keys: Fact::unknown(reason),
        }
    }

    /// The members of a group, by its list and by their own primary group.
    pub fn members(&self, name: &str) -> Result<Option<Vec<String>>, Unknown> {
        let groups = self.groups.get()?;
        let numbers: Vec<u32> =
            groups.iter().filter(|group| group.name == name).map(|group| group.gid).collect();
        if numbers.is_empty() {
            return Ok(None);
        }
        // Every line counts that gives the number, also a second one and one of another name: initgroups(3) reads them all.
        let lines = groups.iter().filter(|group| numbers.contains(&group.gid));
        let mut members: Vec<String> = lines.flat_map(|group| group.members.iter().cloned()).collect();
        let primary = self.users.get()?.iter().filter(|user| numbers.contains(&user.gid));
        members.extend(primary.map(|user| user.name.clone()));
        members.sort();
        members.dedup();
        Ok(Some(members))
    }
}

fn account(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let mut next = || fields.next().map(str::to_owned);
    let (name, password) = (next()?, next()?);
    let (uid, gid) = (next()?.parse().ok()?, next()?.parse().ok()?);
    let (_, home, shell) = (next()?, next()?, next().unwrap_or_default());
    Some(Account { name, password, uid, gid, home, shell })
}

fn password(line: &str) -> Option<Password> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let kind = kind(fields.next()?);
    let most_days = fields.nth(2).and_then(|days| days.parse().ok());
    Some(Password { name, kind, most_days })
}

fn kind(hash: &str) -> PasswordKind {
    match hash {
        "" => PasswordKind::Empty,
        hash if hash.starts_with(['!', '*']) => PasswordKind::Locked,
        hash if ["$5$", "$6$", "$2", "$7$", "$y$", "$gy$"].iter().any(|mark| hash.starts_with(mark)) => {
            PasswordKind::Strong
        }
        "x" => PasswordKind::Locked,
        _ => PasswordKind::Weak,
    }
}

fn group(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let (name, gid) = (fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?);
    let members = fields.next().unwrap_or_default().split(',').filter(|name| !name.is_empty());
    Some(Group { name, gid, members: members.map(str::to_owned).collect() })
}

fn range(line: &str) -> Option<(String, u64, u64)> {
    let mut fields = line.trim().split(':');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// `NAME value` per line; the last of a name counts.
fn settings(lines: &[String]) -> BTreeMap<String, String> {
    let line = |line: &String| {
        let mut words = line.split_whitespace();
        let name = words.next().filter(|name| !name.starts_with('#'))?;
        Some((name.to_owned(), words.next().unwrap_or_default().to_owned()))
    };
    lines.iter().filter_map(line).collect()
}

fn sudo_rules(source: &Source) -> Result<Vec<SudoRule>, Unknown> {
    let mut files = vec!["/etc/sudoers".to_owned()];
    // sudoers(5): names with a dot or a tilde at their end are left out.
    let drop_ins = source.tree.names_with_ending("/etc/sudoers.d", "")?;
    let drop_ins = drop_ins.into_iter().filter(|name| !name.contains('.') && !name.ends_with('~'));
    files.extend(drop_ins.map(|name| format!("/etc/sudoers.d/{name}")));
    let mut rules = Vec::new();
    for path in files {
        let text = source.tree.text(&path).get()?.clone().unwrap_or_default();
        let meaningful = text.lines().enumerate().filter(|(_, line)| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#') && !line.starts_with('@')
        });
        rules.extend(meaningful.map(|(number, line)| SudoRule {
            text: line.trim().to_owned(),
            path: path.clone(),
            line: number + 1,
        }));
    }
    Ok(rules)
}

fn pam(source: &Source) -> Result<Vec<(String, String)>, Unknown> {
    let mut lines = Vec::new();
    for name in source.tree.names_with_ending("/etc/pam.d", "")? {
        let text = source.tree.text(format!("/etc/pam.d/{name}")).get()?.clone().unwrap_or_default();
        let meaningful =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.extend(meaningful.map(|line| (name.clone(), line.to_owned())));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_by_their_hash() {
        for (hash, expected) in [
            ("", PasswordKind::Empty),
            ("!", PasswordKind::Locked),
            ("*", PasswordKind::Locked),
            ("!$6$x$y", PasswordKind::Locked),
            ("$6$x$y", PasswordKind::Strong),
            ("$y$j9T$x", PasswordKind::Strong),
            ("$1$x$y", PasswordKind::Weak),
            ("aaXdeadbeef.z", PasswordKind::Weak),
        ] {
            assert_eq!(kind(hash), expected, "{hash}");
        }
        assert_eq!(password("a:$6$x:19000:0:90:7:::").unwrap().most_days, Some(90));
    }

    #[test]
    fn lines_that_are_none_are_left_out() {
        assert!(account("root:x:0").is_none());
        assert_eq!(account("r:x:0:0::/root:/bin/sh").unwrap().shell, "/bin/sh");
        assert_eq!(group("docker:x:999:a,b").unwrap().members, ["a", "b"]);
        assert!(group("x").is_none());
    }
}
