//! A state folder of a test's own, with the program in it; everything is gone after the test.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A state folder and the program.
pub struct Home {
    folder: TempDir,
}

/// What a command said and ended with.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Home {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("cofferdam-cli-").tempdir().unwrap();
        std::os::unix::fs::symlink(std::env::current_exe().unwrap(), folder.path().join("cofferdam"))
            .unwrap();
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn program(&self) -> PathBuf {
        self.path().join("cofferdam")
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        command.args(words).env("COFFERDAM_ROOT", self.path().join("root")).current_dir(self.path());
        command
    }

    /// Runs a command to its end without input.
    pub fn run(&self, words: &[&str]) -> Said {
        self.run_with(words, b"")
    }

    pub fn run_with(&self, words: &[&str], input: &[u8]) -> Said {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        // Beside the reading: a command that gives back what it reads would wait for this one otherwise. One that reads
        // nothing may be gone already.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let said = said(child.wait_with_output().unwrap());
        writer.join().unwrap();
        said
    }

    /// Runs a command that must succeed; its output without the last line end.
    pub fn ok(&self, words: &[&str]) -> String {
        let said = self.run(words);
        assert_eq!(said.code, 0, "{words:?}: {said:?}");
        said.out.trim_end().to_owned()
    }

    /// Runs a shell-like line and gives it back with what it said, ids and temporary names replaced.
    pub fn transcript(&self, lines: &[&[&str]]) -> String {
        let mut text = String::new();
        for words in lines {
            let said = self.run(words);
            text += &format!("$ cofferdam {}\n{}{}[{}]\n", words.join(" "), said.out, said.err, said.code);
        }
        self.masked(&text)
    }

    /// The text without what differs from run to run: ids, times and this folder.
    fn masked(&self, text: &str) -> String {
        let text = text.replace(self.path().to_str().unwrap(), "HOME");
        let mut masked = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\0']) {
            if c.is_ascii_alphanumeric() {
                word.push(c);
                continue;
            }
            let is_id = matches!(word.len(), 12 | 64) && word.chars().all(|c| c.is_ascii_hexdigit());
            masked += match (is_id, word.len()) {
                (true, 12) => "SHORT-ID",
                (true, _) => "ID",
                _ => word.as_str(),
            };
            word.clear();
            if c != '\0' {
                masked.push(c);
            }
        }
        masked
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for id in self.run(&["ps", "-aq", "--no-trunc"]).out.lines() {
            self.run(&["rm", "-f", id]);
        }
    }
}

pub fn said(output: Output) -> Said {
    use std::os::unix::process::ExitStatusExt;
    let code = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code, out: text(&output.stdout), err: text(&output.stderr) }
}

/// Waits until something holds, at most ten seconds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("waited in vain until {what}");
}
