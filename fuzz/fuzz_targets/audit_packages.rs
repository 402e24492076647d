//! Databases of packages: rpm's pages and headers, dnf's advisories, dpkg's status with apt's lists, apk's. Any bytes end in facts
//! or in the reason why there are none.

#![no_main]

use std::path::Path;

use cofferdam_audit::host::{Source, required};
use libfuzzer_sys::fuzz_target;

const PAGE: usize = 512;

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    let _ = path.parent().map(std::fs::create_dir_all);
    let _ = std::fs::write(path, bytes);
}

/// An SQLite database with the one table `Packages`, whose first page and all that follow are `pages`.
fn database(pages: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; PAGE];
    bytes[..16].copy_from_slice(b"SQLite format 3\0");
    bytes[16..18].copy_from_slice(&512u16.to_be_bytes());
    // The schema's only row: its length, its key, then a header of six bytes and five values.
    let row = b"\x1c\x01\x06\x17\x1d\x1d\x01\x0dtablePackagesPackages\x02";
    let at = PAGE - row.len();
    bytes[at..].copy_from_slice(row);
    bytes[100] = 0x0d;
    bytes[104] = 1;
    bytes[108..110].copy_from_slice(&u16::try_from(at).unwrap_or(0).to_be_bytes());
    bytes.extend(pages);
    bytes.resize(bytes.len().next_multiple_of(PAGE), 0);
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    let root = std::env::temp_dir().join(format!("cofferdam-fuzz-packages-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&root);
    let _ = std::fs::create_dir_all(&root);
    match which % 5 {
        0 => write(&root, "var/lib/rpm/rpmdb.sqlite", &database(rest)),
        1 => write(&root, "var/lib/rpm/rpmdb.sqlite", rest),
        2 => {
            write(&root, "var/lib/rpm/rpmdb.sqlite", &database(&[&[0x0d][..], &[0; PAGE - 1]].concat()));
            write(&root, "var/cache/dnf/base-1/repodata/1-updateinfo.xml", rest);
        }
        3 => {
            write(&root, "var/lib/dpkg/status", rest);
            write(&root, "var/lib/apt/lists/security_Packages", rest);
        }
        _ => write(&root, "lib/apk/db/installed", rest),
    }
    if let Ok(source) = Source::at_rest(&root) {
        let _ = required(&source, &["updates.security".to_owned()]);
    }
});
