//! `--chown`: users and groups of the stage.

use std::os::fd::OwnedFd;
use std::path::Path;

use super::{BuildError, inside};

/// The numbers of `USER[:GROUP]`.
pub(super) fn owner(root: &OwnedFd, text: &str) -> Result<(u32, u32), BuildError> {
    let read = |name: &str| {
        inside::read_text(root, Path::new(name)).map_err(BuildError::io("read", format!("/{name}")))
    };
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (text, None),
    };
    let (uid, primary) = match user.parse::<u32>() {
        Ok(uid) => (uid, uid),
        Err(_) if user.is_empty() => (0, 0),
        Err(_) => {
            let passwd = read("etc/passwd")?;
            field(&passwd, user, 2)
                .zip(field(&passwd, user, 3))
                .ok_or_else(|| BuildError::NoAccount { name: user.to_owned() })?
        }
    };
    let gid = match group {
        None => primary,
        Some(group) => match group.parse::<u32>() {
            Ok(gid) => gid,
            Err(_) => field(&read("etc/group")?, group, 2)
                .ok_or_else(|| BuildError::NoAccount { name: group.to_owned() })?,
        },
    };
    Ok((uid, gid))
}

/// A number of the line that begins with a name (passwd(5), group(5)).
fn field(text: &str, name: &str, at: usize) -> Option<u32> {
    let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|fields| fields.first() == Some(&name))?;
    line.get(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_in_the_stage() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/passwd"), "root:x:0:0::/:\napp:x:7:8::/:\n").unwrap();
        std::fs::write(root.path().join("etc/group"), "web:x:9:\n").unwrap();
        let folder = super::super::root::open_folder(root.path()).unwrap();
        for (text, numbers) in [
            ("5", (5, 5)),
            ("5:6", (5, 6)),
            ("app", (7, 8)),
            ("app:web", (7, 9)),
            (":web", (0, 9)),
            ("5:", (5, 5)),
        ] {
            assert_eq!(owner(&folder, text).unwrap(), numbers, "{text}");
        }
        assert!(owner(&folder, "nobody").is_err());
        assert!(owner(&folder, "app:nobody").is_err());
    }
}
