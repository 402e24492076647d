//! Whether a setting of the SSH server would lock the owner out.

use crate::host::{Account, HostFacts, PasswordKind, Sshd};
use crate::tree::Tree;

/// Why a setting is not written; `None` where somebody can still log in, and become root, with it.
///
/// `planned` are the settings that are written in the same go. What is not known counts as locked out.
pub(super) fn lock_out(
    facts: &HostFacts,
    tree: &Tree,
    name: &str,
    value: &str,
    planned: &[(String, String)],
) -> Option<String> {
    let Ok(Some(sshd)) = facts.ssh.get() else {
        return Some("the SSH server's settings are not known".to_owned());
    };
    if !sshd.includes_drop_ins {
        return Some("/etc/ssh/sshd_config does not include /etc/ssh/sshd_config.d/*.conf".to_owned());
    }
    let way = Ways { facts, tree, sshd, planned };
    match (name, value) {
        ("PasswordAuthentication", "no") if !way.somebody_has_a_key() => {
            Some("nobody who may log in has a key in ~/.ssh/authorized_keys".to_owned())
        }
        ("PermitRootLogin", "no" | "prohibit-password" | "forced-commands-only")
            if !way.an_administrator_gets_in(value) =>
        {
            Some("nobody else who may become root could log in".to_owned())
        }
        _ => None,
    }
}

struct Ways<'a> {
    facts: &'a HostFacts,
    tree: &'a Tree,
    sshd: &'a Sshd,
    planned: &'a [(String, String)],
}

impl Ways<'_> {
    /// What a setting will be.
    fn setting(&self, name: &str, default: &'static str) -> String {
        let planned = self.planned.iter().find(|(planned, _)| planned.eq_ignore_ascii_case(name));
        let now = || self.sshd.settings.get(name).map(|setting| setting.value.clone());
        planned.map(|(_, value)| value.clone()).or_else(now).unwrap_or_else(|| default.to_owned())
    }

    /// Accounts of people, and root, that the server lets in at all.
    fn accounts(&self) -> Vec<&Account> {
        let Ok(users) = self.facts.accounts.users.get() else { return Vec::new() };
        let people =
            users.iter().filter(|user| (user.uid == 0 || user.uid >= 1000) && user.has_login_shell());
        people.filter(|user| self.is_allowed(user)).collect()
    }

    /// Only plain names are understood; whoever is allowed by a pattern counts as not allowed.
    fn is_allowed(&self, user: &Account) -> bool {
        let list = |name: &str| {
            let setting = self.sshd.settings.get(name)?;
            Some(setting.value.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        let is_in = |group: &String| {
            let members = self.facts.accounts.members(group).ok().flatten();
            members.is_some_and(|members| members.contains(&user.name))
        };
        if ["denyusers", "denygroups"].iter().any(|name| list(name).is_some()) {
            return false;
        }
        list("allowusers").is_none_or(|users| users.contains(&user.name))
            && list("allowgroups").is_none_or(|groups| groups.iter().any(is_in))
    }

    fn has_key(&self, user: &Account) -> bool {
        if self.setting("pubkeyauthentication", "yes") != "yes" {
            return false;
        }
        let files = self.setting("authorizedkeysfile", ".ssh/authorized_keys .ssh/authorized_keys2");
        files.split_whitespace().any(|file| {
            let file = file.replace("%h", &user.home).replace("%u", &user.name);
            let path = if file.starts_with('/') { file } else { format!("{}/{file}", user.home) };
            let text = self.tree.text(path).known().cloned().flatten().unwrap_or_default();
            text.lines().any(|line| line.contains("ssh-") || line.contains("ecdsa-"))
        })
    }

    fn has_password(&self, user: &Account) -> bool {
        let fits = |kind| matches!(kind, PasswordKind::Strong | PasswordKind::Weak);
        self.setting("passwordauthentication", "yes") == "yes"
            && self.facts.accounts.passwords.known().is_some_and(|all| {
                all.iter().any(|password| password.name == user.name && fits(password.kind))
            })
    }

    fn somebody_has_a_key(&self) -> bool {
        let root = self.setting("permitrootlogin", "prohibit-password") != "no";
        self.accounts().into_iter().any(|user| (user.uid != 0 || root) && self.has_key(user))
    }

    /// Whether somebody gets in who is root, or becomes it, with root's login set to this.
    fn an_administrator_gets_in(&self, root_login: &str) -> bool {
        self.accounts().into_iter().any(|user| match user.uid {
            0 => root_login == "prohibit-password" && self.has_key(user),
            _ => self.becomes_root(user) && (self.has_key(user) || self.has_password(user)),
        })
    }

    fn becomes_root(&self, user: &Account) -> bool {
        let named = |word: &str| {
            self.facts.accounts.sudo.known().is_some_and(|rules| {
                rules.iter().any(|rule| {
                    rule.text.split_whitespace().next() == Some(word) && rule.text.contains("ALL")
                })
            })
        };
        let by_group = ["sudo", "wheel", "admin"].iter().any(|group| {
            let members = self.facts.accounts.members(group).ok().flatten();
            members.is_some_and(|members| members.contains(&user.name)) && named(&format!("%{group}"))
        });
        by_group || named(&user.name)
    }
}
