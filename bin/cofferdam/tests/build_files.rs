//! `cofferdam build`: which files a step has, and what becomes of those that are copied.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use support::project::{BASE, Project, read, ready};

/// A cache that begins with a stage's files is kept from build to build, apart from one that begins with others or with none.
#[test]
fn a_cache_begins_with_files_where_it_is_told_to() {
    if !ready("a_cache_begins_with_files_where_it_is_told_to") {
        return;
    }
    let text = r#"
FROM base AS seed
ARG WHAT=one
RUN mkdir -m 750 /seed && echo $WHAT > /seed/first && chown 5:6 /seed/first && ln -s first /seed/link
FROM base
RUN --mount=type=cache,target=/c,id=c,from=seed,source=/seed echo x >> /c/log && cat /c/link > /first && \
    stat -c %u:%g /c/first > /owner && wc -l < /c/log > /count
RUN --mount=type=cache,target=/c,id=c ls /c > /other
RUN --mount=type=cache,target=/d,from=seed,source=/seed,sharing=private cat /d/first >> /first
"#;
    let project = Project::new(text, &[]);
    for (more, first, count) in [
        (&[][..], "one\none", "1"),
        (&["--no-cache"], "one\none", "2"),
        (&["--build-arg", "WHAT=two"], "two\ntwo", "1"),
        (&["--no-cache", "--build-arg", "WHAT=two"], "two\ntwo", "2"),
    ] {
        let out = project.files(more);
        assert_eq!((read(&out, "first").trim(), read(&out, "count").trim()), (first, count), "{more:?}");
        assert_eq!((read(&out, "owner").trim(), read(&out, "other").as_str()), ("5:6", ""), "{more:?}");
    }
    for (line, why) in [
        ("from=base,source=/etc/passwd", "is a file"),
        ("source=/x", "without from"),
        ("from=base,source=/nothing", "nothing"),
    ] {
        project
            .write("Dockerfile", &format!("{BASE}FROM base\nRUN --mount=type=cache,target=/c,{line} true\n"));
        let told = project.refusal(&[]);
        assert!(told.contains(why), "{line}: {told}");
    }
    assert_eq!(project.left(), Vec::<String>::new());
}

#[test]
fn permissions_of_copies_are_words_or_numbers() {
    if !ready("permissions_of_copies_are_words_or_numbers") {
        return;
    }
    let text = r#"
FROM base
COPY --chmod=u=rwX,go=rX,a-w tree /words
COPY --chmod=+x a /run
COPY --chmod=640 a /number
COPY --chmod=g=u <<"EOF" /made
text
EOF
RUN stat -c %a /words /words/sub /words/sub/b /run /number /made | tr '\n' ' ' > /modes
"#;
    let project = Project::new(text, &[("a", "x"), ("tree/sub/b", "x")]);
    let set = |name: &str, mode| {
        std::fs::set_permissions(
            project.folder.path().join(name),
            std::os::unix::fs::PermissionsExt::from_mode(mode),
        )
        .unwrap();
    };
    set("a", 0o644);
    set("tree/sub/b", 0o640);
    assert_eq!(read(&project.files(&[]), "modes"), "555 555 444 755 640 664 ");
    project.write("Dockerfile", &format!("{BASE}FROM base\nCOPY --chmod=u+q a /a\n"));
    assert!(project.refusal(&[]).contains("chmod(1)"));
}
