//! Where messages go: standard error for people, and the file of `--log` for the program that called.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use cofferdam_names::Timestamp;

/// Form of the log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `time="..." level=error msg="..."`
    Text,
    /// `{"level":"error","msg":"...","time":"..."}`: containerd and Docker look there for what went wrong.
    Json,
}

/// The log of one command.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) file: Option<PathBuf>,
    pub(super) format: Format,
    pub(super) debug: bool,
}

impl Log {
    /// What a person should know, though the command goes on.
    pub(super) fn warning(&self, message: &str) {
        self.write("warning", message);
    }

    /// What only a debugging person wants.
    pub(super) fn debug(&self, message: &str) {
        if self.debug {
            self.write("debug", message);
        }
    }

    /// Why the command failed: always on standard error too.
    pub(super) fn error(&self, message: &str) {
        if self.file.is_some() {
            self.write("error", message);
        }
        let _ = writeln!(std::io::stderr(), "{message}");
    }

    fn write(&self, level: &str, message: &str) {
        let time = Timestamp::from(SystemTime::now()).to_string();
        let line = match self.format {
            Format::Json => {
                let value = serde_json::json!({"level": level, "msg": message, "time": time});
                format!("{value}\n")
            }
            Format::Text => format!("time={time:?} level={level} msg={message:?}\n"),
        };
        match &self.file {
            None => {
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
            Some(path) => {
                // A log that cannot be written does not stop the command: its outcome is told by its exit status.
                if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
                    let _ = file.write_all(line.as_bytes());
                }
            }
        }
    }
}
