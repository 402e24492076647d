//! `cofferdam build` by an ordinary user, with one id and with ranges through newuidmap: the same images as root's, and nothing left
//! that the user could not remove.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use support::accounts::Accounts;
use support::archive::{RawEntry, RawTar};
use support::{Home, Ran, is_root, skip};

const BASE: &str = r#"FROM scratch AS base
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -p /etc /tmp /usr/real /usr/gone && echo 1 > /usr/gone/1 && echo 'root:x:0:0::/:/bin/sh' > /etc/passwd && \
    echo 'app:x:1000:1001::/:/bin/sh' >> /etc/passwd && echo 'web:x:2000:' > /etc/group
"#;

/// Everything that needs no other owner than root.
const ONE_ID: &str = r"
FROM base
WORKDIR /work
COPY --chmod=640 file sub /work/
RUN --mount=type=cache,target=/cache --mount=type=secret,id=word,target=/run/word --mount=type=bind,target=/context \
    echo x >> /cache/count && cat /cache/count /context/file && grep -q secret /run/word && chmod 4711 /work/file
RUN rm -rf /usr/gone /tmp && mkdir /usr/gone && echo new > /usr/gone/2 && rm /etc/group && mkfifo /work/pipe && ln -s /a /work/link
COPY --from=base /etc /from-base
";

/// Owners as instructions and commands give them, and as later steps see them.
const RANGES: &str = r"
FROM base AS owned
COPY --chown=app:web file /opt/of-app
COPY --chown=5:6 sub /opt/of-5
RUN mkdir -m 700 /opt/closed && echo 1 > /opt/closed/1 && echo 2 > /opt/closed/2 && chown -R 7:8 /opt/closed
FROM owned
COPY --from=owned /opt /copied
USER 7
RUN [ $(stat -c %u:%g /opt/of-app /opt/of-5 /copied/closed/1 | tr '\n' ,) = 1000:2000,5:6,7:8, ] && rm /copied/closed/1
USER 0
RUN --mount=type=cache,target=/cache,uid=9,mode=700 [ $(stat -c %u /cache) = 9 ] && touch /cache/x && chown 10 /cache/x
ADD owned.tar /added
";

struct Project {
    folder: tempfile::TempDir,
    secret: String,
}

impl Project {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::copy("/bin/busybox", at("busybox")).unwrap();
        std::fs::write(at("Dockerfile"), format!("{BASE}{text}")).unwrap();
        std::fs::create_dir(at("sub")).unwrap();
        for name in ["file", "sub/one", "word"] {
            std::fs::write(at(name), if name == "word" { "secret" } else { "content" }).unwrap();
        }
        std::fs::write(at(".dockerignore"), "word").unwrap();
        let entry = RawEntry { name: "of-11", uid: 11, ..RawEntry::default() };
        std::fs::write(at("owned.tar"), RawTar::default().add(&entry, b"content").bytes()).unwrap();
        // Whoever builds may read it, and owns nothing of it.
        let open = |path: PathBuf, mode| {
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        };
        open(folder.path().to_owned(), 0o755);
        open(at("busybox"), 0o755);
        let secret = format!("id=word,src={}", at("word").display());
        Self { folder, secret }
    }

    fn args(&self) -> Vec<&str> {
        vec!["build", "-q", "-t", "made", "--secret", &self.secret, self.folder.path().to_str().unwrap()]
    }

    /// The id that the image has when root builds it.
    fn by_root(&self) -> String {
        Home::new().ok(&self.args())
    }
}

fn ready(test: &str) -> Option<Home> {
    if !is_root(test) {
        return None;
    }
    if !Path::new("/bin/busybox").exists() {
        skip(test, "busybox-static is not installed");
        return None;
    }
    Some(Home::of_user(Path::new(env!("CARGO_BIN_EXE_cofferdam"))))
}

/// What is left of builds beside images and the cache.
fn left(home: &Home) -> Vec<String> {
    let mut left = home.remains();
    let place = home.path().to_str().unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    left.extend(mounts.lines().filter(|line| line.contains(place)).map(str::to_owned));
    for (folder, prefix) in [
        (home.path().join("state/builder/sessions"), ""),
        (home.path().join("run"), "build-"),
        (PathBuf::from("/dev/shm"), "cofferdam-build-"),
    ] {
        let user = home.user().unwrap().0;
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let own = entries.filter(|entry| {
            entry.file_name().to_string_lossy().starts_with(prefix)
                && entry.metadata().is_ok_and(|found| found.uid() == user)
        });
        left.extend(own.map(|entry| entry.path().display().to_string()));
    }
    left
}

/// The files below a home that are not its user's; its copy of the program is the test's.
fn foreign(home: &Home) -> Vec<PathBuf> {
    let mut found = foreign_below(home.path(), home.user().unwrap().0);
    found.retain(|path| *path != home.path().join("cofferdam"));
    found
}

