//! Who the process runs as: `-u` and `--group-add` looked up in the image's own /etc/passwd and /etc/group.

use cofferdam_confinement::{IdMaps, Setgroups, User};

use super::{Planner, PolicyError};

/// The user, and what comes with the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// The ids.
    pub ids: User,
    /// The home folder.
    pub home: String,
}

/// The image's account files as text (passwd(5), group(5)).
#[derive(Debug, Clone, Copy)]
pub(super) struct AccountFiles<'a> {
    pub passwd: &'a str,
    pub group: &'a str,
}

struct Passwd<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl<'a> AccountFiles<'a> {
    fn users(self) -> impl Iterator<Item = Passwd<'a>> {
        self.passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            Some(Passwd { name, uid, gid, home: fields.nth(1).unwrap_or_default() })
        })
    }

    fn groups(self) -> impl Iterator<Item = Group<'a>> {
        self.group.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let gid = fields.nth(1)?.parse().ok()?;
            Some(Group { name, gid, members: fields.next().unwrap_or_default() })
        })
    }

    /// A group by name, or by number where no group has the number for a name.
    fn group_id(self, word: &str) -> Result<u32, PolicyError> {
        let named = self.groups().find(|group| group.name == word).map(|group| group.gid);
        named.or_else(|| id(word)).ok_or_else(|| {
            PolicyError::invalid(format!("group {word:?}"), "the image's /etc/group has no such group")
        })
    }

    /// `user`, `uid`, `user:group` or nothing (root), as Docker reads `USER`.
    pub(super) fn look_up(self, spec: &str, group_add: &[String]) -> Result<Account, PolicyError> {
        let (user, group) = match spec.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
            None => (spec, None),
        };
        let user = if user.is_empty() { "0" } else { user };
        let entry = self.users().find(|entry| entry.name == user).or_else(|| {
            let uid = id(user)?;
            self.users().find(|entry| entry.uid == uid)
        });
        let uid = entry.as_ref().map(|entry| entry.uid).or_else(|| id(user)).ok_or_else(|| {
            PolicyError::invalid(format!("user {user:?}"), "the image's /etc/passwd has no such user")
        })?;
        let (gid, mut additional_gids) = match (group, &entry) {
            (Some(group), _) => (self.group_id(group)?, Vec::new()),
            (None, Some(entry)) => {
                let member = |group: &Group<'_>| group.members.split(',').any(|name| name == entry.name);
                (entry.gid, self.groups().filter(member).map(|group| group.gid).collect())
            }
            (None, None) => (0, Vec::new()),
        };
        for word in group_add {
            additional_gids.push(self.group_id(word)?);
        }
        additional_gids.sort_unstable();
        additional_gids.dedup();
        let home = entry.map(|entry| entry.home).filter(|home| home.starts_with('/')).unwrap_or("/");
        Ok(Account { ids: User { uid, gid, additional_gids, umask: None }, home: home.to_owned() })
    }
}

/// A user or group number; the last one means "none" to the kernel.
fn id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id < u32::MAX)
}

/// Checks that the container's maps hold the ids. Where setgroups(2) is denied, groups that the image alone names are
/// given up (the process has fewer rights); those that were asked for are an error.
pub(super) fn check_mapped(
    account: &mut Account,
    asked_groups: &[String],
    maps: &IdMaps,
) -> Result<(), PolicyError> {
    let ids = &mut account.ids;
    let advice = "ordinary users get more ids by ranges in /etc/subuid and /etc/subgid";
    if maps.setgroups == Setgroups::Deny {
        if let Some(group) = asked_groups.first() {
            let lack = "a container with one id only cannot have supplementary groups";
            return Err(PolicyError::lacks(format!("--group-add {group}"), lack, advice));
        }
        ids.additional_gids.clear();
    }
    let unmapped_group = std::iter::once(ids.gid)
        .chain(ids.additional_gids.iter().copied())
        .find(|gid| maps.host_gid(*gid).is_none())
        .map(|gid| format!("group {gid}"));
    let unmapped_user = maps.host_uid(ids.uid).is_none().then(|| format!("user {}", ids.uid));
    match unmapped_user.or(unmapped_group) {
        Some(subject) => Err(PolicyError::lacks(subject, "it is outside the container's id range", advice)),
        None => Ok(()),
    }
}

impl Planner<'_> {
    /// The user of the request, or of the image.
    pub(super) fn user(&self, maps: &IdMaps) -> Result<Account, PolicyError> {
        let files = AccountFiles { passwd: &self.context.passwd, group: &self.context.group };
        let spec = self.request.user.as_deref().unwrap_or(&self.context.image.user);
        let mut account = files.look_up(spec, &self.request.group_add)?;
        check_mapped(&mut account, &self.request.group_add, maps)?;
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: AccountFiles<'static> = AccountFiles {
        passwd: "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:33:w:/var/www:/bin/sh\n1000:x:7:7::/seven:\n",
        group: "root:x:0:\nwww:x:33:\nlog:x:4:web,other\naudio:x:29:web\n",
    };

    fn ids(spec: &str) -> (u32, u32, Vec<u32>) {
        let ids = FILES.look_up(spec, &[]).unwrap().ids;
        (ids.uid, ids.gid, ids.additional_gids)
    }

    #[test]
    fn as_docker_reads_user() {
        assert_eq!(ids(""), (0, 0, vec![]));
        assert_eq!(ids("web"), (33, 33, vec![4, 29]));
        assert_eq!(ids("33"), (33, 33, vec![4, 29]));
        assert_eq!(ids("web:log"), (33, 4, vec![]));
        assert_eq!(ids("5000"), (5000, 0, vec![]));
        assert_eq!(ids("5000:6000"), (5000, 6000, vec![]));
        assert_eq!(ids(":log"), (0, 4, vec![]));
        // A name made of digits is a name first.
        assert_eq!(ids("1000"), (7, 7, vec![]));
        assert_eq!(FILES.look_up("web", &[]).unwrap().home, "/var/www");
        assert_eq!(FILES.look_up("5000", &[]).unwrap().home, "/");
        let added = FILES.look_up("web", &["www".into(), "77".into(), "4".into()]).unwrap();
        assert_eq!(added.ids.additional_gids, [4, 29, 33, 77]);
        for bad in ["nobody", "web:nogroup", "4294967295", "-1", "99999999999"] {
            assert!(FILES.look_up(bad, &[]).is_err(), "{bad}");
        }
    }
}
