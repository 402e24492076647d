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

/// Events, one after another: those of all that happens, and denials, which have a file of their own so that what a container is denied
/// drives nothing else out.
#[derive(Debug)]
pub struct EventReader {
    tails: [Tail; 2],
    since: Timestamp,
    until: Option<Timestamp>,
    over: bool,
}

/// One file, from where it was read up to.
#[derive(Debug)]
struct Tail {
    path: PathBuf,
    file: Option<BufReader<File>>,
    line: Vec<u8>,
    /// What was read and is younger than what the other file has.
    ahead: Option<Event>,
}

impl Tail {
    /// From the file before this one on, if there is one and the past is asked for.
    fn open(path: PathBuf, past: bool) -> Result<Self> {
        let mut rotated = path.as_os_str().to_owned();
        rotated.push(".1");
        let first = if past { open_events(&PathBuf::from(rotated))? } else { None };
        let file = match first {
            Some(file) => Some(file),
            None => open_events(&path)?,
        };
        Ok(Self { path, file, line: Vec::new(), ahead: None })
    }

    /// Reads on, over what is older than asked for, if nothing is ahead.
    fn look_ahead(&mut self, since: Timestamp) -> Result<()> {
        while self.ahead.is_none() {
            let Some(event) = self.read_one()? else { return Ok(()) };
            self.ahead = (event.time >= since).then_some(event);
        }
        Ok(())
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

    /// Goes on to the file in use if this one is an older one.
    fn go_on(&mut self) -> Result<bool> {
        let open = self.file.as_ref().and_then(|file| file.get_ref().metadata().ok()).map(|data| data.ino());
        let named = std::fs::metadata(&self.path).ok().map(|data| data.ino());
        let is_other = named.is_some() && named != open;
        if is_other {
            self.file = open_events(&self.path)?;
            self.line.clear();
        }
        Ok(is_other)
    }
}

impl EventReader {
    pub(crate) fn open(paths: &Paths, query: &EventQuery) -> Result<Self> {
        let past = query.since.is_some();
        Ok(Self {
            tails: [Tail::open(paths.events(), past)?, Tail::open(paths.denials(), past)?],
            since: query.since.unwrap_or_else(|| Timestamp::from(SystemTime::now())),
            until: query.until,
            over: false,
        })
    }

    /// The oldest event that was not told yet.
    fn read_one(&mut self) -> Result<Option<Event>> {
        for tail in &mut self.tails {
            tail.look_ahead(self.since)?;
        }
        let with_events = self.tails.iter_mut().filter(|tail| tail.ahead.is_some());
        let first = with_events.min_by_key(|tail| tail.ahead.as_ref().map(|event| event.time));
        Ok(first.and_then(|tail| tail.ahead.take()))
    }

    /// Goes on to the files in use if these are older ones; otherwise waits, or ends.
    fn wait(&mut self) -> Result<()> {
        if self.until.is_some_and(|until| Timestamp::from(SystemTime::now()) > until) {
            self.over = true;
            return Ok(());
        }
        let mut found = false;
        for tail in &mut self.tails {
            found |= tail.go_on()?;
        }
        if !found {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn events_of_both_files_come_in_the_order_of_their_times() {
        let folder = tempfile::tempdir().unwrap();
        let [events, denials] = ["events", "denials"].map(|name| folder.path().join(name));
        for (place, file) in [&events, &denials, &denials, &events].into_iter().enumerate() {
            let event = Event::now("zone", &place.to_string(), "x", BTreeMap::new());
            event.append(file).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
        let tails = [events, denials].map(|path| Tail::open(path, true).unwrap());
        let until = Some(Timestamp::from(SystemTime::now()));
        let reader = EventReader { tails, since: Timestamp::from_unix(0, 0), until, over: false };
        let told: Vec<String> = reader.map(|event| event.unwrap().action).collect();
        assert_eq!(told, ["0", "1", "2", "3"]);
    }
}
