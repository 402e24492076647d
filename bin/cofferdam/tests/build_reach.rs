//! What a build gets from elsewhere: files by their addresses, an ssh agent, a network. All servers are on the loopback of a
//! network namespace that the test made.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

#[allow(dead_code, reason = "shared with the tests of the image crate")]
#[path = "../../../crates/image/tests/registries/server.rs"]
mod server;
mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use server::{Says, Server};
use support::{Home, Ran, is_root, skip};

const BASE: &str = "FROM scratch AS base\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nFROM base\n";

struct Project {
    home: Home,
    folder: tempfile::TempDir,
}

impl Project {
    fn new(test: &str) -> Option<Self> {
        if !is_root(test) {
            return None;
        }
        if !Path::new("/bin/busybox").exists() {
            skip(test, "busybox-static is not installed");
            return None;
        }
        let project = Self { home: Home::new(), folder: tempfile::tempdir().unwrap() };
        std::fs::copy("/bin/busybox", project.folder.path().join("busybox")).unwrap();
        Some(project)
    }

    /// Builds these lines on the base, into a folder.
    fn build(&self, lines: &str, more: &[&str]) -> (Ran, tempfile::TempDir) {
        std::fs::write(self.folder.path().join("Dockerfile"), format!("{BASE}{lines}\n")).unwrap();
        let out = tempfile::tempdir().unwrap();
        let output = format!("type=local,dest={}", out.path().display());
        let mut args = vec!["build", "--compression", "none", "-o", &output];
        args.extend(more);
        args.push(self.folder.path().to_str().unwrap());
        (self.home.run(&args), out)
    }

    fn files(&self, lines: &str, more: &[&str]) -> tempfile::TempDir {
        let (ran, out) = self.build(lines, more);
        assert_eq!(ran.code, 0, "{lines}: {ran:?}");
        out
    }

    fn refusal(&self, lines: &str, more: &[&str]) -> String {
        let (ran, _) = self.build(lines, more);
        assert_ne!(ran.code, 0, "{lines}: {ran:?}");
        ran.err
    }
}

/// Asks an agent two things, and shows what it answers.
const CLIENT: &str = r#"
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int argc, char **argv) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char answer[11];
    size_t got = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
    if (connect(fd, (void *)&address, sizeof address) != 0) { perror("connect"); return 1; }
    write(fd, "\0\0\0\1\13\0\0\0\1\23", 10);
    while (got < sizeof answer) {
        ssize_t count = read(fd, answer + got, sizeof answer - got);
        if (count <= 0) return 2;
        got += count;
    }
    fwrite(answer, 1, got, stdout);
    return 0;
}
"#;

fn text(out: &tempfile::TempDir, name: &str) -> String {
    std::fs::read_to_string(out.path().join(name)).unwrap()
}

#[test]
fn add_fetches_files() {
    let Some(project) = Project::new("add_fetches_files") else { return };
    let archive = {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        tar.append_data(&mut header, "inner/file", &b"tar"[..]).unwrap();
        tar.into_inner().unwrap()
    };
    let asked = std::sync::Arc::new(Mutex::new(Vec::new()));
    let (heard, content) = (asked.clone(), archive.clone());
    let server = Server::start(move |request| {
        heard.lock().unwrap().push(request.path.clone());
        match request.path.as_str() {
            "/moved" => Says::new(302).header("Location", "/a%20file?x=1"),
            "/inward" => Says::new(302).header("Location", "http://169.254.169.254/latest/meta-data"),
            "/a%20file?x=1" | "/file" | "/" => Says::new(200).body(&b"fetched\n"[..]),
            "/x.tar" => Says::new(200).body(&content[..]),
            "/cut" => Says { cut: Some(3), ..Says::new(200).body(&b"fetched\n"[..]) },
            _ => Says::new(404),
        }
    });
    let at = |path: &str| format!("http://127.0.0.1:{}{path}", server.port);
    let lines = format!(
        "ADD {} /d/\nADD --chmod=644 --chown=5:6 {} /named\nADD {} /raw/\nADD --unpack=true {} /out/\nRUN stat -c '%a %u %g' '/d/a file' /named > /seen",
        at("/a%20file?x=1"),
        at("/moved"),
        at("/x.tar"),
        at("/x.tar")
    );
    let out = project.files(&lines, &[]);
    assert_eq!((text(&out, "d/a file"), text(&out, "named")), ("fetched\n".into(), "fetched\n".into()));
    assert_eq!(text(&out, "seen"), "600 0 0\n644 5 6\n");
    assert_eq!(std::fs::read(out.path().join("raw/x.tar")).unwrap(), archive);
    assert_eq!(text(&out, "out/inner/file"), "tar");

    // With a checksum: refused if it is something else, and asked for once.
    let sum = "sha256:4b6ac9b7d4bea4a5bf0b5b4d4fbd7d6b8f9e7f6c7a2f7bd11dbd6bd59b5f2c4e";
    let wrong = project.refusal(&format!("ADD --checksum={sum} {} /f", at("/file")), &[]);
    assert!(wrong.contains(&format!("and should be {sum}")), "{wrong}");
    let right = wrong.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap();
    let right = right.trim_end_matches(',').to_owned();
    assert_ne!(right, sum);
    asked.lock().unwrap().clear();
    for _ in 0..2 {
        project.files(&format!("ADD --checksum={right} {} /f", at("/file")), &[]);
    }
    assert_eq!(*asked.lock().unwrap(), ["/file"]);

    for (line, why) in [
        (format!("ADD {} /f", at("/none")), "has no /none"),
        (format!("ADD {} /f", at("/cut")), "cannot fetch"),
        (format!("ADD {} /f/", at("/")), "names no file"),
        (format!("ADD {} /f", at("/inward")), "169.254.169.254 is link-local"),
        ("ADD http://169.254.169.254/latest /f".to_owned(), "is link-local"),
        ("ADD git@example.invalid:x /f".to_owned(), "repositories are not fetched"),
        (format!("ADD --checksum={sum} busybox /f"), "only what is fetched has one"),
    ] {
        let told = project.refusal(&line, &[]);
        assert!(told.contains(why), "{line}: {told}");
    }
    assert_eq!(project.home.remains(), [""; 0]);
}

