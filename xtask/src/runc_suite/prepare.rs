//! The suite's source and helper programs, in a cache folder outside the repository.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::images;
use crate::ci::debian;
use crate::command::{command, quietly};

const VERSION: &str = "1.3.6";
const BUILD_TAGS: &str = "seccomp urfave_cli_no_docs";
/// The helper programs that the cases call, by folder under `tests/cmd`.
const HELPERS: [&str; 6] = ["recvtty", "sd-helper", "seccompagent", "fs-idmap", "pidfd-kill", "remap-rootfs"];
/// What building and running the suite needs, beside Go and a C compiler.
const PACKAGES: [&str; 12] = [
    "bats",
    "busybox-static",
    "criu",
    "gawk",
    "gcc",
    "iproute2",
    "jq",
    "libseccomp-dev",
    "mmdebstrap",
    "pkg-config",
    "uidmap",
    "xz-utils",
];

#[derive(Deserialize)]
struct Module {
    #[serde(rename = "Dir")]
    folder: PathBuf,
}

/// The folder for what the heavy tests fetch and build: made once, kept between runs, not in the repository.
pub(super) fn cache() -> Result<PathBuf> {
    let folder =
        std::env::var_os("COFFERDAM_TEST_CACHE").map_or("/var/cache/cofferdam-tests".into(), PathBuf::from);
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

/// The folder of runc's source with `runc`, the helper programs and the images built in it.
pub(super) fn source() -> Result<PathBuf> {
    let folder = cache()?.join(format!("runc-{VERSION}"));
    let stamp = folder.join(".complete");
    if stamp.exists() {
        return Ok(folder);
    }
    debian::install_what_is_missing(&PACKAGES)?;
    println!("== fetching and building runc {VERSION} and its tests");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    fetch(&folder)?;
    build(&folder)?;
    images::make(&folder.join("tests/integration/testdata"))?;
    fs::write(&stamp, "").with_context(|| format!("write {}", stamp.display()))?;
    Ok(folder)
}

/// Fetches the module and copies it out of Go's read-only cache.
fn fetch(folder: &Path) -> Result<()> {
    let module = format!("github.com/opencontainers/runc@v{VERSION}");
    let said = quietly(command("go", ["mod", "download", "-json", &module]).current_dir("/"))?;
    let module: Module = serde_json::from_str(&said).context("parse what go mod download says")?;
    quietly(command("cp", ["-r"]).arg(&module.folder).arg(folder))?;
    // A module zip keeps no modes: without this the suite's own scripts do not run.
    quietly(command("chmod", ["-R", "u+w,a+rX"]).arg(folder))?;
    let scripts = ["tests/integration/get-images.sh", "tests/cmd/seccompagent/gen-seccomp-example-cfg.sh"];
    quietly(command("chmod", ["+x"]).args(scripts).current_dir(folder))?;
    Ok(())
}

fn build(folder: &Path) -> Result<()> {
    let programs = folder.join("tests/cmd/_bin");
    fs::create_dir_all(&programs).with_context(|| format!("make {}", programs.display()))?;
    let go = |output: &str, package: &str| {
        let version = format!("-X main.version={VERSION} -X main.gitCommit=module");
        // The module zip leaves out vendor/: the same versions come from go.sum.
        let arguments =
            ["go", "build", "-mod=mod", "-trimpath", "-tags", BUILD_TAGS, "-ldflags", &version, "-o", output];
        quietly(command("nice", arguments).arg(package).env("CGO_ENABLED", "1").current_dir(folder))
    };
    go("runc", ".")?;
    for helper in HELPERS {
        go("tests/cmd/_bin/", &format!("./tests/cmd/{helper}"))?;
    }
    go("contrib/cmd/memfd-bind/memfd-bind", "./contrib/cmd/memfd-bind")?;
    Ok(())
}
