//! What the image is made of: files of the machine's own Debian packages, which is what images hold. Words out of a generator
//! would be quicker to make, and compress like nothing that anybody pulls.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Bytes of one layer's files, about.
const LAYER_BYTES: u64 = 66 << 20;

/// A layer should not be one program alone.
const MOST_OF_A_FILE: u64 = 16 << 20;

/// Priorities of packages, those first that every Debian has.
const PRIORITIES: [&str; 3] = ["required", "important", "standard"];

/// Regular files of packages below `/usr`, for so many layers. The same on a machine as long as its packages are the same.
pub(super) fn choose(layers: usize) -> Result<Vec<Vec<PathBuf>>> {
    let (mut chosen, mut bytes, mut seen) = (vec![Vec::new()], 0, BTreeSet::new());
    for package in packages()? {
        for file in files_of(&package)? {
            let Ok(found) = fs::symlink_metadata(&file) else { continue };
            if !found.is_file() || found.len() > MOST_OF_A_FILE || !seen.insert(file.clone()) {
                continue;
            }
            if bytes >= LAYER_BYTES {
                if chosen.len() == layers {
                    return Ok(chosen);
                }
                chosen.push(Vec::new());
                bytes = 0;
            }
            bytes += found.len();
            if let Some(layer) = chosen.last_mut() {
                layer.push(file);
            }
        }
    }
    ensure!(chosen.len() == layers && bytes >= LAYER_BYTES / 2, "the packages of this machine are too small");
    Ok(chosen)
}

/// Copies files below a folder, each under its path.
pub(super) fn copy(files: &[PathBuf], to: &Path) -> Result<()> {
    for file in files {
        let target = to.join(file.strip_prefix("/").unwrap_or(file));
        let parent = target.parent().context("a file without a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
        fs::copy(file, &target).with_context(|| format!("copy {}", file.display()))?;
    }
    Ok(())
}

/// All that are installed, by priority and name.
fn packages() -> Result<Vec<String>> {
    let format = "${db:Status-Status} ${Priority} ${binary:Package}\n";
    let output = Command::new("dpkg-query").args(["-W", "-f", format]).output().context("run dpkg-query")?;
    ensure!(output.status.success(), "dpkg-query: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let mut packages: Vec<(usize, &str)> = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        if let (Some("installed"), Some(priority), Some(package)) = (words.next(), words.next(), words.next())
        {
            let rank = PRIORITIES.iter().position(|known| *known == priority);
            packages.push((rank.unwrap_or(PRIORITIES.len()), package));
        }
    }
    packages.sort_unstable();
    Ok(packages.into_iter().map(|(_, package)| package.to_owned()).collect())
}

/// What a package has below `/usr`.
fn files_of(package: &str) -> Result<Vec<PathBuf>> {
    let list = format!("/var/lib/dpkg/info/{package}.list");
    let text = fs::read_to_string(&list).with_context(|| format!("read {list}"))?;
    Ok(text.lines().filter(|line| line.starts_with("/usr/")).map(PathBuf::from).collect())
}
