//! `cargo xtask order`: which functions a container's life executes, in the order in which the linker is to place them.
//!
//! The program is built with each function on pages of its own and run from a file system that reads nothing ahead: the pages
//! of its file that are in memory afterwards are those that were executed.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use rustix::io::{Errno, ReadWriteFlags};

use crate::command::{command, quietly};
use crate::workspace::{Workspace, cargo};

/// Where `bin/cofferdam/build.rs` looks for it.
const LIST: &str = "bin/cofferdam/symbol-order.txt";
const PAGE: u64 = 4096;

/// The lives, the most frequent first: what an earlier one executes is placed before what only a later one does.
const LIVES: [&str; 4] = [
    "for name in one two; do $C oci run $name < /dev/null; done",
    "$C run --rm --network none host -- true; $C run --rm host -- true",
    "id=$($C run -d host -- sleep 100); $C exec $id true; $C stop -t 1 $id; $C start $id; $C rm -f $id",
    "id=$($C run -d host -- sleep 100); $C ps; $C logs $id; $C inspect $id; $C verify $id; $C rm -f $id",
];

/// Builds, measures and writes the list.
pub(crate) fn run() -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut build =
        command(&cargo(), ["rustc", "--release", "--package", "cofferdam", "--bin", "cofferdam", "--"]);
    build.args(["-C", "strip=none", "-C", "llvm-args=-align-all-functions=12"]);
    quietly(&mut build)?;
    let program = workspace.release_program();
    let functions = functions(&program)?;
    let bench = Bench::new()?;
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    for life in LIVES {
        for function in bench.executed(&program, life, &functions)? {
            if seen.insert(function.name.as_str()) {
                names.push(function.name.as_str());
            }
        }
        println!("{} functions with: {life}", names.len());
    }
    let list = workspace.root.join(LIST);
    std::fs::write(&list, names.join("\n") + "\n").with_context(|| format!("write {}", list.display()))?;
    println!(
        "{} of {} functions in {LIST}; the next release build places them",
        names.len(),
        functions.len()
    );
    Ok(ExitCode::SUCCESS)
}

struct Function {
    name: String,
    /// In the file.
    start: u64,
    size: u64,
}

/// The program's functions, by place in its file.
fn functions(program: &Path) -> Result<Vec<Function>> {
    let headers = quietly(command("readelf", ["-lW"]).arg(program))?;
    let hex = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    let code = headers.lines().find(|line| line.contains("LOAD") && line.contains(" R E "));
    let numbers: Vec<u64> =
        code.context("no code in the program")?.split_whitespace().filter_map(hex).collect();
    let [offset, address, ..] = numbers[..] else {
        anyhow::bail!("readelf says nothing of the code's place")
    };
    let symbols = quietly(command("nm", ["--defined-only", "--numeric-sort", "--print-size"]).arg(program))?;
    let function = |line: &str| {
        let [start, size, kind, name] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
        let start = (hex(start)? + offset).checked_sub(address)?;
        let is_code = kind.eq_ignore_ascii_case("t") || kind.eq_ignore_ascii_case("w");
        is_code.then_some(Function { name: name.to_owned(), start, size: hex(size)? })
    };
    Ok(symbols.lines().filter_map(function).filter(|function| function.size > 0).collect())
}

/// A file system of its own, a bundle, and state folders; all gone with it.
struct Bench {
    folder: PathBuf,
}

impl Bench {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("cofferdam-order-{}", std::process::id()));
        let bench = Self { folder };
        for name in ["bundle/rootfs/bin", "files", "root"] {
            std::fs::create_dir_all(bench.folder.join(name)).context("make the bench's folders")?;
        }
        let image = bench.folder.join("image");
        File::create(&image)?.set_len(1 << 30)?;
        quietly(command("mkfs.ext4", ["-q"]).arg(&image))?;
        std::fs::copy("/usr/bin/busybox", bench.folder.join("bundle/rootfs/bin/busybox"))
            .context("busybox-static")?;
        Ok(bench)
    }

    fn mount(&self) -> Result<PathBuf> {
        let files = self.folder.join("files");
        quietly(command("mount", ["-o", "loop"]).arg(self.folder.join("image")).arg(&files))?;
        let source = quietly(command("findmnt", ["-no", "SOURCE"]).arg(&files))?;
        let device = source.trim().rsplit('/').next().unwrap_or_default();
        let setting = format!("/sys/block/{device}/queue/read_ahead_kb");
        std::fs::write(&setting, "0").with_context(|| format!("write {setting}"))?;
        Ok(files.join("cofferdam"))
    }

    fn unmount(&self) -> Result<()> {
        quietly(command("umount", ["-d"]).arg(self.folder.join("files"))).map(drop)
    }

    /// What one life executed.
    fn executed<'f>(
        &self,
        program: &Path,
        life: &str,
        functions: &'f [Function],
    ) -> Result<Vec<&'f Function>> {
        let copy = self.mount()?;
        std::fs::copy(program, &copy).context("copy the program")?;
        rustix::fs::sync();
        // Nothing of the file is in memory after this.
        self.unmount()?;
        self.mount()?;
        let root = self.folder.join("root");
        let script = format!("export COFFERDAM_ROOT={}; cd bundle; {life}", root.display());
        let spec = format!(
            "cd bundle && rm -f config.json && {} oci spec && sed -i 's/\"terminal\": true/\"terminal\": false/; s/\"sh\"/\"\\/bin\\/busybox\", \"true\"/' config.json",
            program.display()
        );
        for script in [&spec, &script] {
            let mut shell = Command::new("sh");
            shell.args(["-ec", script]).env("C", &copy).current_dir(&self.folder);
            quietly(&mut shell)?;
        }
        let pages = pages_in_memory(&copy)?;
        let is_executed = |function: &&Function| {
            let (first, last) = (function.start / PAGE, (function.start + function.size - 1) / PAGE);
            (first..=last).any(|page| pages.contains(&page))
        };
        let executed = functions.iter().filter(is_executed).collect();
        self.unmount()?;
        Ok(executed)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = quietly(command("umount", ["-q", "-d"]).arg(self.folder.join("files")));
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The pages of a file that need not be read (preadv2(2), `RWF_NOWAIT`).
fn pages_in_memory(path: &Path) -> Result<HashSet<u64>> {
    let file = File::open(path)?;
    let pages = file.metadata()?.len().div_ceil(PAGE);
    let mut found = HashSet::new();
    for page in 0..pages {
        let mut byte = [0];
        let mut buffer = [std::io::IoSliceMut::new(&mut byte)];
        match rustix::io::preadv2(&file, &mut buffer, page * PAGE, ReadWriteFlags::NOWAIT) {
            Ok(_) => drop(found.insert(page)),
            Err(Errno::AGAIN) => {}
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        }
    }
    ensure!(!found.is_empty(), "nothing of {} was executed", path.display());
    Ok(found)
}
