//! Dockerfiles: how an image is made.

use cofferdam_build::dockerfile::Lines;

use super::{Find, judge, seen};
use crate::Report;
use crate::control::{Evidence, Gain, Severity};
use crate::line::{Line, lines};
use crate::secret::{is_secret_name, is_secret_value};

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Its name in capitals.
    pub name: String,
    /// What follows it, continuation lines joined, every gap one blank.
    pub rest: String,
    /// The line on which it begins, from 1.
    pub line: usize,
}

/// A Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dockerfile {
    /// Its instructions in order.
    pub instructions: Vec<Instruction>,
}

impl Dockerfile {
    /// Reads a Dockerfile: instructions, continuations, comments and here-documents.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        // What is wrong with the file is for a build to say: what stands before it is judged.
        let (lines, _) = Lines::read(text);
        let instructions = lines.instructions.into_iter().map(|raw| {
            let texts = raw.heredocs.iter().flat_map(|heredoc| heredoc.content.lines());
            let rest = texts.fold(raw.rest, |rest, line| rest + " ; " + line.trim());
            let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
            Instruction { name: raw.name, rest, line: raw.line }
        });
        Self { instructions: instructions.collect() }
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Instruction> {
        self.instructions.iter().filter(move |instruction| instruction.name == name)
    }

    /// The instructions of the last stage, which is the image.
    fn last_stage(&self) -> &[Instruction] {
        let start = self.instructions.iter().rposition(|instruction| instruction.name == "FROM");
        &self.instructions[start.unwrap_or(0)..]
    }

    /// Names of stages.
    fn stages(&self) -> Vec<&str> {
        let name = |instruction: &'_ Instruction| -> Option<usize> {
            instruction.rest.to_ascii_lowercase().find(" as ")
        };
        self.all("FROM").filter_map(|from| Some(from.rest[name(from)? + 4..].trim())).collect()
    }

    /// Images that are pulled, without stages and `scratch`.
    fn bases(&self) -> Vec<(&str, usize)> {
        let stages = self.stages();
        let images = self.all("FROM").filter_map(|from| {
            let word = from.rest.split_whitespace().find(|word| !word.starts_with("--"))?;
            Some((word, from.line))
        });
        images
            .filter(|(image, _)| *image != "scratch" && !stages.contains(image) && !image.starts_with('$'))
            .collect()
    }
}

/// Judges a Dockerfile; `path` is what the report calls it.
#[must_use]
pub fn audit(path: &str, text: &str) -> Report {
    judge("dockerfile", path, &Dockerfile::parse(text), &lines())
}

/// Instructions of one name whose text is wrong.
fn with(file: &Dockerfile, name: &str, wrong: impl Fn(&str) -> bool) -> Vec<Evidence> {
    file.all(name)
        .filter(|one| wrong(&one.rest))
        .map(|one| seen(format!("{name} {}", one.rest), one.line))
        .collect()
}

fn run(file: &Dockerfile, wrong: impl Fn(&str) -> bool) -> Vec<Evidence> {
    with(file, "RUN", wrong)
}

fn variables(file: &Dockerfile) -> Vec<(&str, &str, usize)> {
    let mut found = Vec::new();
    for one in file.instructions.iter().filter(|one| one.name == "ENV" || one.name == "ARG") {
        if one.rest.contains('=') {
            let pairs = one.rest.split_whitespace().filter_map(|pair| pair.split_once('='));
            found.extend(pairs.map(|(name, value)| (name, value, one.line)));
        } else if let Some((name, value)) = one.rest.split_once(char::is_whitespace) {
            found.push((name, value, one.line));
        }
    }
    found
}

