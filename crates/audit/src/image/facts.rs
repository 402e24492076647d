//! Facts about an image.

use cofferdam_image::ImageConfigFile;

use super::open::Opened;
use crate::fact::{Fact, Unknown};
use crate::host::{Accounts, Source, View, distribution};
use crate::survey::{Found, Purpose, Survey, secret_in};
use crate::tree::{Buried, Tree};

/// Larger removed files are not searched for secrets.
const MOST_SEARCHED: usize = 64 << 10;

/// Everything that the checks on an image judge by.
#[derive(Debug)]
pub struct ImageFacts {
    /// How it is started.
    pub(super) config: Fact<ImageConfigFile>,
    /// What a walk through all its files found.
    pub(super) survey: Survey,
    /// Secrets in files that a later layer removed; the mode is not told.
    pub(super) buried: Vec<Found>,
    /// Who may log in.
    pub(super) accounts: Accounts,
    /// Its distribution's fields.
    pub(super) distribution: Fact<std::collections::BTreeMap<String, String>>,
    /// When a package was last installed, in seconds since 1970; `None` where it has no packages.
    pub(super) newest_package: Fact<Option<i64>>,
    /// Programs that an image of one service does not need, as far as it has them.
    pub(super) programs: Fact<Vec<&'static str>>,
    /// Whether lists of a package manager's archives were left behind.
    pub(super) package_lists: Fact<usize>,
    /// Blobs that are not what they are called by; unknown for what has no digests.
    pub(super) mismatches: Fact<Vec<String>>,
    /// How many entries had paths that lead out of the root.
    pub(super) outside: usize,
    /// Now, in seconds since 1970.
    pub(super) now: i64,
}

/// Looks for these.
pub(super) const PROGRAMS: [&str; 12] = [
    "/usr/sbin/sshd",
    "/usr/sbin/telnetd",
    "/usr/sbin/in.telnetd",
    "/usr/bin/sudo",
    "/usr/bin/doas",
    "/usr/bin/apt-get",
    "/sbin/apk",
    "/usr/bin/dnf",
    "/usr/bin/yum",
    "/usr/bin/microdnf",
    "/usr/bin/zypper",
    "/usr/bin/dockerd",
];

impl ImageFacts {
    pub(super) fn of(opened: Opened, now: i64) -> Self {
        let Opened { config, files, mismatches, .. } = opened;
        let has_digests = config.is_some();
        let buried = buried(files.buried());
        let outside = files.outside();
        let facts = Self::of_tree(Tree::unmounted(files), config, now);
        Self {
            buried,
            outside,
            mismatches: if has_digests { Fact::Known(mismatches) } else { facts.mismatches },
            ..facts
        }
    }

    /// Facts about a root file system that has no layers any more.
    pub(super) fn of_tree(tree: Tree, config: Option<ImageConfigFile>, now: i64) -> Self {
        let source = Source { tree, view: View::AtRest };
        let tree = &source.tree;
        Self {
            config: config.map_or_else(
                || Fact::unknown("a plain file system does not say how it is started"),
                Fact::Known,
            ),
            survey: Survey::of(tree, &["/"], Purpose::Everything),
            buried: Vec::new(),
            accounts: Accounts::gather(&source),
            distribution: distribution(&source),
            newest_package: newest_package(tree).into(),
            programs: programs(tree).into(),
            package_lists: package_lists(tree).into(),
            mismatches: Fact::unknown("a plain file system has no digests"),
            outside: 0,
            now,
        }
    }
}

fn buried(all: &[Buried]) -> Vec<Found> {
    let secret = |gone: &Buried| {
        let text =
            gone.content.bytes(MOST_SEARCHED).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let what = secret_in(&gone.path, text.as_deref())?;
        Some(Found {
            path: gone.path.clone(),
            mode: 0,
            uid: 0,
            what: format!("{what}, in layer {}", gone.layer),
        })
    };
    all.iter().filter_map(secret).collect()
}

fn newest_package(tree: &Tree) -> Result<Option<i64>, Unknown> {
    const INFO: &str = "/var/lib/dpkg/info";
    let mut newest = None;
    for name in tree.names_with_ending(INFO, ".list")? {
        newest = newest.max(tree.status(format!("{INFO}/{name}")).get()?.map(|status| status.modified));
    }
    for path in [
        "/var/lib/dpkg/status",
        "/lib/apk/db/installed",
        "/usr/lib/apk/db/installed",
        "/var/lib/rpm/rpmdb.sqlite",
        "/usr/lib/sysimage/rpm/rpmdb.sqlite",
        "/var/lib/rpm/Packages",
    ] {
        if newest.is_none() {
            newest = tree.status(path).get()?.map(|status| status.modified);
        }
    }
    match newest {
        Some(0) => Err(Unknown("the times of its files were taken away".to_owned())),
        newest => Ok(newest),
    }
}

fn programs(tree: &Tree) -> Result<Vec<&'static str>, Unknown> {
    let mut found = Vec::new();
    for path in PROGRAMS {
        if *tree.exists(path).get()? {
            found.push(path);
        }
    }
    Ok(found)
}

fn package_lists(tree: &Tree) -> Result<usize, Unknown> {
    let lists = tree.names_with_ending("/var/lib/apt/lists", "")?;
    let apk = tree.names_with_ending("/var/cache/apk", ".tar.gz")?;
    Ok(lists.iter().filter(|name| name.contains('_')).count() + apk.len())
}
