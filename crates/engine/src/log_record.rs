//! One record of a log: `TIME STREAM TAG CONTENT\n`, as the shim writes it.

use cofferdam_names::Timestamp;

use crate::options::LogRecord;

/// A record that has been taken apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) time: Timestamp,
    pub(crate) stderr: bool,
    pub(crate) partial: bool,
    content: &'a [u8],
}

/// Takes a record apart, which is given without its line end.
pub(crate) fn header(line: &[u8]) -> Option<Parts<'_>> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let stderr = parts.next()? == b"stderr";
    let partial = parts.next()? == b"P";
    Some(Parts { time, stderr, partial, content: parts.next()? })
}

/// Reads one record, which is given with its line end.
pub(crate) fn parse(line: &[u8]) -> Option<LogRecord> {
    let Parts { time, stderr, partial, content } = header(line.strip_suffix(b"\n").unwrap_or(line))?;
    let mut bytes = content.to_vec();
    if !partial {
        bytes.push(b'\n');
    }
    Some(LogRecord { time, stderr, partial, bytes })
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
}
