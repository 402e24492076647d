//! `cofferdam build`: what comes of Dockerfiles, what does not, and what is left behind. Offline: everything begins with
//! `scratch` and the host's static busybox.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use std::collections::BTreeMap;
use std::process::Stdio;

use support::Home;
use support::project::{BASE, Project, read, ready};

#[test]
fn stages_steps_and_copies() {
    if !ready("stages_steps_and_copies") {
        return;
    }
    let text = r#"
FROM base AS made
ARG WORD=one
WORKDIR /work
COPY --chown=app:web --chmod=750 src/ ./
COPY src/a.txt /link/through
COPY s*/[ab].txt /many/
COPY <<EOT /text
$WORD
EOT
RUN echo "$WORD" > made && cat a.txt >> made && ls -ln a.txt /many > /listing
FROM base AS unused
RUN exit 1
FROM base
COPY --from=made /work/made /result
COPY --from=made --exclude=*.txt /work /all
COPY --from=made /listing /text /
RUN <<SCRIPT
#!/bin/sh -e
echo script > /script
SCRIPT
RUN <<EOT
echo shell > /shell
EOT
CMD ["cat", "/result"]
"#;
    let files = [("src/a.txt", "aaa\n"), ("src/b.txt", "b"), ("src/inner/c.bin", "c"), ("other", "x")];
    let project = Project::new(text, &files);
    let out = project.files(&["--build-arg", "WORD=two", "--build-arg", "NOBODY=1"]);
    assert_eq!(read(&out, "result"), "two\naaa\n");
    assert_eq!(read(&out, "text"), "two\n");
    assert_eq!((read(&out, "script"), read(&out, "shell")), ("script\n".into(), "shell\n".into()));
    assert!(out.path().join("all/inner/c.bin").exists() && !out.path().join("all/a.txt").exists());
    let listing = read(&out, "listing");
    assert!(listing.contains("-rwxr-x---    1 1000     2000"), "{listing}");
    for mounted in ["run", "proc", "dev", "sys"] {
        assert!(!out.path().join(mounted).exists(), "what was only mounted on is no part of a layer");
    }
    project.id(&["-t", "result:1"]);
    assert_eq!(project.home.ok(&["run", "--rm", "result:1"]), "one\naaa");
    assert_eq!(project.left(), Vec::<String>::new());
}

#[test]
fn the_same_twice_has_the_same_digest() {
    if !ready("the_same_twice_has_the_same_digest") {
        return;
    }
    let text = "FROM base\nCOPY src /src\nRUN date > /dev/null; echo x > /x\nENV A=b\n";
    let files = [("src/a", "a"), ("src/b/c", "c")];
    let (first, second) = (Project::new(text, &files), Project::new(text, &files));
    let id = first.id(&["-t", "x"]);
    assert_eq!(id, second.id(&["-t", "x"]), "two folders, two caches, two times");
    assert_eq!(id, first.id(&["-t", "x", "--no-cache"]));
    assert_eq!(id, first.id(&["-t", "x"]));
    let dated = first.id(&["-t", "x", "--build-arg", "SOURCE_DATE_EPOCH=86400"]);
    assert_ne!(id, dated);
    let history = first.home.ok(&["image", "inspect", "x"]);
    assert!(history.contains("1970-01-02"), "{history}");
}

#[test]
fn results_are_used_again_as_long_as_what_they_depend_on_is_the_same() {
    if !ready("results_are_used_again_as_long_as_what_they_depend_on_is_the_same") {
        return;
    }
    let text = "FROM base\nCOPY a /a\nRUN cat /a\nCOPY b /b\nRUN cat /b\n";
    let project = Project::new(text, &[("a", "1"), ("b", "1")]);
    let cached = |more: &[&str]| project.build(more).err.matches(" CACHED").count();
    assert_eq!(cached(&[]), 0);
    assert_eq!(cached(&[]), 7);
    // When a file was written is nobody's concern.
    std::fs::File::open(project.folder.path().join("a"))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    assert_eq!(cached(&[]), 7);
    project.write("b", "2");
    assert_eq!(cached(&[]), 5);
    project.write("Dockerfile", &format!("{BASE}{}", text.replace("RUN cat /a", "RUN cat /a /a")));
    // Another command that changes no file: what follows stands on the same layers.
    assert_eq!(cached(&[]), 6);
    assert_eq!(cached(&["--no-cache"]), 0);
    let pruned = project.home.ok(&["builder", "prune", "-af"]);
    assert!(pruned.starts_with("Deleted results: "), "{pruned}");
    assert_eq!(cached(&[]), 0);
    // The images may go: the cache's layers stay as they are, ready to be mounted.
    project.home.ok(&["image", "prune", "-af"]);
    assert_eq!(project.home.ok(&["images", "-q"]), "");
    let store = |name: &str| {
        let folder = project.home.path().join("state/images").join(name);
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.len() == 64).collect::<Vec<_>>()
    };
    let (layers, blobs) = (store("layers"), store("blobs/sha256"));
    assert!(layers.len() >= 3 && blobs.len() >= 3, "{layers:?} {blobs:?}");
    assert_eq!(cached(&[]), 7);
    project.home.ok(&["image", "prune", "-af"]);
    project.home.ok(&["builder", "prune", "-af"]);
    assert!(store("layers").is_empty() && store("blobs/sha256").is_empty());
}

