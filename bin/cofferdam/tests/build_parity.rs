//! The same Dockerfile built by podman (buildah) and here: the same files, owners, modes and configuration.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{Home, is_root, skip};

const DOCKERFILE: &str = r#"ARG WORD=one
FROM scratch AS base
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -p /etc /tmp /usr/real && ln -s usr/real /link && echo 'app:x:1000:1001::/:/bin/sh' > /etc/passwd
FROM base AS made
ARG WORD
ENV LANG=C X="a b"
WORKDIR /work
COPY --chown=1000:2000 src/ ./
COPY src/a.txt /link/through
COPY s*/[ab].txt /many/
RUN echo "$WORD" > made && cat a.txt >> made && mkdir -p /d/e && chmod 700 /d/e && rm /many/b.txt
FROM base
COPY --from=made /work/made /result
COPY --from=made /work /all
COPY --from=made /d /d
LABEL k=v
ENV A=1 B=$A
USER app
EXPOSE 80 90/udp
VOLUME /data
ENTRYPOINT ["cat"]
CMD ["/result"]
STOPSIGNAL SIGINT
"#;

/// What every engine mounts over, and podman leaves behind as empty files and folders.
const MOUNTED: [&str; 9] =
    ["etc/hostname", "etc/hosts", "etc/resolv.conf", "run", "etc", "dev", "proc", "sys", ""];

#[test]
fn podman_builds_the_same() {
    const NAME: &str = "podman_builds_the_same";
    if !is_root(NAME) {
        return;
    }
    let there = |program: &str| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !there("podman") || !there("unshare") || !Path::new("/bin/busybox").exists() {
        return skip(NAME, "podman, unshare or busybox-static is not installed");
    }
    let project = tempfile::tempdir().unwrap();
    std::fs::copy("/bin/busybox", project.path().join("busybox")).unwrap();
    std::fs::create_dir_all(project.path().join("src/inner")).unwrap();
    for (name, text) in
        [("Dockerfile", DOCKERFILE), ("src/a.txt", "aaa\n"), ("src/b.txt", "b"), ("src/inner/c", "c")]
    {
        std::fs::write(project.path().join(name), text).unwrap();
    }
    let place = project.path().to_str().unwrap();
    let home = Home::new();
    let ours = home.path().join("ours.tar");
    home.ok(&["build", "-t", "parity", "--compression", "none", place]);
    home.ok(&["build", "-o", &format!("type=tar,dest={}", ours.display()), place]);
    let podman = Podman::new();
    if !podman.run(&["build", "--isolation", "chroot", "--format", "docker", "-t", "parity", place]).1 {
        return skip(NAME, "podman cannot build here");
    }
    podman.run(&["create", "--name", "parity", "parity"]);
    let theirs = podman.folder.path().join("theirs.tar");
    assert!(podman.run(&["export", "-o", theirs.to_str().unwrap(), "parity"]).1);
    let (ours, theirs) = (entries(&ours), entries(&theirs));
    assert!(ours.len() > 200, "{}", ours.len());
    let different = |entries: &BTreeMap<String, String>, others: &BTreeMap<String, String>| {
        let own = entries.iter().filter(|(name, said)| others.get(*name) != Some(*said));
        own.map(|(name, said)| format!("{name}: {said}")).collect::<Vec<_>>()
    };
    assert_eq!(different(&ours, &theirs), different(&theirs, &ours));

    let config = podman.run(&["image", "inspect", "parity"]).0;
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    let own: serde_json::Value = serde_json::from_str(&home.ok(&["image", "inspect", "parity"])).unwrap();
    for key in ["User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "StopSignal"] {
        assert_eq!(own[0]["Config"][key], config[0]["Config"][key], "{key}: {own}");
    }
}

/// Podman with a storage of its own, in a network namespace without any link.
struct Podman {
    folder: tempfile::TempDir,
}

impl Podman {
    fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("cofferdam-podman-").tempdir().unwrap() }
    }

    fn run(&self, args: &[&str]) -> (String, bool) {
        let output = Command::new("unshare")
            .args(["-n", "podman", "--storage-driver", "vfs", "--root"])
            .arg(self.folder.path().join("root"))
            .arg("--runroot")
            .arg(self.folder.path().join("run"))
            .args(args)
            .env("TMPDIR", self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
    }
}

/// Each entry of a tar: kind, mode, owner, group, what a link leads to, and the content. Not its time.
fn entries(path: &Path) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.trim_start_matches("./").trim_end_matches('/').to_owned();
        if MOUNTED.contains(&name.as_str()) {
            continue;
        }
        let header = entry.header();
        let said = format!(
            "{:?} {:o} {}:{} {:?}",
            header.entry_type(),
            header.mode().unwrap() & 0o7777,
            header.uid().unwrap(),
            header.gid().unwrap(),
            entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned())
        );
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        let sum = content.iter().fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        found.insert(name, format!("{said} {} {sum:x}", content.len()));
    }
    found
}
