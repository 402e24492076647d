//! Reads a container's log: what it wrote, in the order of its writing, record by record, and what it goes on to write.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_names::{ContainerId, Timestamp};
use cofferdam_shim::{Lock, RunDir};
use rustix::fs::{Mode, OFlags};

use crate::error::{Error, Result};
use crate::log_record::parse;
use crate::log_tail::skip_to_tail;
use crate::options::{LogQuery, LogRecord};
use crate::paths::Paths;

/// How often a followed log is looked at: soon enough for a person.
const PAUSE: Duration = Duration::from_millis(100);

/// The records of a log, one after another. One is held at a time, however long the log is.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    run: RunDir,
    query: LogQuery,
    file: Option<BufReader<File>>,
    /// The files that follow, the oldest first.
    newer: VecDeque<File>,
    /// A line of which only the beginning has been written.
    incomplete: Vec<u8>,
    /// The shim has gone: what is there now is all.
    is_complete: bool,
    over: bool,
}

impl LogReader {
    pub(crate) fn open(paths: &Paths, id: &ContainerId, query: &LogQuery) -> Result<Self> {
        let path = paths.container(id).log();
        let failed = |source| Error::io("read", path.display(), source);
        let mut files = open_all(&path).map_err(failed)?;
        if let Some(tail) = query.tail {
            skip_to_tail(&mut files, query, tail).map_err(failed)?;
        }
        Ok(Self {
            run: paths.run_dir(id),
            query: query.clone(),
            file: None,
            newer: files,
            incomplete: Vec::new(),
            is_complete: false,
            over: false,
            path,
        })
    }

    /// The next record that has been written, if there is one.
    fn read_one(&mut self) -> std::io::Result<Option<LogRecord>> {
        loop {
            let Some(file) = &mut self.file else {
                let Some(next) = self.newer.pop_front() else { return Ok(None) };
                self.file = Some(BufReader::new(next));
                continue;
            };
            let read = file.read_until(b'\n', &mut self.incomplete)?;
            if self.incomplete.last() == Some(&b'\n') {
                let record = parse(&std::mem::take(&mut self.incomplete));
                if let Some(record) = record.filter(|record| self.is_wanted(record)) {
                    return Ok(Some(record));
                }
            } else if read == 0 {
                let Some(next) = self.newer.pop_front() else { return Ok(None) };
                self.file = Some(BufReader::new(next));
                self.incomplete.clear();
            }
        }
    }

    fn is_wanted(&self, record: &LogRecord) -> bool {
        self.query.since.is_none_or(|since| record.time >= since)
            && self.query.until.is_none_or(|until| record.time <= until)
    }

    /// Waits for the next records. The log is looked at once more after the shim has gone.
    fn wait(&mut self) -> std::io::Result<()> {
        let alive = Lock::is_held(&self.run)?;
        let past_end =
            self.query.until.is_some_and(|until| Timestamp::from(std::time::SystemTime::now()) > until);
        self.newer = self.files_since()?;
        if !self.newer.is_empty() {
            // What was written to the present one before the rotation is read first.
        } else if alive && !past_end {
            std::thread::sleep(PAUSE);
        } else {
            self.over = self.is_complete;
            self.is_complete = true;
        }
        Ok(())
    }

    /// The files that were begun after the one that is read.
    fn files_since(&self) -> std::io::Result<VecDeque<File>> {
        let Some(present) = &self.file else { return open_all(&self.path) };
        let present = present.get_ref().metadata()?.ino();
        if std::fs::metadata(&self.path).is_ok_and(|named| named.ino() == present) {
            return Ok(VecDeque::new());
        }
        let mut files = open_all(&self.path)?;
        for index in 0..files.len() {
            if files.get(index).is_some_and(|file| file.metadata().is_ok_and(|it| it.ino() == present)) {
                files.drain(..=index);
                break;
            }
        }
        Ok(files)
    }
}

impl Iterator for LogReader {
    type Item = Result<LogRecord>;
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let read = match self.read_one() {
                Ok(None) if self.over || !self.query.follow => return None,
                Ok(None) => self.wait().map(|()| None),
                other => other,
            };
            match read {
                Ok(None) => {}
                Ok(Some(record)) => return Some(Ok(record)),
                Err(source) => {
                    (self.over, self.file) = (true, None);
                    self.newer.clear();
                    return Some(Err(Error::io("read", self.path.display(), source)));
                }
            }
        }
    }
}

/// The files of a log, the oldest first. They are opened from the newest on: one that a rotation moves meanwhile is met a
/// second time, and left out then; none is missed.
fn open_all(path: &Path) -> std::io::Result<VecDeque<File>> {
    let mut files = VecDeque::new();
    let mut seen = Vec::new();
    for number in 0u32.. {
        let Some(file) = open_log(&numbered(path, number))? else {
            // In the middle of a rotation there is none in use.
            if number == 0 {
                continue;
            } else {
                break;
            };
        };
        let inode = file.metadata()?.ino();
        if !seen.contains(&inode) {
            seen.push(inode);
            files.push_front(file);
        }
    }
    Ok(files)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if number > 0 {
        name.push(format!(".{number}"));
    }
    name.into()
}