#[test]
fn mounts_of_a_step() {
    if !ready("mounts_of_a_step") {
        return;
    }
    let text = r#"
FROM base AS tool
RUN echo tool > /tool && ln -s /tool /tool-link
FROM base
RUN --mount=type=cache,target=/cache echo x >> /cache/log && wc -l < /cache/log > /count
RUN --mount=type=bind,target=/ctx cat /ctx/a > /a && ! touch /ctx/new 2>/dev/null && ! ls /ctx/ignored
RUN --mount=type=bind,from=tool,source=/tool-link,target=/t/file cat /t/file > /b
RUN --mount=type=bind,target=/ctx,rw touch /ctx/new
RUN --mount=type=tmpfs,target=/mem echo x > /mem/x && grep ' /mem tmpfs' /proc/mounts > /dev/null
"#;
    let project =
        Project::new(text, &[("a", "from the context"), ("ignored", "x"), (".dockerignore", "ignored\n")]);
    let out = project.files(&[]);
    assert_eq!((read(&out, "a"), read(&out, "b")), ("from the context".into(), "tool\n".into()));
    assert_eq!(read(&out, "count").trim(), "1");
    for gone in ["cache", "ctx", "t", "mem"] {
        assert!(!out.path().join(gone).exists(), "{gone} was only mounted on");
    }
    assert!(!project.folder.path().join("new").exists());
    let out = project.files(&["--no-cache"]);
    assert_eq!(read(&out, "count").trim(), "2");
}

#[test]
fn secrets_reach_the_step_and_nothing_else() {
    if !ready("secrets_reach_the_step_and_nothing_else") {
        return;
    }
    const SECRET: &str = "wFq5-never-written-down";
    let text = r#"
FROM base
RUN --mount=type=secret,id=key,required=true test "$(cat /run/secrets/key)" = wFq5-never-written-"$(echo down)"
RUN --mount=type=secret,id=none test ! -e /run/secrets/none
"#;
    let project = Project::new(text, &[]);
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("key");
    std::fs::write(&file, SECRET).unwrap();
    project.id(&["-t", "x", "--secret", &format!("id=key,src={}", file.display())]);
    let found = std::process::Command::new("grep")
        .args(["-rlF", SECRET])
        .arg(project.home.path())
        .arg("/dev/shm")
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    assert!(project.refusal(&["--no-cache"]).contains("--secret id=key,src=FILE"));
    project.write("Dockerfile", &format!("{BASE}FROM base\nRUN --mount=type=secret,id=key,env=KEY true\n"));
    let told = project.refusal(&["--secret", &format!("id=key,src={}", file.display())]);
    assert!(told.contains("as a variable is not built"), "{told}");
    assert_eq!(project.left(), Vec::<String>::new());
}

#[test]
fn a_step_has_nothing_of_the_host() {
    if !ready("a_step_has_nothing_of_the_host") {
        return;
    }
    let text = "FROM base\nRUN cat /proc/self/uid_map > /uids; ls /sys/class/net > /links; grep Cap /proc/self/status > /caps; \
                grep NoNewPrivs /proc/self/status >> /caps; ! mount -t tmpfs x /tmp\n";
    let project = Project::new(text, &[]);
    let out = project.files(&[]);
    let uids = read(&out, "uids");
    let host = uids.split_whitespace().nth(1).unwrap();
    assert_ne!(host, "0", "root of a step is nobody on the host: {uids}");
    assert_eq!(read(&out, "links").trim(), "lo");
    assert!(read(&out, "caps").contains("NoNewPrivs:\t1"));
    for (line, why) in [
        ("RUN --network=host true", "a Dockerfile cannot give itself the host's network"),
        ("RUN --security=insecure true", "not built"),
        ("ADD https://example.invalid/x.git /x", "repositories are not fetched"),
    ] {
        project.write("Dockerfile", &format!("{BASE}FROM base\n{line}\n"));
        let told = project.refusal(&[]);
        assert!(told.contains(why), "{line}: {told}");
    }
    project.write("Dockerfile", &format!("{BASE}FROM base\nRUN --network=host true\n"));
    let told = project.refusal(&["--network", "host"]);
    assert!(told.contains("zone `build`"), "{told}");
    assert_eq!(project.left(), Vec::<String>::new());
}

