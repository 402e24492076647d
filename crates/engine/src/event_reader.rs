//! Reads events, and waits for more.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use cofferdam_names::Timestamp;

use crate::error::{Error, Result};
use crate::options::{Event, EventQuery};
use crate::paths::Paths;

/// How often the file is looked at: soon enough for a person.
const PAUSE: Duration = Duration::from_millis(100);

/// Events, one after another.
#[derive(Debug)]
pub struct EventReader {
    path: PathBuf,
    since: Timestamp,
    until: Option<Timestamp>,
    file: Option<BufReader<File>>,
    line: Vec<u8>,
    over: bool,
}

impl EventReader {
    pub(crate) fn open(paths: &Paths, query: &EventQuery) -> Result<Self> {
        let path = paths.events();
        let mut rotated = path.as_os_str().to_owned();
        rotated.push(".1");
        // The past begins in the file before this one, if there is one.
        let first = if query.since.is_some() { open_events(&PathBuf::from(rotated))? } else { None };
        let file = match first {
            Some(file) => Some(file),
            None => open_events(&path)?,
        };
        Ok(Self {
            path,
            since: query.since.unwrap_or_else(|| Timestamp::from(SystemTime::now())),
            until: query.until,
            file,
            line: Vec::new(),
            over: false,
        })
    }

    fn read_one(&mut self) -> Result<Option<Event>> {
        let Some(file) = &mut self.file else { return Ok(None) };
        file.read_until(b'\n', &mut self.line)
            .map_err(|source| Error::io("read", self.path.display(), source))?;
        if self.line.last() != Some(&b'\n') {
            return Ok(None);
        }
        let line = std::mem::take(&mut self.line);
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(|error| Error::io("understand", self.path.display(), error.into()))
    }

    /// Goes on to the file in use if this one is an older one; otherwise waits, or ends.
    fn wait(&mut self) -> Result<()> {
        if self.until.is_some_and(|until| Timestamp::from(SystemTime::now()) > until) {
            self.over = true;
            return Ok(());
        }
        let open = self.file.as_ref().and_then(|file| file.get_ref().metadata().ok()).map(|data| data.ino());
        let named = std::fs::metadata(&self.path).ok().map(|data| data.ino());
        if named.is_some() && named != open {
            self.file = open_events(&self.path)?;
            self.line.clear();
        } else {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

fn open_events(path: &PathBuf) -> Result<Option<BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::new(file))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::io("open", path.display(), source)),
    }
}

impl Iterator for EventReader {
    type Item = Result<Event>;
    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            match self.read_one() {
                Ok(Some(event)) if event.time < self.since => {}
                Ok(Some(event)) if self.until.is_some_and(|until| event.time > until) => self.over = true,
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => {
                    if let Err(error) = self.wait() {
                        self.over = true;
                        return Some(Err(error));
                    }
                }
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