fn lines() -> Vec<Line<Find<Dockerfile>>> {
    lines! { Find<Dockerfile>;
        Line { id: "dockerfile.user", title: "The image names a user that is not root", why: "What the image runs is root in the container unless somebody says otherwise at each start.", remedy: "add `USER 10001` after the last instruction that needs root", severity: Severity::Medium, gain: Gain::HostRoot, references: [(CisDocker, "4.1"), (Nist800190, "4.1.2")], judge: |file| { let user = file.last_stage().iter().rev().find(|one| one.name == "USER"); match user { None => vec![seen("no USER in the last stage", file.last_stage().first().map_or(1, |one| one.line))], Some(one) => { let name = one.rest.split(':').next().unwrap_or_default(); if matches!(name, "root" | "0") { vec![seen(format!("USER {}", one.rest), one.line)] } else { Vec::new() } } } }, weak: "FROM a:1\nUSER app\nUSER root\n", strong: "FROM a:1\nUSER 10001:10001\n" },
        Line { id: "dockerfile.base_version", title: "Base images are named by a version or digest", why: "What latest means tomorrow is chosen by whoever pushes next.", remedy: "name a version, better its digest (`image@sha256:...`)", severity: Severity::Medium, gain: Gain::Foothold, references: [(CisDocker, "4.2")], judge: |file| file.bases().into_iter().filter(|(image, _)| { let last = image.rsplit('/').next().unwrap_or(image); !image.contains('@') && (!last.contains(':') || last.ends_with(":latest")) }).map(|(image, line)| seen(format!("FROM {image}"), line)).collect(), weak: "FROM debian\n", strong: "FROM debian:12 AS x\nFROM x\nFROM scratch\n" },
        Line { id: "dockerfile.base_digest", title: "Base images are named by a digest", why: "A tag can be pushed anew, a digest is what was looked at.", remedy: "name `image@sha256:...`", severity: Severity::Low, gain: Gain::Foothold, references: [(CisDocker, "4.2")], judge: |file| file.bases().into_iter().filter(|(image, _)| !image.contains("@sha256:")).map(|(image, line)| seen(format!("FROM {image}"), line)).collect(), weak: "FROM debian:12\n", strong: "FROM debian:12@sha256:00\n" },
        Line { id: "dockerfile.add", title: "Local files are copied with COPY", why: "ADD unpacks archives and fetches from the network without being asked in so many words.", remedy: "write COPY", severity: Severity::Low, gain: Gain::Foothold, references: [(CisDocker, "4.9")], judge: |file| with(file, "ADD", |rest| !rest.contains("://") && !rest.contains(".tar") && !rest.contains(".tgz")), weak: "FROM a:1\nADD x /x\n", strong: "FROM a:1\nCOPY x /x\nADD root.tar /\n" },
        Line { id: "dockerfile.add_remote", title: "What is fetched is checked", why: "A file from the network that nobody checks is whatever the network says.", remedy: "add `--checksum=sha256:...`, or fetch and verify in RUN", severity: Severity::Medium, gain: Gain::Foothold, references: [(CisDocker, "4.11")], judge: |file| with(file, "ADD", |rest| (rest.contains("http://") || rest.contains("https://")) && !rest.contains("--checksum=")), weak: "FROM a:1\nADD https://x/y /y\n", strong: "FROM a:1\nADD --checksum=sha256:0 https://x/y /y\n" },
        Line { id: "dockerfile.secret_names", title: "No secret stands in ENV or ARG", why: "Both stay in the image's history for everybody who pulls it.", remedy: "use `RUN --mount=type=secret`, and files at run time", severity: Severity::High, gain: Gain::Foothold, references: [(CisDocker, "4.10"), (Nist800190, "4.1.4")], judge: |file| variables(file).into_iter().filter(|(name, value, _)| is_secret_name(name) && !value.is_empty() && !value.starts_with('$')).map(|(name, _, line)| seen(format!("{name} has a value"), line)).collect(), weak: "FROM a:1\nENV DB_PASSWORD=hunter2\n", strong: "FROM a:1\nENV DB_PASSWORD_FILE=/run/secrets/x\nARG TOKEN\n" },
        Line { id: "dockerfile.secret_values", title: "No key stands in the file", why: "It stays in the image's history for everybody who pulls it.", remedy: "withdraw the key, and use `RUN --mount=type=secret`", severity: Severity::Critical, gain: Gain::Foothold, references: [(CisDocker, "4.10"), (Nist800190, "4.1.4")], judge: |file| file.instructions.iter().filter(|one| is_secret_value(&one.rest)).map(|one| seen(format!("{} holds what looks like a key", one.name), one.line)).collect(), weak: "FROM a:1\nRUN x --key AKIAIOSFODNN7EXAMPLE\n", strong: "FROM a:1\nRUN x --key-file /run/secrets/key\n" },
        Line { id: "dockerfile.secret_files", title: "No file with keys is copied in", why: "A layer keeps what a later instruction removes.", remedy: "name it in .dockerignore, and mount it where it is needed", severity: Severity::High, gain: Gain::Foothold, references: [(CisDocker, "4.10")], judge: |file| { let names = ["id_rsa", "id_ed25519", ".ssh", ".aws", ".env", ".npmrc", ".netrc", ".docker/config.json", ".kube/config", ".pem", ".p12"]; let mut found = with(file, "COPY", |rest| !rest.contains("--from") && rest.split_whitespace().any(|word| names.iter().any(|name| word == *name || word.ends_with(name) && !word.ends_with(".env.example")))); found.extend(with(file, "ADD", |rest| rest.split_whitespace().any(|word| names.iter().any(|name| word.ends_with(name))))); found }, weak: "FROM a:1\nCOPY .env /app/\n", strong: "FROM a:1\nCOPY src /app/\n" },
        Line { id: "dockerfile.health", title: "The image says how its health is checked", why: "A container that was taken over or hangs is one that nobody replaces.", remedy: "add HEALTHCHECK", severity: Severity::Low, gain: Gain::Denial, references: [(CisDocker, "4.6")], judge: |file| if file.last_stage().iter().any(|one| one.name == "HEALTHCHECK" && !one.rest.eq_ignore_ascii_case("none")) { Vec::new() } else { vec![seen("no HEALTHCHECK in the last stage", file.last_stage().first().map_or(1, |one| one.line))] }, weak: "FROM a:1\n", strong: "FROM a:1\nHEALTHCHECK CMD x\n" },
        Line { id: "dockerfile.update_alone", title: "Package lists are fetched where they are used", why: "A cached layer with an old list installs versions with known holes.", remedy: "join update and install with `&&` in one RUN", severity: Severity::Low, gain: Gain::Foothold, references: [(CisDocker, "4.7")], judge: |file| run(file, |rest| { let updates = ["apt-get update", "apt update", "apk update", "yum update", "dnf makecache"]; updates.iter().any(|word| rest.contains(word)) && !rest.contains("install") && !rest.contains("apk add") && !rest.contains("upgrade") }), weak: "FROM a:1\nRUN apt-get update\n", strong: "FROM a:1\nRUN apt-get update && apt-get install -y x\n" },
        Line { id: "dockerfile.pipe_to_shell", title: "No script from the network is run unread", why: "Whoever owns the server, or stands between, runs what they like as root in the build.", remedy: "fetch it, compare its digest, then run it", severity: Severity::High, gain: Gain::Foothold, references: [(CisDocker, "4.11")], judge: |file| run(file, |rest| (rest.contains("curl") || rest.contains("wget")) && ["| sh", "|sh", "| bash", "|bash", "| sudo", "| python"].iter().any(|word| rest.contains(word))), weak: "FROM a:1\nRUN curl https://x | sh\n", strong: "FROM a:1\nRUN curl -o x https://x && sha256sum -c x.sum\n" },
        Line { id: "dockerfile.unverified", title: "Certificates and signatures are not waved through", why: "Whoever stands between chooses what is installed.", remedy: "remove the flag, and give the build the right certificates and keys", severity: Severity::High, gain: Gain::Foothold, references: [(CisDocker, "4.11")], judge: |file| run(file, |rest| ["--no-check-certificate", "curl -k", "curl --insecure", "--allow-unauthenticated", "--no-gpg-check", "--nogpgcheck", "--allow-untrusted", "--trusted-host", "strict-ssl false", "NODE_TLS_REJECT_UNAUTHORIZED=0", "http.sslVerify false"].iter().any(|word| rest.contains(word))), weak: "FROM a:1\nRUN wget --no-check-certificate https://x\n", strong: "FROM a:1\nRUN wget https://x\n" },
        Line { id: "dockerfile.open_permissions", title: "Nothing is made writable for everybody", why: "What any process may write, the one that breaks in replaces.", remedy: "give the files to the user that needs them (`COPY --chown`)", severity: Severity::Medium, gain: Gain::Foothold, references: [(CisDocker, "4.8")], judge: |file| { let mut found = run(file, |rest| ["chmod 777", "chmod -R 777", "chmod a+w", "chmod -R a+w", "chmod o+w", "chmod 0777", "chmod ugo+rwx"].iter().any(|word| rest.contains(word))); found.extend(with(file, "COPY", |rest| rest.contains("--chmod=777") || rest.contains("--chmod=0777"))); found }, weak: "FROM a:1\nRUN chmod -R 777 /app\n", strong: "FROM a:1\nRUN chmod 755 /app\n" },
        Line { id: "dockerfile.set_id", title: "No program is made set-id", why: "It makes root out of a user inside the container.", remedy: "remove the bit (`find / -xdev -perm /6000 -exec chmod a-s {} +`)", severity: Severity::Medium, gain: Gain::Foothold, references: [(CisDocker, "4.8")], judge: |file| run(file, |rest| ["chmod u+s", "chmod +s", "chmod g+s", "chmod 4755", "chmod 6755", "chmod 2755", "setcap "].iter().any(|word| rest.contains(word))), weak: "FROM a:1\nRUN chmod u+s /x\n", strong: "FROM a:1\nRUN chmod a-s /x\n" },
        Line { id: "dockerfile.sudo", title: "No sudo is installed or used", why: "It is one more set-id program, and a build is root anyway.", remedy: "remove it; change user with USER", severity: Severity::Low, gain: Gain::Foothold, references: [(CisDocker, "4.3")], judge: |file| run(file, |rest| rest.split(|letter: char| letter.is_whitespace() || letter == ';').any(|word| word == "sudo")), weak: "FROM a:1\nRUN apt-get install -y sudo\n", strong: "FROM a:1\nRUN apt-get install -y gosu\n" },
        Line { id: "dockerfile.needless", title: "Only what is asked for is installed", why: "What is not in the image cannot be used by whoever breaks in.", remedy: "add `--no-install-recommends` and remove the lists in the same RUN", severity: Severity::Low, gain: Gain::Foothold, references: [(CisDocker, "4.3"), (Nist800190, "4.1.1")], judge: |file| run(file, |rest| (rest.contains("apt-get install") || rest.contains("apt install")) && !rest.contains("--no-install-recommends")), weak: "FROM a:1\nRUN apt-get install -y x\n", strong: "FROM a:1\nRUN apt-get install -y --no-install-recommends x\n" },
        Line { id: "dockerfile.ssh_server", title: "No SSH server is installed or exposed", why: "A second way in with keys and passwords of its own.", remedy: "remove it, and use the engine's exec", severity: Severity::Medium, gain: Gain::Foothold, references: [(CisDocker, "5.7"), (Nist800190, "4.1.2")], judge: |file| { let mut found = with(file, "EXPOSE", |rest| rest.split_whitespace().any(|port| port.split('/').next() == Some("22"))); found.extend(run(file, |rest| rest.contains("install") && rest.contains("openssh-server"))); found }, weak: "FROM a:1\nEXPOSE 22/tcp\n", strong: "FROM a:1\nEXPOSE 8080\n" },
        Line { id: "dockerfile.low_ports", title: "It listens on ports that need no rights", why: "A port below 1024 is a reason to run as root.", remedy: "listen on 8080 or the like, and publish it as 80", severity: Severity::Low, gain: Gain::HostRoot, references: [(CisDocker, "5.8")], judge: |file| with(file, "EXPOSE", |rest| rest.split_whitespace().any(|port| port.split('/').next().and_then(|port| port.parse::<u32>().ok()).is_some_and(|port| port < 1024))), weak: "FROM a:1\nEXPOSE 80\n", strong: "FROM a:1\nEXPOSE 8080 9090/udp\n" },
        Line { id: "dockerfile.privileged_run", title: "No step of the build is let out", why: "Such a step is root on the machine that builds.", remedy: "remove `--security=insecure` and `--network=host`", severity: Severity::High, gain: Gain::HostRoot, references: [], judge: |file| run(file, |rest| rest.contains("--security=insecure") || rest.contains("--network=host")), weak: "FROM a:1\nRUN --security=insecure x\n", strong: "FROM a:1\nRUN --network=none x\n" },
        Line { id: "dockerfile.socket", title: "No engine's socket is a volume", why: "Whoever speaks to it is root on the host.", remedy: "remove the VOLUME", severity: Severity::High, gain: Gain::HostRoot, references: [(CisDocker, "5.32")], judge: |file| with(file, "VOLUME", |rest| rest.contains("docker.sock") || rest.contains("containerd.sock")), weak: "FROM a:1\nVOLUME /var/run/docker.sock\n", strong: "FROM a:1\nVOLUME /data\n" },
        Line { id: "dockerfile.whole_context", title: "Not the whole folder is copied in", why: "`COPY . .` takes .git, .env and whatever else lies there into a layer.", remedy: "name what is needed, or keep a .dockerignore", severity: Severity::Low, gain: Gain::Foothold, references: [(CisDocker, "4.10")], judge: |file| with(file, "COPY", |rest| !rest.contains("--from") && rest.split_whitespace().find(|word| !word.starts_with("--")) == Some(".")), weak: "FROM a:1\nCOPY . /app\n", strong: "FROM a:1\nCOPY src /app\nCOPY --from=x . /y\n" },
        Line { id: "dockerfile.shell_form", title: "The program is started without a shell", why: "A shell in between takes the signals and is a tool for whoever breaks in.", remedy: "write the list form: `CMD [\"program\", \"word\"]`", severity: Severity::Low, gain: Gain::Hygiene, references: [], judge: |file| { let mut found = with(file, "CMD", |rest| !rest.starts_with('[')); found.extend(with(file, "ENTRYPOINT", |rest| !rest.starts_with('['))); found }, weak: "FROM a:1\nCMD x y\n", strong: "FROM a:1\nCMD [\"x\"]\n" },
        Line { id: "dockerfile.maintained_base", title: "The base image still gets security fixes", why: "What nobody mends any more has holes that everybody knows.", remedy: "move to a release that is maintained", severity: Severity::High, gain: Gain::Foothold, references: [(CisDocker, "4.4"), (Nist800190, "4.1.1")], judge: |file| { let ended = ["debian:8", "debian:9", "debian:10", "debian:jessie", "debian:stretch", "debian:buster", "ubuntu:14", "ubuntu:16", "ubuntu:18", "centos:", "python:2", "python:3.6", "python:3.7", "python:3.8", "node:8", "node:10", "node:12", "node:14", "node:16", "alpine:3.0", "alpine:3.10", "alpine:3.11", "alpine:3.12", "alpine:3.13", "alpine:3.14", "alpine:3.15", "alpine:3.16", "alpine:3.17", "golang:1.1", "openjdk:", "fedora:3"]; file.bases().into_iter().filter(|(image, _)| { let name = image.strip_prefix("docker.io/library/").or_else(|| image.strip_prefix("library/")).unwrap_or(image); ended.iter().any(|old| name.strip_prefix(old).is_some_and(|rest| old.ends_with(':') || rest.is_empty() || rest.starts_with(['.', '-', '@']) || old.ends_with("fedora:3") || old.ends_with(":1.1"))) }).map(|(image, line)| seen(format!("FROM {image}"), line)).collect() }, weak: "FROM debian:9-slim\n", strong: "FROM debian:12-slim\n" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_can_fail_and_can_pass() {
        super::super::try_lines(&lines(), Dockerfile::parse);
    }

    #[test]
    fn continuations_comments_and_here_documents() {
        let file = Dockerfile::parse(
            "# x\nFROM a \\\n  AS b\nRUN <<EOF\napt-get update\nEOF\nRUN a \\\n# why\n  && b\n",
        );
        let all: Vec<_> =
            file.instructions.iter().map(|one| (one.name.as_str(), one.rest.as_str(), one.line)).collect();
        assert_eq!(
            all,
            [("FROM", "a AS b", 2), ("RUN", "<<EOF ; apt-get update", 4), ("RUN", "a && b", 7)]
                .map(|(a, b, c)| (a, b, c))
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(FROM|RUN|USER|ENV|COPY|<<|EOF|as|AS|=|:|@|\\\\| |\n|ä|#){0,60}") {
            let _ = audit("x", &text);
        }
    }
}