/// CVE-2024-1753 (a bind mount whose source is a link leads to the host's root) and CVE-2024-23651 (a cache whose folder is
/// swapped for a link while it is mounted).
#[test]
fn cve_2024_1753_and_23651_mounts_do_not_follow_links_to_the_host() {
    if !ready("cve_2024_1753_and_23651_mounts_do_not_follow_links_to_the_host") {
        return;
    }
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("secret"), "of the host").unwrap();
    let place = host.path().display().to_string();
    let text = format!(
        r#"
FROM base AS evil
RUN ln -s {place} /out && ln -s / /root-link && mkdir -p /deep && ln -s ../../../../../..{place} /deep/out
FROM base
RUN --mount=type=bind,from=evil,source=/root-link,target=/m test ! -e /m{place}/secret && echo inside > /one
RUN --mount=type=cache,target=/c rm -rf /c/x && ln -s {place} /c/x
RUN --mount=type=cache,target=/c test ! -e /c/x/secret && ! touch /c/x/new && echo inside > /two
"#
    );
    let project = Project::new(&text, &[]);
    let out = project.files(&[]);
    assert_eq!((read(&out, "one"), read(&out, "two")), ("inside\n".into(), "inside\n".into()));
    for source in ["/out", "/deep/out"] {
        let line = format!("RUN --mount=type=bind,from=evil,source={source},target=/m cat /m/secret\n");
        project.write("Dockerfile", &format!("{BASE}{}{line}", text.split("RUN --mount").next().unwrap()));
        assert!(!project.refusal(&[]).contains("of the host"));
    }
    // The same from the context, which somebody else may have written.
    std::os::unix::fs::symlink(host.path(), project.folder.path().join("out")).unwrap();
    for line in
        ["RUN --mount=type=bind,source=out,target=/m cat /m/secret", "COPY out/secret /x", "COPY out /x"]
    {
        project.write("Dockerfile", &format!("{BASE}FROM base\n{line}\n"));
        project.refusal(&[]);
    }
    assert_eq!(std::fs::read_dir(host.path()).unwrap().count(), 1);
    assert_eq!(project.left(), Vec::<String>::new());
}

/// CVE-2024-23652: what was made to be mounted on is removed afterwards, through links that the step has put in its way.
#[test]
fn cve_2024_23652_a_step_cannot_have_files_of_the_host_removed() {
    if !ready("cve_2024_23652_a_step_cannot_have_files_of_the_host_removed") {
        return;
    }
    let host = tempfile::tempdir().unwrap();
    std::fs::create_dir(host.path().join("target")).unwrap();
    let place = host.path().display();
    let text = format!(
        "FROM base\nRUN --mount=type=tmpfs,target=/way/target umount /way/target 2>/dev/null; mv /way /moved; ln -s {place} /way\n"
    );
    let project = Project::new(&text, &[]);
    let _ = project.build(&[]);
    assert!(host.path().join("target").exists());
    assert_eq!(project.left(), Vec::<String>::new());
}

