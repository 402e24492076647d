//! Tests of the whole program: worlds to run it in, and where to find it.
//!
//! The tests themselves are in `tests/`. Each tour is a shell script in `tours/`, as it is about the commands that
//! people and other people's engines use; a tour runs in namespaces of its own and takes everything with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program under test, as cargo built it for the tests (`cargo build` first, or `cargo xtask ci`).
#[must_use]
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    // target/<triple>/debug/deps/<test> and target/<triple>/debug/cofferdam.
    test.parent().and_then(Path::parent).unwrap_or(Path::new("/")).join("cofferdam")
}

/// Runs the script `tours/<name>.sh` with `runtime` in new mount, pid and network namespaces; what it printed, as an
/// error when it failed.
pub fn tour(name: &str, runtime: &Path) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tours").join(name).with_extension("sh");
    // On a real file system: overlay mounts, which the engines make there, cannot lie on one another.
    let work = format!("/var/tmp/cofferdam-tour-{name}-{}", std::process::id());
    std::fs::create_dir(&work).map_err(|error| format!("make {work}: {error}"))?;
    let output = Command::new("timeout")
        .args(["--kill-after=5", "300"])
        .args(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
        // A shell as pid 1 buries what the engines orphan.
        .args(["--propagation", "private", "bash", "-c", "bash \"$SCRIPT\"; exit $?"])
        .env("SCRIPT", &script)
        .env("RUNTIME", runtime)
        .env("WORK", &work)
        .stdin(Stdio::null())
        .output();
    let removed = std::fs::remove_dir_all(&work).map_err(|error| format!("remove {work}: {error}"));
    let output = output.map_err(|error| format!("run the tour {name}: {error}"))?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    removed?;
    if output.status.success() { Ok(said) } else { Err(format!("{}\n{said}", output.status)) }
}