fn foreign_below(folder: &Path, user: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let metadata = entry.metadata().unwrap();
        if metadata.uid() != user {
            found.push(entry.path());
        }
        if metadata.is_dir() {
            found.extend(foreign_below(&entry.path(), user));
        }
    }
    found
}

fn worked(ran: &Ran) -> String {
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    ran.out.trim().to_owned()
}

#[test]
fn user_with_one_id_builds_what_root_builds() {
    let Some(home) = ready("user_with_one_id_builds_what_root_builds") else { return };
    let project = Project::new(ONE_ID);
    let id = worked(&home.run(&project.args()));
    assert_eq!(id, project.by_root());
    assert_eq!(worked(&home.run(&project.args())), id, "from the cache");
    let mut anew = project.args();
    anew.insert(1, "--no-cache");
    assert_eq!(worked(&home.run(&anew)), id);
    let script = "ls /work /usr/gone; stat -c %a /work/file; cat /usr/gone/2 /from-base/group";
    let shown = home.ok(&["run", "--rm", "made", "sh", "-c", script]);
    let wanted = "/usr/gone: 2 /work: file link one pipe 4711 new web:x:2000:";
    let mut words: Vec<&str> = shown.split_ascii_whitespace().collect();
    let mut wanted: Vec<&str> = wanted.split(' ').collect();
    words.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(words, wanted);
    let out = home.path().join("out");
    let output = format!("type=local,dest={}", out.display());
    let mut to_folder = project.args();
    to_folder.extend(["-o", &output]);
    worked(&home.run(&to_folder));
    assert_eq!(std::fs::read_to_string(out.join("usr/gone/2")).unwrap(), "new\n");
    worked(&home.run(&["image", "verify", "--all"]));
    assert_eq!(left(&home), [""; 0]);
    assert_eq!(foreign(&home), <[PathBuf; 0]>::default());
}

#[test]
fn user_with_one_id_is_told_what_needs_more() {
    let Some(home) = ready("user_with_one_id_is_told_what_needs_more") else { return };
    for (line, more) in [
        ("COPY --chown=5:6 file /file", &["user 5 or group 6", "/etc/subuid"][..]),
        ("COPY --chown=app file /file", &["user 1000 or group 1001", "/etc/subuid"]),
        ("ADD owned.tar /added", &["user 11 or group 11", "/etc/subuid"]),
        ("RUN --mount=type=cache,target=/c,uid=5 true", &["user 5 or group 0", "/etc/subuid"]),
        ("USER 5\nRUN true", &["user 5", "/etc/subuid"]),
        ("RUN echo to-be-seen; exit 3", &["exit code 3", "to-be-seen", "line"]),
    ] {
        let ran = home.run(&Project::new(&format!("FROM base\n{line}\n")).args());
        assert_ne!(ran.code, 0, "{line}: {ran:?}");
        for word in more {
            assert!(ran.err.contains(word), "{line}: {}", ran.err);
        }
    }
    assert_eq!(left(&home), [""; 0]);
}

#[test]
fn user_with_ranges_builds_what_root_builds() {
    let test = "user_with_ranges_builds_what_root_builds";
    let Some(home) = ready(test) else { return };
    let Some(accounts) = Accounts::of(test, home.user().unwrap()) else { return };
    let project = Project::new(&format!("{ONE_ID}RUN true\n{RANGES}"));
    let run = |args: &[&str]| worked(&accounts.run(&home, args));
    let id = run(&project.args());
    assert_eq!(id, project.by_root());
    let mut anew = project.args();
    anew.insert(1, "--no-cache");
    assert_eq!(run(&anew), id);
    assert_eq!(left(&home), [""; 0]);
    assert!(!foreign(&home).is_empty(), "owners are on the disk, or nothing was tested");
    // A step that fails leaves what it has written to others.
    let failing = Project::new("FROM base\nRUN mkdir -m 700 /x && touch /x/y && chown -R 7 /x && exit 3\n");
    assert_ne!(accounts.run(&home, &failing.args()).code, 0);
    assert_eq!(left(&home), [""; 0]);
    run(&["image", "verify", "--all"]);
    // A file of a layer that keeps its owners: what somebody changed is found there, too.
    let owned = home.path().join("state/images/layers-owned");
    let changed =
        std::fs::read_dir(&owned).unwrap().flatten().map(|layer| layer.path().join("fs/opt/of-app"));
    let changed = changed.into_iter().find(|file| file.exists()).unwrap();
    std::fs::write(&changed, "changed").unwrap();
    let found = accounts.run(&home, &["image", "verify", "made"]);
    assert!(found.code != 0 && format!("{found:?}").contains("somebody has changed them"), "{found:?}");
    assert!(run(&["system", "df"]).contains("Images"));
    run(&["image", "rm", "made"]);
    run(&["image", "prune", "-af"]);
    run(&["builder", "prune", "-af"]);
    assert_eq!(foreign(&home), <[PathBuf; 0]>::default());
}
