//! Reads a container's log, and waits for more of it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_names::{ContainerId, Timestamp};
use cofferdam_shim::{Lock, RunDir};
use rustix::fs::{Mode, OFlags};
use std::os::unix::fs::MetadataExt;

use crate::error::{Error, Result};
use crate::options::{LogQuery, LogRecord};
use crate::paths::Paths;

/// How often a followed log is looked at: soon enough for a person.
const PAUSE: Duration = Duration::from_millis(100);

/// The records of a log, one after another.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    run: RunDir,
    query: LogQuery,
    /// What was read for `--tail` and is still to be given.
    ready: VecDeque<LogRecord>,
    file: Option<BufReader<File>>,
    /// A line of which only the beginning has been written.
    incomplete: Vec<u8>,
    over: bool,
}

impl LogReader {
    pub(crate) fn open(paths: &Paths, id: &ContainerId, query: &LogQuery) -> Result<Self> {
        let path = paths.container(id).log();
        let mut reader = Self {
            run: paths.run_dir(id),
            query: query.clone(),
            ready: VecDeque::new(),
            file: None,
            incomplete: Vec::new(),
            over: false,
            path,
        };
        reader.read_past()?;
        Ok(reader)
    }

    /// Reads the rotated files from the oldest on, then the one in use as far as it goes.
    fn read_past(&mut self) -> Result<()> {
        let mut older: Vec<PathBuf> =
            (1u32..).map(|number| rotated(&self.path, number)).take_while(|path| path.exists()).collect();
        older.reverse();
        for path in older {
            self.file = open_log(&path).map_err(|source| Error::io("open", path.display(), source))?;
            self.take_written()?;
        }
        self.file = open_log(&self.path).map_err(|source| Error::io("open", self.path.display(), source))?;
        self.take_written()?;
        if let Some(tail) = self.query.tail {
            cut_to_tail(&mut self.ready, tail);
        }
        Ok(())
    }

    /// Reads what has been written since the last time.
    fn take_written(&mut self) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        loop {
            let read = file.read_until(b'\n', &mut self.incomplete);
            if read.map_err(|source| Error::io("read", self.path.display(), source))? == 0 {
                return Ok(());
            }
            if self.incomplete.last() != Some(&b'\n') {
                continue;
            }
            let line = std::mem::take(&mut self.incomplete);
            let Some(record) = parse(&line) else { continue };
            let in_time = self.query.since.is_none_or(|since| record.time >= since)
                && self.query.until.is_none_or(|until| record.time <= until);
            if in_time {
                self.ready.push_back(record);
            }
        }
    }

    /// Waits for the next records. The log is looked at once more after the shim has gone.
    fn wait(&mut self) -> Result<()> {
        let alive = Lock::is_held(&self.run)
            .map_err(|source| Error::io("look for the shim of", self.path.display(), source))?;
        let past_end =
            self.query.until.is_some_and(|until| Timestamp::from(std::time::SystemTime::now()) > until);
        if self.file.is_none() {
            self.file =
                open_log(&self.path).map_err(|source| Error::io("open", self.path.display(), source))?;
        }
        self.take_written()?;
        if self.ready.is_empty() {
            if !alive || past_end {
                self.over = true;
            } else if self.was_rotated() {
                self.file =
                    open_log(&self.path).map_err(|source| Error::io("open", self.path.display(), source))?;
            } else {
                std::thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    fn was_rotated(&mut self) -> bool {
        let Some(file) = &mut self.file else { return false };
        let (Ok(open), Ok(named)) = (file.get_ref().metadata(), std::fs::metadata(&self.path)) else {
            return false;
        };
        open.ino() != named.ino() || file.stream_position().is_ok_and(|position| position > named.len())
    }
}

impl Iterator for LogReader {
    type Item = Result<LogRecord>;
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some(Ok(record));
            }
            if self.over || !self.query.follow {
                return None;
            }
            if let Err(error) = self.wait() {
                self.over = true;
                return Some(Err(error));
            }
        }
    }
}

fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Opens a log file; none if nothing was written yet. A link in its place is an error (CVE-2026-53489).
fn open_log(path: &Path) -> std::io::Result<Option<BufReader<File>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()).map_err(std::io::Error::from) {
        Ok(file) => {
            let mut file = BufReader::new(File::from(file));
            file.seek(SeekFrom::Start(0))?;
            Ok(Some(file))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Keeps the last so many lines; a line that was cut into records counts once.
fn cut_to_tail(records: &mut VecDeque<LogRecord>, tail: usize) {
    let mut lines = 0;
    let mut keep = 0;
    for record in records.iter().rev() {
        if !record.partial {
            lines += 1;
        }
        if lines > tail {
            break;
        }
        keep += 1;
    }
    records.drain(..records.len() - keep);
}

/// Reads one record: `TIME STREAM TAG CONTENT\n`.
fn parse(line: &[u8]) -> Option<LogRecord> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let stderr = parts.next()? == b"stderr";
    let partial = parts.next()? == b"P";
    let content = parts.next()?;
    let content = if partial { content.strip_suffix(b"\n").unwrap_or(content) } else { content };
    Some(LogRecord { time, stderr, partial, bytes: content.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_its_bytes() {
        let record = parse(b"2026-11-23T12:00:00.000000001Z stderr F a b \xff\n").unwrap();
        assert!(record.stderr && !record.partial);
        assert_eq!(record.bytes, b"a b \xff\n");
        assert_eq!(parse(b"2026-11-23T12:00:00.000000001Z stdout P $ \n").unwrap().bytes, b"$ ");
        assert!(parse(b"nonsense\n").is_none());
    }

    #[test]
    fn the_tail_counts_lines_and_not_records() {
        let record =
            |partial| LogRecord { time: Timestamp::from_unix(0, 0), stderr: false, partial, bytes: vec![] };
        let mut records: VecDeque<_> = [false, true, false, true, true, false].map(record).into();
        cut_to_tail(&mut records, 2);
        assert_eq!(records.len(), 5);
        cut_to_tail(&mut records, 0);
        assert_eq!(records.len(), 0);
    }
}
