//! Accounts: who can log in, and as whom.

use crate::control::{About, Body, Control, Dimension, Evidence, Gain, Severity, Verdict};
use crate::host::{Account, HostFacts, PasswordKind};

const AREA: &str = "accounts";

fn about(id: &'static str) -> About {
    About::new(AREA, id).dimension(Dimension::ControlPlane)
}

/// The checks.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    vec![
        one_root(),
        empty_passwords(),
        weak_hashes(),
        shadowed(),
        unique_ids(),
        unique_names(),
        known_groups(),
        system_shells(),
        root_keys(),
        homes(),
        subordinate_ranges(),
        subordinate_overlap(),
    ]
}

/// A fact about each account that is wrong.
fn accounts_with(
    facts: &HostFacts,
    wrong: impl Fn(&Account) -> bool,
    words: impl Fn(&Account) -> String,
    otherwise: &str,
) -> crate::control::Judgement {
    let users = facts.accounts.users.get()?;
    let found = users.iter().filter(|user| wrong(user));
    let evidence = found.map(|user| Evidence::at(words(user), "/etc/passwd", None));
    Ok(Verdict::none_of(evidence, otherwise))
}

fn one_root() -> Control<HostFacts> {
    let about = about("accounts.one_root")
        .title("Only root has the user id 0")
        .why("A second account with id 0 is root under a name that nobody watches.")
        .remedy("give the account another id with usermod, or remove it")
        .weight(Severity::Critical, Gain::HostRoot)
        .reference(Body::CisLinux, "5.4.2.1")
        .reference(Body::Lynis, "AUTH-9204");
    Control::new(about, |facts: &HostFacts| {
        let wrong = |user: &Account| user.uid == 0 && user.name != "root";
        accounts_with(facts, wrong, |user| format!("{} has id 0", user.name), "no other account does")
    })
}

fn empty_passwords() -> Control<HostFacts> {
    let about = about("accounts.no_empty_password")
        .title("No account can be entered without a password")
        .why("A process that escapes to any user becomes such an account with one `su`.")
        .remedy("lock the account with `passwd -l`, or set a password")
        .weight(Severity::Critical, Gain::Foothold)
        .reference(Body::CisLinux, "7.2.2")
        .reference(Body::Lynis, "AUTH-9283");
    Control::new(about, |facts: &HostFacts| {
        let bare = facts.accounts.users.get()?.iter().filter(|user| user.password.is_empty());
        let bare = bare.map(|user| Evidence::at(format!("{} needs none", user.name), "/etc/passwd", None));
        let empty = facts.accounts.passwords.get()?.iter().filter(|one| one.kind == PasswordKind::Empty);
        let empty = empty.map(|one| Evidence::at(format!("{} needs none", one.name), "/etc/shadow", None));
        Ok(Verdict::none_of(bare.chain(empty), "every account needs one or is locked"))
    })
}

fn weak_hashes() -> Control<HostFacts> {
    let about = about("accounts.strong_hashes")
        .title("Passwords are kept with a hash that is slow to guess")
        .why("A shadow file that leaks into a container's volume or backup is guessed in hours where it holds DES or MD5 hashes.")
        .remedy("set ENCRYPT_METHOD YESCRYPT in /etc/login.defs and have the passwords set anew")
        .weight(Severity::High, Gain::Foothold)
        .reference(Body::CisLinux, "5.4.1.4")
        .reference(Body::Lynis, "AUTH-9229");
    Control::new(about, |facts: &HostFacts| {
        let weak = facts.accounts.passwords.get()?.iter().filter(|one| one.kind == PasswordKind::Weak);
        let weak = weak.map(|one| Evidence::at(format!("{}'s hash is weak", one.name), "/etc/shadow", None));
        Ok(Verdict::none_of(weak, "no weak hash"))
    })
}

