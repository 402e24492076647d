//! The container's log: one record per line, in the format that Kubernetes' kubelet reads (CRI logging):
//! `2026-11-23T12:00:00.000000000Z stdout F text`. `P` in place of `F` says that the line goes on in the next record.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use cofferdam_names::Timestamp;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

/// When a log is rotated (Docker's `max-size` and `max-file`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogOptions {
    /// Bytes of one file; none for no limit.
    pub max_size: Option<u64>,
    /// How many files there are at most, with the one in use; at least 1.
    pub max_files: u32,
}

/// What a container may leave on the disk by printing, where nobody says how much.
impl Default for LogOptions {
    fn default() -> Self {
        Self { max_size: Some(16 << 20), max_files: 3 }
    }
}

/// Which stream a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Writes a log. The file is made with the first record.
#[derive(Debug)]
pub(crate) struct LogWriter {
    path: PathBuf,
    options: LogOptions,
    file: Option<(File, u64)>,
}

impl LogWriter {
    pub(crate) fn new(path: PathBuf, options: LogOptions) -> Self {
        Self { path, options, file: None }
    }

    /// Adds what the container wrote. Each part between line ends becomes a record at once: a prompt without a line
    /// end is in the log before its line is complete.
    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let name = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let time = Timestamp::from(SystemTime::now());
        let mut records = Vec::with_capacity(bytes.len() + 64);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (tag, text) = match line.strip_suffix(b"\n") {
                Some(text) => ('F', text),
                None => ('P', line),
            };
            let before = records.len();
            write!(records, "{time} {name} {tag} ")?;
            records.extend_from_slice(text);
            records.push(b'\n');
            if self.is_too_much(before, records.len())? {
                let record = records.split_off(before);
                self.append(&records)?;
                self.rotate()?;
                records = record;
            }
        }
        self.append(&records)
    }

    /// Whether a record, which ends at `end` of what is to be written and begins at `begin`, needs the next file. One that
    /// is larger than a file may be gets one of its own.
    fn is_too_much(&mut self, begin: usize, end: usize) -> io::Result<bool> {
        let Some(most) = self.options.max_size else { return Ok(false) };
        let (_, size) = self.open()?;
        let is_first = *size == 0 && begin == 0;
        Ok(!is_first && size.saturating_add(end as u64) > most)
    }

    fn append(&mut self, records: &[u8]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let (file, size) = self.open()?;
        *size = size.saturating_add(records.len() as u64);
        file.write_all(records)
    }

    fn open(&mut self) -> io::Result<&mut (File, u64)> {
        let file = match self.file.take() {
            Some(file) => file,
            None => open(&self.path)?,
        };
        Ok(self.file.insert(file))
    }

    /// `log` becomes `log.1`, `log.1` becomes `log.2`, ... and the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            if number > 0 {
                name.push(format!(".{number}"));
            }
            PathBuf::from(name)
        };
        let oldest = self.options.max_files.saturating_sub(1);
        if oldest == 0 {
            return std::fs::remove_file(&self.path);
        }
        for number in (0..oldest).rev() {
            match std::fs::rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Opens the file to add to it, and its size. The path is the engine's own, never one that a request or a label gave
/// (CVE-2025-0750, CVE-2026-53488), and a symbolic link in its place is refused (CVE-2026-53489).
fn open(path: &std::path::Path) -> io::Result<(File, u64)> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR | Mode::RGRP)?);
    let size = file.metadata()?.len();
    Ok((file, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a file without their times.
    fn records(path: &std::path::Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }

    #[test]
    fn lines_and_parts_of_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogWriter::new(path.clone(), LogOptions::default());
        log.write(Stream::Stdout, b"one\ntwo\npart").unwrap();
        log.write(Stream::Stderr, b"error\n").unwrap();
        log.write(Stream::Stdout, b" ends\n\n").unwrap();
        let expected = [
            "stdout F one",
            "stdout F two",
            "stdout P part",
            "stderr F error",
            "stdout F  ends",
            "stdout F ",
        ];
        assert_eq!(records(&path), expected);
    }

    #[test]
    fn rotation_keeps_the_newest_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogWriter::new(path.clone(), LogOptions { max_size: Some(60), max_files: 3 });
        for number in 0..9 {
            log.write(Stream::Stdout, format!("line {number}\n").as_bytes()).unwrap();
        }
        assert_eq!(records(&path), ["stdout F line 8"]);
        assert_eq!(records(&folder.path().join("log.1")), ["stdout F line 7"]);
        assert_eq!(records(&folder.path().join("log.2")), ["stdout F line 6"]);
        assert!(!folder.path().join("log.3").exists());
        let mut single =
            LogWriter::new(folder.path().join("s"), LogOptions { max_size: Some(1), max_files: 1 });
        single.write(Stream::Stdout, b"a\n").unwrap();
        single.write(Stream::Stdout, b"b\n").unwrap();
        assert_eq!(records(&folder.path().join("s")), ["stdout F b"]);
    }

    #[test]
    fn a_burst_is_rotated_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let options = LogOptions { max_size: Some(1000), max_files: 2 };
        let lines: String = (0..500).map(|number| format!("line {number}\n")).collect();
        let mut log = LogWriter::new(path.clone(), options);
        log.write(Stream::Stdout, lines.as_bytes()).unwrap();
        let (newest, older) = (records(&path), records(&folder.path().join("log.1")));
        assert_eq!(newest.last().unwrap(), "stdout F line 499");
        let next: usize = newest[0].rsplit(' ').next().unwrap().parse().unwrap();
        assert_eq!(older.last().unwrap(), &format!("stdout F line {}", next - 1), "nothing is lost between");
        for name in ["log", "log.1"] {
            let size = std::fs::metadata(folder.path().join(name)).unwrap().len();
            assert!(size <= 1000, "{name}: {size}");
        }
        // What was written by an earlier life counts.
        let mut log = LogWriter::new(path.clone(), options);
        log.write(Stream::Stdout, &[b'x'; 900]).unwrap();
        assert_eq!(records(&path).len(), 1);
        log.write(Stream::Stdout, &[b'y'; 5000]).unwrap();
        assert_eq!(records(&path).len(), 1, "a record is never cut");
    }

    #[test]
    fn cve_2026_53489_a_link_in_the_logs_place_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("log"), folder.path().join("host-file"));
        std::fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        let mut log = LogWriter::new(path, LogOptions::default());
        assert!(log.write(Stream::Stdout, b"x\n").is_err());
        assert_eq!(std::fs::read(&target).unwrap(), b"");
    }
}
