//! Where the last lines of a log begin. Found from its end: how much a container has printed before costs nothing.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use crate::log_record::header;
use crate::options::LogQuery;

/// Bytes that are looked at at a time; more than any record has.
const BLOCK: u64 = 64 * 1024;

/// Puts the files, the oldest first, to where the last lines of the query begin, and takes away those that have none of
/// them.
pub(crate) fn skip_to_tail(files: &mut VecDeque<File>, query: &LogQuery, wanted: usize) -> io::Result<()> {
    let mut tail = Tail { query, wanted, lines: 0, is_last: true };
    for index in (0..files.len()).rev() {
        let Some(file) = files.get_mut(index) else { break };
        if let Some(begin) = tail.search(file)? {
            file.seek(SeekFrom::Start(begin))?;
            files.drain(..index);
            break;
        }
    }
    Ok(())
}

/// The lines that were seen so far, from the end on.
struct Tail<'a> {
    query: &'a LogQuery,
    wanted: usize,
    lines: usize,
    /// The next record is the last of all.
    is_last: bool,
}

impl Tail<'_> {
    /// Where in the file the wanted lines begin; none if all of it is wanted, and maybe more.
    fn search(&mut self, file: &File) -> io::Result<Option<u64>> {
        let mut end = file.metadata()?.len();
        // The end of a line whose beginning has not been read yet.
        let mut cut = Vec::new();
        while end > 0 {
            let begin = end.saturating_sub(BLOCK);
            let mut block = vec![0; usize::try_from(end - begin).unwrap_or_default()];
            file.read_exact_at(&mut block, begin)?;
            block.append(&mut cut);
            let mut rest = block.as_slice();
            while let Some(line_begin) = line_begin(rest).filter(|at| *at > 0) {
                let (before, line) = rest.split_at(line_begin);
                if self.is_too_much(line) {
                    return Ok(Some(begin.saturating_add(u64::try_from(rest.len()).unwrap_or_default())));
                }
                rest = before;
            }
            cut = rest.to_vec();
            end = begin;
        }
        Ok(self.is_too_much(&cut).then_some(u64::try_from(cut.len()).unwrap_or_default()))
    }

    /// Whether the wanted lines begin after this record. A line that was cut into records counts once.
    fn is_too_much(&mut self, record: &[u8]) -> bool {
        // What is being written is given when it is whole.
        let Some(record) = record.strip_suffix(b"\n").and_then(header) else { return false };
        if self.query.since.is_some_and(|since| record.time < since) {
            return true;
        }
        if self.query.until.is_some_and(|until| record.time > until) {
            return false;
        }
        // A line without an end, at the end, is one as well.
        if !record.partial || self.is_last {
            self.lines = self.lines.saturating_add(1);
        }
        self.is_last = false;
        self.lines > self.wanted
    }
}

/// Where the last line of a text begins.
fn line_begin(text: &[u8]) -> Option<usize> {
    let (_, before) = text.split_last()?;
    Some(before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1))
}