fn shadowed() -> Control<HostFacts> {
    let about = about("accounts.shadowed")
        .title("No password stands in /etc/passwd")
        .why("/etc/passwd is readable by everybody, and is what a container with a view of /etc reads first.")
        .remedy("run pwconv")
        .weight(Severity::High, Gain::Foothold)
        .reference(Body::CisLinux, "7.2.1");
    Control::new(about, |facts: &HostFacts| {
        let wrong = |user: &Account| !matches!(user.password.as_str(), "x" | "*" | "!" | "!!" | "");
        accounts_with(facts, wrong, |user| format!("{}'s does", user.name), "all are kept in /etc/shadow")
    })
}

/// Values that stand twice.
fn twice<T: Ord + Clone>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort();
    let mut doubles: Vec<T> =
        values.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone()).collect();
    doubles.dedup();
    doubles
}

fn unique_ids() -> Control<HostFacts> {
    let about = about("accounts.unique_ids")
        .title("No two accounts or groups share an id")
        .why("Two accounts with one id own each other's files and processes, whatever their names say.")
        .remedy("give one of them another id with usermod or groupmod")
        .weight(Severity::Medium, Gain::Foothold)
        .reference(Body::CisLinux, "7.2.4")
        .reference(Body::CisLinux, "7.2.5")
        .reference(Body::Lynis, "AUTH-9208")
        .reference(Body::Lynis, "AUTH-9222");
    Control::new(about, |facts: &HostFacts| {
        let users = twice(facts.accounts.users.get()?.iter().map(|user| user.uid));
        let groups = twice(facts.accounts.groups.get()?.iter().map(|group| group.gid));
        let user = |id| Evidence::at(format!("id {id} stands twice"), "/etc/passwd", None);
        let group = |id| Evidence::at(format!("group id {id} stands twice"), "/etc/group", None);
        let seen = users.into_iter().map(user).chain(groups.into_iter().map(group));
        Ok(Verdict::none_of(seen, "all ids differ"))
    })
}

fn unique_names() -> Control<HostFacts> {
    let about = about("accounts.unique_names")
        .title("No two accounts or groups share a name")
        .why("Which of the two a program means depends on the program, and a range of subordinate ids may go to the wrong one.")
        .remedy("rename one of them with usermod -l or groupmod -n")
        .weight(Severity::Medium, Gain::Foothold)
        .reference(Body::CisLinux, "7.2.6")
        .reference(Body::Lynis, "AUTH-9216")
        .reference(Body::Lynis, "AUTH-9226");
    Control::new(about, |facts: &HostFacts| {
        let users = twice(facts.accounts.users.get()?.iter().map(|user| user.name.clone()));
        let groups = twice(facts.accounts.groups.get()?.iter().map(|group| group.name.clone()));
        let users =
            users.into_iter().map(|name| Evidence::at(format!("account {name}"), "/etc/passwd", None));
        let groups = groups.into_iter().map(|name| Evidence::at(format!("group {name}"), "/etc/group", None));
        Ok(Verdict::none_of(users.chain(groups), "all names differ"))
    })
}

fn known_groups() -> Control<HostFacts> {
    let about = about("accounts.known_groups")
        .title("Every account's group exists")
        .why("Whoever later gets the number of the missing group gets the account's files with it.")
        .remedy("make the group with groupadd, or change the account's with usermod -g")
        .weight(Severity::Low, Gain::Foothold)
        .reference(Body::CisLinux, "7.2.3");
    Control::new(about, |facts: &HostFacts| {
        let groups = facts.accounts.groups.get()?;
        let wrong = |user: &Account| !groups.iter().any(|group| group.gid == user.gid);
        let words = |user: &Account| format!("{}'s group {} does not exist", user.name, user.gid);
        accounts_with(facts, wrong, words, "all exist")
    })
}

fn system_shells() -> Control<HostFacts> {
    let about = about("accounts.system_shells")
        .title("Accounts of services have no login shell")
        .why("A service that a container takes over should not be an account that one can log in to.")
        .remedy("run `usermod -s /usr/sbin/nologin` for each")
        .weight(Severity::Low, Gain::Foothold)
        .reference(Body::CisLinux, "5.4.2.7");
    Control::new(about, |facts: &HostFacts| {
        let wrong = |user: &Account| {
            (1..1000).contains(&user.uid) && user.has_login_shell() && !user.shell.is_empty()
        };
        let words = |user: &Account| format!("{} has {}", user.name, user.shell);
        accounts_with(facts, wrong, words, "none has one")
    })
}