#[test]
fn a_failing_step_says_where_and_leaves_nothing() {
    if !ready("a_failing_step_says_where_and_leaves_nothing") {
        return;
    }
    let project = Project::new("FROM base\nRUN echo before; echo why >&2; exit 3\n", &[]);
    let told = project.refusal(&["-q"]);
    for part in ["line 7: RUN echo before", "exit code 3", "why"] {
        assert!(told.contains(part), "{told}");
    }
    for (text, why) in [
        (
            "FROM base\nCPOY a b\n",
            "Dockerfile: line 7, column 1: unknown instruction CPOY; did you mean COPY?",
        ),
        ("FROM base\nCOPY bsybox /x\n", "did you mean busybox?"),
        ("FROM base\nCOPY --from=nowhere /x /x\n", "nowhere"),
        ("FROM base\nUSER nobody-at-all\nRUN true\n", "nobody-at-all"),
        ("FROM host\n", "image host"),
        ("FROM --platform=linux/s390x base\n", "stage base is for linux/"),
        ("FROM --platform=linux/s390x scratch\nCOPY busybox /b\nRUN [\"/b\", \"true\"]\n", "binfmt_misc"),
        ("FROM base\nRUN --mount=type=ssh,required true\n", "no agent"),
    ] {
        project.write("Dockerfile", &format!("{BASE}{text}"));
        let told = project.refusal(&[]);
        assert!(told.contains(why), "{text}: {told}");
    }
    let told = project.home.run(&["build", "https://example.invalid/x.git"]).err;
    assert!(told.contains("nothing is fetched"), "{told}");
    assert_eq!(project.left(), Vec::<String>::new());
}