/// Opens a log file; none if there is none. A link in its place is an error (CVE-2026-53489).
fn open_log(path: &Path) -> std::io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()).map_err(std::io::Error::from) {
        Ok(file) => Ok(Some(File::from(file))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789ab";

    fn written(folder: &Path, files: &[&str]) -> Paths {
        let paths = Paths::below(folder);
        let log = paths.container(&ID.parse().unwrap()).log();
        std::fs::create_dir_all(log.parent().unwrap()).unwrap();
        for (number, text) in (0..).zip(files.iter().rev()) {
            std::fs::write(numbered(&log, number), text).unwrap();
        }
        paths
    }

    fn read(paths: &Paths, query: &LogQuery) -> Vec<String> {
        let reader = LogReader::open(paths, &ID.parse().unwrap(), query).unwrap();
        reader.map(|record| String::from_utf8(record.unwrap().bytes).unwrap()).collect()
    }

    fn tail(lines: usize) -> LogQuery {
        LogQuery { tail: Some(lines), ..LogQuery::default() }
    }

    fn line(number: usize, tag: char) -> String {
        format!("2026-11-23T12:00:{:02}.000000000Z stdout {tag} {number}\n", number % 60)
    }

    #[test]
    fn the_tail_goes_over_rotated_files_and_counts_lines() {
        let folder = tempfile::tempdir().unwrap();
        let oldest = line(1, 'F') + &line(2, 'P');
        let middle = line(3, 'F') + &line(4, 'F');
        let newest = line(5, 'P') + &line(6, 'P') + &line(7, 'F');
        let paths = written(folder.path(), &[&oldest, &middle, &newest]);
        assert_eq!(read(&paths, &LogQuery::default()), ["1\n", "2", "3\n", "4\n", "5", "6", "7\n"]);
        assert_eq!(read(&paths, &tail(1)), ["5", "6", "7\n"]);
        assert_eq!(read(&paths, &tail(3)), ["2", "3\n", "4\n", "5", "6", "7\n"]);
        assert_eq!(read(&paths, &tail(9)).len(), 7);
        assert!(read(&paths, &tail(0)).is_empty());
        let until = LogQuery { until: "2026-11-23T12:00:04Z".parse().ok(), ..tail(1) };
        assert_eq!(read(&paths, &until), ["4\n"]);
    }

    /// Four gigabytes that nobody wrote stand for what a container has printed: neither time nor memory may be spent on them.
    #[test]
    fn the_tail_is_read_from_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let paths = written(folder.path(), &[""]);
        let log = File::options().write(true).open(paths.container(&ID.parse().unwrap()).log()).unwrap();
        let text: String = (0..10).map(|number| line(number, 'F')).collect();
        log.write_all_at(format!("\n{text}").as_bytes(), 4 << 30).unwrap();
        let start = std::time::Instant::now();
        assert_eq!(read(&paths, &tail(2)), ["8\n", "9\n"]);
        assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    }

    #[test]
    fn a_followed_log_is_read_through_rotations() {
        let folder = tempfile::tempdir().unwrap();
        let paths = written(folder.path(), &[&line(1, 'F')]);
        let log = paths.container(&ID.parse().unwrap()).log();
        let query = LogQuery { follow: true, ..LogQuery::default() };
        let mut reader = LogReader::open(&paths, &ID.parse().unwrap(), &query).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().bytes, b"1\n");
        // Written and moved away twice before the reader looks again.
        File::options().append(true).open(&log).unwrap().write_all(line(2, 'F').as_bytes()).unwrap();
        std::fs::rename(&log, numbered(&log, 2)).unwrap();
        std::fs::write(numbered(&log, 1), line(3, 'F')).unwrap();
        std::fs::write(&log, line(4, 'F')).unwrap();
        let rest: Vec<_> = reader.map(|record| record.unwrap().bytes).collect();
        assert_eq!(rest, [b"2\n", b"3\n", b"4\n"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_tail_is_the_end_of_the_whole(sizes in proptest::collection::vec(0usize..30_000, 0..40), lines in 0usize..12) {
            let folder = tempfile::tempdir().unwrap();
            let text: String = sizes
                .iter()
                .map(|size| format!("2026-11-23T12:00:00.000000000Z stderr F {}\n", "x".repeat(*size)))
                .collect();
            let at = text.len() / 2;
            let cut = text[..at].rfind('\n').map_or(0, |at| at + 1);
            let paths = written(folder.path(), &[&text[..cut], &text[cut..]]);
            let whole = read(&paths, &LogQuery::default());
            prop_assert_eq!(whole.len(), sizes.len());
            let expected = &whole[whole.len().saturating_sub(lines)..];
            prop_assert_eq!(read(&paths, &tail(lines)), expected);
        }
    }
}