fn root_keys() -> Control<HostFacts> {
    let about = about("accounts.root_keys")
        .title("No key opens root's account directly")
        .why("A key that opens root leaves no name behind, and everybody who ever held it is root on all its hosts.")
        .remedy("give people accounts of their own and sudo, and empty /root/.ssh/authorized_keys")
        .weight(Severity::Medium, Gain::HostRoot);
    Control::new(about, |facts: &HostFacts| {
        Ok(match facts.accounts.root_keys.get()? {
            0 => Verdict::pass("root has no authorized keys"),
            count => Verdict::fail(format!("{count} keys")).at("/root/.ssh/authorized_keys", None),
        })
    })
}

fn homes() -> Control<HostFacts> {
    let about = about("accounts.homes")
        .title("People's accounts have homes of their own")
        .why("Two accounts in one home, or in /, read each other's keys and engine credentials.")
        .remedy("give each account a folder of its own with usermod -d")
        .weight(Severity::Low, Gain::Foothold)
        .reference(Body::CisLinux, "7.2.9")
        .reference(Body::Lynis, "HOME-9306");
    Control::new(about, |facts: &HostFacts| {
        let users = facts.accounts.users.get()?;
        let person = |user: &&Account| user.uid >= 1000 && user.uid < 60_000 && user.has_login_shell();
        let shared = twice(users.iter().filter(person).map(|user| user.home.clone()));
        let wrong = |user: &Account| {
            person(&user) && (user.home == "/" || user.home.is_empty() || shared.contains(&user.home))
        };
        accounts_with(facts, wrong, |user| format!("{} lives in {:?}", user.name, user.home), "they have")
    })
}

fn subordinate_ranges() -> Control<HostFacts> {
    let about = about("accounts.subordinate_ranges")
        .title("Subordinate ids are none of the host's own accounts")
        .why("A container of a user whose range holds a real account's id can become that account on the host.")
        .remedy("move the range in /etc/subuid above 100000 and clear of all accounts")
        .weight(Severity::Critical, Gain::HostRoot);
    Control::new(about, |facts: &HostFacts| {
        let users = facts.accounts.users.get()?;
        let ranges = facts.accounts.subordinate.get()?;
        let wrong = ranges.iter().filter_map(|(owner, first, count)| {
            let end = first.saturating_add(*count);
            let user = users.iter().find(|user| (*first..end).contains(&u64::from(user.uid)))?;
            let words = format!("{owner}'s range {first}+{count} holds {} ({})", user.name, user.uid);
            Some(Evidence::at(words, "/etc/subuid", None))
        });
        Ok(Verdict::none_of(wrong, format!("{} ranges, none holds an account", ranges.len())))
    })
}

fn subordinate_overlap() -> Control<HostFacts> {
    let about = about("accounts.subordinate_apart")
        .title("No two users share subordinate ids")
        .why("Containers of two users whose ranges overlap own each other's files.")
        .remedy("give each user a range of its own in /etc/subuid and /etc/subgid")
        .weight(Severity::High, Gain::OtherTenants);
    Control::new(about, |facts: &HostFacts| {
        let mut ranges = facts.accounts.subordinate.get()?.clone();
        ranges.sort_by_key(|(_, first, _)| *first);
        let wrong = ranges.windows(2).filter_map(|pair| {
            let [(one, first, count), (other, next, _)] = pair else { return None };
            (one != other && first.saturating_add(*count) > *next).then(|| {
                Evidence::at(format!("{one} and {other} share ids from {next}"), "/etc/subuid", None)
            })
        });
        Ok(Verdict::none_of(wrong, "all ranges are apart"))
    })
}