#[test]
fn a_step_uses_an_agent_and_does_not_get_it() {
    let test = "a_step_uses_an_agent_and_does_not_get_it";
    let Some(project) = Project::new(test) else { return };
    let socket = project.home.path().join("agent.sock");
    let agent = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for mut stream in agent.incoming().flatten() {
            let mut message = [0; 5];
            while stream.read_exact(&mut message).is_ok() {
                stream.write_all(&[0, 0, 0, 2, b'k', message[4]]).unwrap();
            }
        }
    });
    let given = format!("key={}", socket.display());
    // Asks for the keys (11), and to remove them all (19), which never reaches the agent.
    let client = project.folder.path().join("client");
    std::fs::write(client.with_extension("c"), CLIENT).unwrap();
    let compiled =
        Command::new("gcc").args(["-static", "-o"]).arg(&client).arg(client.with_extension("c")).status();
    if !compiled.is_ok_and(|status| status.success()) {
        return skip(test, "gcc is not installed");
    }
    let lines = "COPY client /client\nRUN --mount=type=ssh,id=key echo $SSH_AUTH_SOCK > /where; \
        stat -c '%a %u' $SSH_AUTH_SOCK > /mode; /client $SSH_AUTH_SOCK | od -An -tx1 > /answer";
    let out = project.files(lines, &["--ssh", &given]);
    assert_eq!(text(&out, "where"), "/run/buildkit/ssh_agent.0\n");
    assert_eq!(text(&out, "mode"), "600 0\n");
    assert_eq!(text(&out, "answer").split_whitespace().collect::<String>(), "000000026b0b0000000105");
    assert!(!out.path().join("run/buildkit").exists());
    let optional = project.files("RUN --mount=type=ssh echo x$SSH_AUTH_SOCK > /where", &[]);
    assert_eq!(text(&optional, "where"), "x\n");
    for (lines, more, why) in [
        ("RUN --mount=type=ssh,required=true true", &[][..], "give --ssh default"),
        ("RUN true", &["--ssh", "default=/etc/passwd"], "is no socket"),
        ("RUN true", &["--ssh", "default=/none"], "No such file"),
    ] {
        let told = project.refusal(lines, more);
        assert!(told.contains(why), "{told}");
    }
    assert_eq!(project.home.remains(), [""; 0]);
}

#[test]
fn steps_have_a_network_where_the_build_and_its_zone_say_so() {
    let test = "steps_have_a_network_where_the_build_and_its_zone_say_so";
    let Some(project) = Project::new(test) else { return };
    let links = |out: &tempfile::TempDir| text(out, "links").split_whitespace().collect::<Vec<_>>().join(" ");
    let look = "RUN ls /sys/class/net > /links";
    let shown = project.home.ok(&["zone", "show", "build"]);
    let zone =
        shown.replace("zone = \"build\"", "zone = \"net\"").replacen("mode = \"none\"", "mode = \"zone\"", 1);
    assert_ne!(zone, shown);
    let file = project.home.path().join("net.toml");
    std::fs::write(&file, zone).unwrap();
    project.home.ok(&["zone", "apply", file.to_str().unwrap()]);
    for (zone, flags, line, expected) in [
        ("build", &["--network", "default"][..], look, "lo"),
        ("net", &[], look, "lo"),
        ("net", &["--network", "none"], look, "lo"),
        ("net", &["--network", "default"], look, "eth0 lo"),
        ("net", &["--network", "default"], "RUN --network=none ls /sys/class/net > /links", "lo"),
    ] {
        let mut args = vec!["--zone", zone];
        args.extend(flags);
        assert_eq!(links(&project.files(line, &args)), expected, "{zone} {flags:?} {line}");
    }
    let told = project.refusal(look, &["--zone", "net", "--network", "host"]);
    assert!(told.contains("zone `net`"), "{told}");
    let hosts = project.files("RUN cat /etc/hosts > /links", &["--add-host", "mirror.example:192.0.2.7"]);
    let line = text(&hosts, "links");
    assert!(line.lines().any(|line| line.split_whitespace().eq(["192.0.2.7", "mirror.example"])), "{line}");
    assert!(!std::fs::read_to_string(hosts.path().join("etc/hosts")).is_ok_and(|own| own.contains("mirror")));
    assert_eq!(project.home.remains(), [""; 0]);
}
