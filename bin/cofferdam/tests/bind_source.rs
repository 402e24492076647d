//! What a zone has judged of the host is what a container gets, whatever is put in its place meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests: a failed unwrap is a failed test, a skip is said on stderr"
)]

mod support;

use support::busybox_home;

/// Whoever owns a folder on the way to a bind's source puts a link in its place after the zone has judged the source.
#[test]
fn a_judged_bind_source_is_swapped_for_a_link() {
    let Some(home) = busybox_home("a_judged_bind_source_is_swapped_for_a_link") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (share, outside) = (folder.path().join("share"), folder.path().join("outside"));
    for parent in [&share, &outside] {
        std::fs::create_dir_all(parent.join("data")).unwrap();
    }
    std::fs::write(outside.join("data/secret"), "not for the container").unwrap();
    let volume = format!("{}:/data", share.join("data").display());
    home.ok(&["create", "--name", "judged", "-v", &volume, "busybox", "cat", "/data/secret"]);
    std::fs::rename(&share, folder.path().join("moved")).unwrap();
    std::os::unix::fs::symlink(&outside, &share).unwrap();
    let ran = home.run(&["start", "-a", "judged"]);
    assert!(ran.code != 0 && ran.err.contains("symbolic link"), "{ran:?}");
    assert!(!ran.out.contains("not for the container"), "{ran:?}");
    // The folder itself in its place again is what was judged.
    std::fs::remove_file(&share).unwrap();
    std::fs::rename(folder.path().join("moved"), &share).unwrap();
    std::fs::write(share.join("data/secret"), "for the container").unwrap();
    assert_eq!(home.ok(&["start", "-a", "judged"]), "for the container");
}

#[test]
fn a_missing_bind_source_is_made_where_that_is_asked_for_and_allowed() {
    let Some(home) = busybox_home("a_missing_bind_source_is_made") else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new/data");
    let mount =
        |source: &std::path::Path, more: &str| format!("type=bind,src={},dst=/data{more}", source.display());
    let ran = home.run(&["run", "--rm", "--mount", &mount(&data, ""), "busybox", "true"]);
    assert!(ran.code == 125 && ran.err.contains("no such file or folder"), "{ran:?}");
    assert!(!data.exists());
    let asked = mount(&data, ",bind-create-src");
    assert_eq!(
        home.ok(&["run", "--rm", "--mount", &asked, "busybox", "stat", "-c", "%F", "/data"]),
        "directory"
    );
    assert!(data.is_dir());
    // What the zone refuses is not made.
    let refused = home.path().join("state/new");
    let ran = home.run(&["run", "--rm", "--mount", &mount(&refused, ",bind-create-src"), "busybox", "true"]);
    assert!(ran.code == 125 && ran.err.contains("never brought into a container"), "{ran:?}");
    assert!(!refused.exists());
}
