//! Events: what happened, one JSON object per line of one file that all processes of the engine add to.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use cofferdam_names::Timestamp;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When.
    pub time: Timestamp,
    /// `container`, `image`, `zone`.
    pub kind: String,
    /// `create`, `start`, `die`, `oom`, `kill`, `stop`, `pause`, `destroy`, ... as Docker names them.
    pub action: String,
    /// The id or name of what it happened to.
    pub id: String,
    /// `name`, `image`, `exitCode`, `signal`, ... and the container's labels.
    pub attributes: BTreeMap<String, String>,
}

/// The size at which the file becomes `events.jsonl.1` (and that one goes).
const MOST_BYTES: u64 = 8 << 20;

impl Event {
    /// An event of now.
    #[must_use]
    pub fn now(kind: &str, action: &str, id: &str, attributes: BTreeMap<String, String>) -> Self {
        let time = Timestamp::from(SystemTime::now());
        Self { time, kind: kind.to_owned(), action: action.to_owned(), id: id.to_owned(), attributes }
    }

    /// Adds it to the file: one write, so that the lines of several processes do not mix.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn append(&self, path: &Path) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = std::fs::File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(&line)?;
        if rustix::fs::fstat(&file)?.st_size.unsigned_abs() > MOST_BYTES {
            let mut old = path.as_os_str().to_owned();
            old.push(".1");
            // Two processes may see the size at once: the second renames a file that is small again. What is lost are
            // old events, never those of the present.
            std::fs::rename(path, old)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        for action in ["create", "start"] {
            Event::now("container", action, "abc", BTreeMap::new()).append(&path).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let read: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read[1].action, "start");
        assert!(read[0].time <= read[1].time);
    }
}
