//! Databases, advisories and versions of rpm.

use std::path::Path;

use super::sqlite::tests::database;
use super::*;

/// A header with a package's fields, as rpm writes it.
fn header(name: &str, version: &str, release: &str, epoch: Option<u32>) -> Vec<u8> {
    let (mut index, mut values) = (Vec::new(), Vec::new());
    let mut entry = |tag: u32, kind: u32, value: &[u8]| {
        for word in [tag, kind, u32::try_from(values.len()).unwrap(), 1] {
            index.extend(word.to_be_bytes());
        }
        values.extend_from_slice(value);
    };
    if let Some(epoch) = epoch {
        entry(1003, 4, &epoch.to_be_bytes());
    }
    for (tag, value) in [(1000, name), (1001, version), (1002, release), (1022, "x86_64")] {
        entry(tag, 6, format!("{value}\0").as_bytes());
    }
    let count = u32::try_from(index.len() / 16).unwrap();
    let length = u32::try_from(values.len()).unwrap();
    [&count.to_be_bytes()[..], &length.to_be_bytes(), &index, &values].concat()
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

const ADVISORIES: &str = r#"<updates>
<update from="x" status="final" type="security" version="1"><id>A-1</id><pkglist><collection>
<package name="openssl" version="3.0.8" release="2.el9" epoch="1" arch="x86_64" src="openssl.src.rpm"><filename>a</filename></package>
<package name="openssl" version="3.0.9" release="1.el9" epoch="1" arch="x86_64"/>
<package name="openssl" version="9" release="1" epoch="1" arch="s390x"/>
<package name="absent" version="9" release="1" epoch="0" arch="x86_64"/></collection></pkglist></update>
<update type="bugfix"><package name="bash" version="9" release="1" epoch="0" arch="x86_64"/></update>
</updates>"#;

#[test]
fn what_is_installed_and_what_of_it_waits_for_a_fix() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let headers = [
        header("openssl", "3.0.7", "1.el9", Some(1)),
        header("bash", "5.1", "1", None),
        header("gpg-pubkey", "1", "1", None),
    ];
    write(root, "var/lib/rpm/rpmdb.sqlite", &database("Packages", &headers));
    let look = || read(&Source::at_rest(root).unwrap());
    let packages = look().unwrap().unwrap();
    assert_eq!(packages.installed, 2);
    let reason = packages.outdated.get().unwrap_err().0;
    assert!(reason.contains("dnf updateinfo"), "{reason}");

    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut zipped, ADVISORIES.as_bytes()).unwrap();
    write(root, "var/cache/dnf/base-1/repodata/1-updateinfo.xml.gz", &zipped.finish().unwrap());
    let packages = look().unwrap().unwrap();
    let outdated = packages.outdated.get().unwrap();
    assert_eq!(*outdated, [("openssl".to_owned(), "1:3.0.7-1.el9".to_owned(), "1:3.0.9-1.el9".to_owned())]);
    assert_eq!(*packages.list_age.get().unwrap(), 0);

    write(root, "var/lib/rpm/rpmdb.sqlite-wal", b"x");
    assert!(look().unwrap_err().0.contains("-wal"), "what is not in the file yet is not passed over");
    std::fs::remove_file(root.join("var/lib/rpm/rpmdb.sqlite-wal")).unwrap();
    write(root, "var/lib/rpm/rpmdb.sqlite", b"SQLite format 3\0");
    assert!(look().is_err());
}

#[test]
fn databases_of_old_forms_are_unknown_and_named() {
    for (path, form) in [("var/lib/rpm/Packages", "Berkeley DB"), ("usr/lib/sysimage/rpm/Packages.db", "ndb")]
    {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), path, b"x");
        let reason = read(&Source::at_rest(folder.path()).unwrap()).unwrap_err().0;
        assert!(reason.contains(form), "{reason}");
    }
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(read(&Source::at_rest(nothing.path()).unwrap()).unwrap(), None);
}

#[test]
fn versions_as_rpm_compares_them() {
    for (smaller, larger) in [
        ("1.0", "2.0"),
        ("1.9", "1.10"),
        ("1.0", "1.0.1"),
        ("1.0~rc1", "1.0"),
        ("1.0~rc1", "1.0~rc2"),
        ("1.0", "1.0^git1"),
        ("1.0^git1", "1.0.1"),
        ("1.0^git1~pre", "1.0^git1"),
        ("a", "1"),
        ("1a", "1b"),
        ("5.5p1", "5.5p2"),
        ("xyz10", "xyz10.1"),
    ] {
        assert_eq!(compare(smaller, larger), Ordering::Less, "{smaller} {larger}");
        assert_eq!(compare(larger, smaller), Ordering::Greater, "{smaller} {larger}");
    }
    for (one, other) in [("1.0", "1_0"), ("2_0", "2.0"), ("1.00", "1.0"), ("a", "a+")] {
        assert_eq!(compare(one, other), Ordering::Equal, "{one} {other}");
    }
}

proptest::proptest! {
    #[test]
    fn comparing_is_symmetric(one in "[0-9a~^.]{0,10}", other in "[0-9a~^.]{0,10}") {
        assert_eq!(compare(&one, &other), compare(&other, &one).reverse());
        assert_eq!(compare(&one, &one), Ordering::Equal);
    }

    #[test]
    fn changed_headers_and_advisories_end(at in 0usize..400, byte: u8) {
        let mut bytes = header("openssl", "3.0.7", "1.el9", Some(1));
        let place = at % bytes.len();
        bytes[place] = byte;
        let _ = package(&bytes);
        let mut text = ADVISORIES.as_bytes().to_vec();
        let place = at % text.len();
        text[place] = byte;
        let _ = advisories::packages(&String::from_utf8_lossy(&text));
    }
}