#[test]
fn an_image_for_another_platform_is_made_by_steps_on_this_one() {
    if !ready("an_image_for_another_platform") {
        return;
    }
    // Every program of the base runs here; what is copied out of it would be a compiler's result.
    let text = "RUN echo $BUILDARCH > /made\nFROM scratch AS last\nARG TARGETPLATFORM\nCOPY --from=base /made /made\nENV FOR=$TARGETPLATFORM\n";
    let project = Project::new(text, &[]);
    project.write(
        "Dockerfile",
        &format!("{BASE}{text}").replacen("FROM scratch", "FROM --platform=$BUILDPLATFORM scratch", 1),
    );
    let other = if cfg!(target_arch = "aarch64") { "linux/amd64" } else { "linux/arm64" };
    project.id(&["--platform", other, "-t", "foreign:1"]);
    let inspect = |image: &str, field: &str| {
        let value: serde_json::Value =
            serde_json::from_str(&project.home.ok(&["image", "inspect", image])).unwrap();
        value[0].pointer(field).unwrap_or_else(|| panic!("{field}: {value}")).clone()
    };
    let architecture = other.strip_prefix("linux/").unwrap();
    assert_eq!(inspect("foreign:1", "/Architecture"), architecture);
    assert_eq!(inspect("foreign:1", "/Config/Env/1"), format!("FOR={other}"));
    // It is a base for more of its kind, and for nothing that this machine is to run.
    project.write("Dockerfile", "FROM foreign:1\nCOPY busybox /b\n");
    project.id(&["--platform", other, "-t", "foreign:2"]);
    assert_eq!(inspect("foreign:2", "/Architecture"), architecture);
    project.write("Dockerfile", "FROM foreign:1\nRUN true\n");
    let told = project.refusal(&["--platform", other]);
    assert!(told.contains("Dockerfile:2") || told.contains("line 2"), "{told}");
    assert!(told.contains(&format!("cannot run programs of {other}")) && told.contains("flag F"), "{told}");
    let ran = project.home.run(&["run", "--rm", "--pull", "never", "foreign:2", "/b", "true"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert_eq!(project.left(), Vec::<String>::new());
}

#[test]
fn contexts_of_all_kinds() {
    if !ready("contexts_of_all_kinds") {
        return;
    }
    let project = Project::new("FROM base\nCOPY a /a\nCMD [\"cat\", \"/a\"]\n", &[("a", "from a tar\n")]);
    let tar = std::process::Command::new("tar").args(["-czC", project.path(), "."]).output().unwrap().stdout;
    let ran = project.home.run_with_input(&["build", "-q", "-t", "tarred", "-"], &tar);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(project.home.ok(&["run", "--rm", "tarred"]), "from a tar");
    let ran = project.home.run_with_input(&["build", "-q", "-"], b"FROM tarred\nRUN echo more > /b\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = project.home.run_with_input(&["build", "-q", "-"], b"FROM tarred\nCOPY x /\n");
    assert!(ran.err.contains("the Dockerfile came alone"), "{}", ran.err);
    let ran =
        project.home.run_with_input(&["build", "-q", "-f", "-", project.path()], b"FROM tarred\nCOPY a /c\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    project.write("other/Other", "FROM tarred\nCOPY a /d\n");
    project.write("other/Other.dockerignore", "*\n");
    let named = format!("{}/other/Other", project.path());
    assert!(project.refusal(&["-f", &named]).contains(".dockerignore leaves it out"));
    // What an image asks for at its use.
    project
        .write("Dockerfile", "FROM tarred\nONBUILD COPY a /triggered\nONBUILD RUN cat /triggered > /seen\n");
    project.id(&["-t", "trigger"]);
    project.write("Dockerfile", "FROM trigger\n");
    assert_eq!(read(&project.files(&[]), "seen"), "from a tar\n");
}

#[test]
fn archives_are_unpacked_by_add() {
    if !ready("archives_are_unpacked_by_add") {
        return;
    }
    let project = Project::new(
        "FROM base\nADD x.tar.gz /added/\nCOPY x.tar.gz /copied/\nADD a /plain\n",
        &[("a", "a")],
    );
    let (folder, tar) = (project.path().to_owned(), format!("{}/x.tar.gz", project.path()));
    let made = std::process::Command::new("tar").args(["-czf", &tar, "-C", &folder, "a"]).status().unwrap();
    assert!(made.success());
    let out = project.files(&[]);
    assert_eq!((read(&out, "added/a"), read(&out, "plain")), ("a".into(), "a".into()));
    assert!(out.path().join("copied/x.tar.gz").exists());
}

#[test]
fn an_image_carries_its_packages_and_how_it_was_made() {
    if !ready("an_image_carries_its_packages_and_how_it_was_made") {
        return;
    }
    let status = "Package: thing\nStatus: install ok installed\nVersion: 1.2-3\nArchitecture: all\n";
    let project = Project::new(
        "ARG TOKEN=x\nFROM base\nARG TOKEN\nCOPY status /var/lib/dpkg/status\n",
        &[("status", status)],
    );
    let metadata = project.folder.path().join("metadata.json");
    let id = project.id(&[
        "-t",
        "x",
        "--metadata-file",
        metadata.to_str().unwrap(),
        "--build-arg",
        "TOKEN=hidden-value",
    ]);
    let blobs = project.home.path().join("state/images/blobs/sha256");
    let blob = |digest: &str| -> serde_json::Value {
        let hex = digest.strip_prefix("sha256:").unwrap();
        serde_json::from_slice(&std::fs::read(blobs.join(hex)).unwrap()).unwrap()
    };
    let index = blob(&id);
    let (image, said) = (&index["manifests"][0], &index["manifests"][1]);
    assert_eq!(said["annotations"]["vnd.docker.reference.digest"], image["digest"]);
    let said = blob(said["digest"].as_str().unwrap());
    assert_eq!(said["subject"]["digest"], image["digest"]);
    let statements: BTreeMap<String, serde_json::Value> = said["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| {
            let kind = layer["annotations"]["in-toto.io/predicate-type"].as_str().unwrap().to_owned();
            (kind, blob(layer["digest"].as_str().unwrap()))
        })
        .collect();
    let packages = &statements["https://spdx.dev/Document"];
    assert_eq!(packages["predicate"]["packages"][1]["name"], "thing");
    let made = statements["https://slsa.dev/provenance/v1"].to_string();
    assert!(made.contains("TOKEN") && !made.contains("hidden-value"), "{made}");
    let metadata: serde_json::Value = serde_json::from_slice(&std::fs::read(metadata).unwrap()).unwrap();
    assert_eq!(metadata["containerimage.digest"], id);
    let plain = project.id(&["--sbom=false", "--provenance=false"]);
    assert_eq!(plain, image["digest"].as_str().unwrap());
}

#[test]
fn archives_of_results_are_loaded_again() {
    if !ready("archives_of_results_are_loaded_again") {
        return;
    }
    let project = Project::new("FROM base\nCMD [\"cat\", \"/etc/group\"]\n", &[]);
    let archive = project.home.path().join("built.tar");
    for (kind, tag) in [("oci", &["-t", "kept:1"][..]), ("docker", &["-t", "kept:2"]), ("oci", &[])] {
        let output = format!("type={kind},dest={}", archive.display());
        let mut args = vec!["-o", output.as_str()];
        args.extend(tag);
        let id = project.id(&args);
        let there =
            project.home.ok(&["image", "ls", "-a", "--no-trunc"]).contains(id.trim_start_matches("sha256:"));
        assert_eq!(there, !tag.is_empty(), "{kind}");
        let other = Home::new();
        let loaded = other.ok(&["load", "-i", archive.to_str().unwrap()]);
        assert!(tag.last().is_none_or(|name| loaded.contains(name)), "{loaded}");
        let image = tag.last().copied().unwrap_or(&id);
        assert_eq!(other.ok(&["run", "--rm", image]), "web:x:2000:");
        std::fs::remove_file(&archive).unwrap();
    }
    assert_eq!(project.left(), [""; 0]);
}
