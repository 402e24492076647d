//! A database that rpm itself wrote, with packages that rpmbuild made, read by our own code.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

use std::path::Path;
use std::process::Command;

use cofferdam_audit::Fact;
use cofferdam_audit::host::{HostFacts, Packages, Source};

/// More than one page of the database holds.
const PACKAGES: usize = 12;

fn run(program: &str, folder: &Path, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes the packages, installs them below `folder/root`, and takes one of them away again.
fn installed(folder: &Path) {
    let root = folder.join("root");
    std::fs::create_dir(&root).unwrap();
    let topdir = format!("_topdir {}", folder.display());
    let mut build = vec!["--quiet".to_owned(), "-bb".to_owned(), "--define".to_owned(), topdir];
    for number in 0..PACKAGES {
        // Descriptions from a line to more than a page of the database.
        let words = "A line of words that say nothing.\n".repeat(1 + number * 40);
        let spec = format!(
            "Name: tiny{number}\nVersion: 1.{number}~rc1\nRelease: 3\nEpoch: {number}\nSummary: tiny\nLicense: none\nBuildArch: noarch\n%description\n{words}%files\n"
        );
        let name = format!("tiny{number}.spec");
        std::fs::write(folder.join(&name), spec).unwrap();
        build.push(name);
    }
    let build: Vec<&str> = build.iter().map(String::as_str).collect();
    run("rpmbuild", folder, &build);
    // Debian's rpm keeps its database in root's home unless it is told where distributions of rpm have it.
    let database = ["--root", root.to_str().unwrap(), "--dbpath", "/var/lib/rpm"];
    run("rpm", folder, &[&database[..], &["--initdb"]].concat());
    let files = std::fs::read_dir(folder.join("RPMS/noarch")).unwrap();
    let files: Vec<String> = files.map(|file| file.unwrap().path().to_str().unwrap().to_owned()).collect();
    assert_eq!(files.len(), PACKAGES);
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    run("rpm", folder, &[&database[..], &["--install", "--nodeps"], &files].concat());
    run("rpm", folder, &[&database[..], &["--erase", "tiny3"]].concat());
}

fn packages(root: &Path) -> Packages {
    let facts = HostFacts::of(&Source::at_rest(root).unwrap());
    facts.packages.get().unwrap().clone().unwrap()
}

#[test]
fn a_database_that_rpm_wrote_is_read() {
    if Command::new("rpmbuild").arg("--version").output().is_err() {
        eprintln!("SKIP a_database_that_rpm_wrote_is_read: rpm is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    installed(folder.path());
    let root = folder.path().join("root");
    assert_eq!(packages(&root).installed, PACKAGES - 1, "one was erased");

    let repository = root.join("var/cache/dnf/base-1/repodata");
    std::fs::create_dir_all(&repository).unwrap();
    let advisory = |name: &str, epoch: usize, version: &str| {
        format!(
            "<update type=\"security\"><package name=\"{name}\" epoch=\"{epoch}\" version=\"{version}\" release=\"1\" arch=\"noarch\"/></update>"
        )
    };
    let advisories = [
        // Newer: the end of a candidate is its release.
        advisory("tiny5", 5, "1.5"),
        // The longest header: it lies on several pages.
        advisory("tiny11", 11, "1.12"),
        // Older by its epoch, the same, and no longer installed.
        advisory("tiny7", 6, "9"),
        advisory("tiny8", 8, "1.8~rc1"),
        advisory("tiny3", 9, "9"),
    ];
    std::fs::write(
        repository.join("1-updateinfo.xml"),
        format!("<updates>{}</updates>", advisories.concat()),
    )
    .unwrap();
    let outdated = |name: &str, own: &str, fix: &str| (name.to_owned(), own.to_owned(), fix.to_owned());
    assert_eq!(
        packages(&root).outdated,
        Fact::Known(vec![
            outdated("tiny11", "11:1.11~rc1-3", "11:1.12-1"),
            outdated("tiny5", "5:1.5~rc1-3", "5:1.5-1"),
        ])
    );
}
