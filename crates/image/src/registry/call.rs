//! One request and its answer, with what a server may make of it: redirects and failures that pass.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};

use ureq::http::{HeaderMap, Method};
use ureq::{Body, BodyReader};

use super::RegistryError;
use super::error::cleaned;
use super::settings::Patience;
use super::steady::Steady;
use super::url::Url;

/// The most bytes of an error's text that are read.
const MOST_ERROR: u64 = 64 << 10;

/// The longest that a server may make the client wait before it tries again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A request. It can be sent again: its payload is not used up.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// The rights that it needs: `repository:NAME:pull`.
    pub(crate) scopes: Vec<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) payload: Payload<'a>,
    /// Whether it is sent again when it fails for no reason of its own.
    pub(crate) again: bool,
}

/// What goes with a request.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    None,
    Bytes(&'a [u8]),
    /// A part of a file.
    Part {
        file: &'a File,
        offset: u64,
        length: u64,
        sent: &'a dyn Fn(u64),
    },
}

impl<'a> Call<'a> {
    pub(crate) fn get(url: Url, scopes: &[String]) -> Self {
        Self::new(Method::GET, url, scopes)
    }

    pub(crate) fn new(method: Method, url: Url, scopes: &[String]) -> Self {
        let (headers, payload) = (Vec::new(), Payload::None);
        Self { method, url, scopes: scopes.to_vec(), headers, payload, again: true }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn payload(self, payload: Payload<'a>) -> Self {
        Self { payload, ..self }
    }
}

impl Payload<'_> {
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Part { length, .. } => Some(*length),
        }
    }

    /// A reader from its beginning.
    pub(crate) fn reader(&self) -> PayloadReader<'_> {
        match *self {
            Self::None => PayloadReader::Bytes(&[]),
            Self::Bytes(bytes) => PayloadReader::Bytes(bytes),
            Self::Part { file, offset, length, sent } => {
                PayloadReader::Part { file, offset, end: offset.saturating_add(length), sent }
            }
        }
    }
}

/// Reads a payload.
pub(crate) enum PayloadReader<'a> {
    Bytes(&'a [u8]),
    Part { file: &'a File, offset: u64, end: u64, sent: &'a dyn Fn(u64) },
}

impl Read for PayloadReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Bytes(bytes) => bytes.read(buffer),
            Self::Part { file, offset, end, sent } => {
                let left =
                    usize::try_from(end.saturating_sub(*offset)).unwrap_or(usize::MAX).min(buffer.len());
                let count = file.read_at(buffer.get_mut(..left).unwrap_or_default(), *offset)?;
                *offset += count as u64;
                sent(*offset);
                Ok(count)
            }
        }
    }
}

/// An answer, whatever its status.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Who answered in the end.
    pub(crate) url: Url,
    pub(crate) body: Steady<BodyReader<'static>>,
}

impl Answer {
    /// `patience` is how long a body may come too slowly.
    pub(crate) fn new(url: Url, response: ureq::http::Response<Body>, patience: Duration) -> Self {
        let (parts, body) = response.into_parts();
        let body = Steady::new(body.into_reader(), patience);
        Self { status: parts.status.as_u16(), headers: parts.headers, url, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// The whole body, up to a limit; none if there is more.
    pub(crate) fn read(self, most: u64) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        self.body.take(most + 1).read_to_end(&mut bytes)?;
        Ok((bytes.len() as u64 <= most).then_some(bytes))
    }

    /// Reads what is left of a small body, so that the connection can be used again.
    pub(crate) fn finish(self) {
        let _ = io::copy(&mut self.body.take(MOST_ERROR), &mut io::sink());
    }

    /// Where it leads to, if it is a redirect.
    pub(crate) fn location(&self) -> Option<Result<Url, String>> {
        if !matches!(self.status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        Some(
            self.header("location")
                .and_then(|location| self.url.join(location))
                .ok_or_else(|| "it sends somewhere else and gives no address that could be used".to_owned()),
        )
    }

    /// The error that this answer means. `what` is what was wanted, in words.
    pub(crate) fn into_error(self, host: &str, what: &str, anonymous: bool) -> RegistryError {
        let (status, host, what) = (self.status, host.to_owned(), what.to_owned());
        let text = self.error_text();
        match status {
            401 | 403 => RegistryError::Denied { host, what, anonymous, text },
            404 => RegistryError::NotFound { host, what, text },
            _ => RegistryError::Status { host, operation: format!("for {what}"), status, text },
        }
    }

    /// What a failed answer says (distribution-spec, "Error Codes"); nothing where it says no such thing.
    fn error_text(self) -> String {
        let mut bytes = Vec::new();
        let _ = self.body.take(MOST_ERROR).read_to_end(&mut bytes);
        let list: cofferdam_wire_oci::distribution::ErrorList =
            serde_json::from_slice(&bytes).unwrap_or_default();
        let said = |entry: &cofferdam_wire_oci::distribution::ErrorEntry| {
            if entry.message.is_empty() { entry.code.clone() } else { entry.message.clone() }
        };
        cleaned(&list.errors.iter().map(said).collect::<Vec<_>>().join("; "))
    }
}

/// The pauses between tries.
pub(crate) struct Pauses {
    patience: Patience,
    taken: u32,
}

impl Pauses {
    pub(crate) fn new(patience: Patience) -> Self {
        Self { patience, taken: 0 }
    }

    /// The pause before the next try; none if there were enough.
    pub(crate) fn next(&mut self) -> Option<Duration> {
        if self.taken >= self.patience.retries {
            return None;
        }
        let pause = self.patience.delay.saturating_mul(1 << self.taken.min(16)).min(LONGEST_WAIT);
        self.taken += 1;
        // Up to a quarter more, so that many clients do not come back at once.
        let nanos =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
        Some(pause + pause.mul_f64(f64::from(nanos % 1000) / 4000.0))
    }

    /// Begins anew: there was progress.
    pub(crate) fn restart(&mut self) {
        self.taken = 0;
    }

    pub(crate) fn taken(&self) -> u32 {
        self.taken
    }
}

/// How long an answer says to wait (RFC 9110, 10.2.3), as far as it says so in seconds.
pub(crate) fn retry_after(answer: &Answer, host: &str) -> Result<Option<Duration>, RegistryError> {
    let seconds = answer.header("retry-after").and_then(|text| text.trim().parse::<u64>().ok());
    match seconds {
        Some(seconds) if seconds > LONGEST_WAIT.as_secs() => {
            Err(RegistryError::Later { host: host.to_owned(), seconds })
        }
        seconds => Ok(seconds.map(Duration::from_secs)),
    }
}

/// Whether a status means that the same request may succeed in a moment.
pub(crate) fn is_passing_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// Whether a failure of the connection may pass. One that never stood is no such failure: the name may be wrong.
pub(crate) fn is_passing(error: &ureq::Error, stood_before: bool) -> bool {
    match error {
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => false,
            io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable => stood_before,
            _ => true,
        },
        ureq::Error::Timeout(timeout) => stood_before || *timeout != ureq::Timeout::Connect,
        ureq::Error::Protocol(_) | ureq::Error::ConnectionFailed => stood_before,
        _ => false,
    }
}
