//! A client's question as far as its answer needs it.

use std::borrow::Cow;

use crate::cache::Entry;
use crate::wire::{Answering, DATAGRAM, Query, Rcode, Record, Writer};

/// The smallest datagram that everyone takes (RFC 1035).
const SMALL: u16 = 512;

/// What the answer repeats and keeps to.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    id: u16,
    recursion_desired: bool,
    echoed: Vec<u8>,
    edns: bool,
    limit: usize,
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Said<'e> {
    rcode: Rcode,
    answers: Cow<'e, [Record]>,
    authority: Option<&'e Record>,
    /// The lifetime of all of it; none to leave each record its own.
    ttl: Option<u32>,
    extended_error: Option<u16>,
}

impl<'e> Said<'e> {
    /// No records, only a code.
    pub(super) fn code(rcode: Rcode, extended_error: Option<u16>) -> Self {
        Self { rcode, answers: Cow::Borrowed(&[]), authority: None, ttl: None, extended_error }
    }

    /// Records of our own.
    pub(super) fn here(rcode: Rcode, records: Vec<Record>, extended_error: Option<u16>) -> Self {
        Self { rcode, answers: Cow::Owned(records), authority: None, ttl: None, extended_error }
    }

    /// What is kept, for as long as it may be kept still.
    pub(super) fn kept(entry: &'e Entry, now: u64) -> Self {
        Self {
            rcode: entry.rcode,
            answers: Cow::Borrowed(&entry.answers),
            authority: entry.authority.as_ref(),
            ttl: Some(entry.ttl(now)),
            extended_error: None,
        }
    }
}

impl Asked {
    pub(super) fn new(query: &Query, stream: bool) -> Self {
        let size = query.edns.map_or(SMALL, |edns| edns.size.clamp(SMALL, DATAGRAM));
        Self {
            id: query.id,
            recursion_desired: query.recursion_desired,
            echoed: query.echoed.clone(),
            edns: query.edns.is_some(),
            limit: if stream { usize::from(u16::MAX) } else { usize::from(size) },
        }
    }

    /// The answer to what could not be read, where it has a number.
    pub(super) fn unreadable(packet: &[u8]) -> Option<Vec<u8>> {
        let id = u16::from_be_bytes(*packet.first_chunk::<2>()?);
        let to = Answering { id, recursion_desired: false, rcode: Rcode::FormErr };
        Some(Writer::answer(to, &[], usize::from(SMALL)).finish(None, None))
    }

    /// The whole answer.
    pub(super) fn reply(&self, said: &Said<'_>) -> Vec<u8> {
        let to = Answering { id: self.id, recursion_desired: self.recursion_desired, rcode: said.rcode };
        let mut writer = Writer::answer(to, &self.echoed, self.limit);
        let ttl = |record: &Record| said.ttl.unwrap_or(record.ttl);
        writer.answers(said.answers.iter().map(|record| (record, ttl(record))));
        if let Some(authority) = said.authority {
            writer.authority(authority, ttl(authority));
        }
        writer.finish(self.edns.then_some(said.rcode), said.extended_error)
    }
}
