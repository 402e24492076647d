//! Writes messages: names compressed, nothing longer than its limit.

use super::{CLASS_IN, Name, Rcode, Record, kind};

/// Octets of a header.
const HEADER: usize = 12;
/// An OPT record without options.
const OPT_LENGTH: usize = 11;
/// The size of datagrams that pass everywhere without fragments (DNS flag day 2020).
pub const DATAGRAM: u16 = 1232;
/// Extended errors (RFC 8914), option 15 of OPT.
const EXTENDED_ERROR: u16 = 15;

/// A message that is being written.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    limit: usize,
    /// Ends of names that were written, with where they start.
    ends: Vec<(usize, Box<[u8]>)>,
    answers: u16,
    authorities: u16,
}

/// The header of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Answering {
    /// The client's number.
    pub id: u16,
    /// Whether it asked for recursion.
    pub recursion_desired: bool,
    /// What came of it.
    pub rcode: Rcode,
}

impl Writer {
    /// An answer to a question with these octets, of at most `limit` octets.
    #[must_use]
    pub fn answer(to: Answering, echoed: &[u8], limit: usize) -> Self {
        let [_, low] = (to.rcode.bits() & 0xF).to_be_bytes();
        // An answer; recursion is available.
        let first = 0x80 | u8::from(to.recursion_desired);
        let mut writer = Self::begin(to.id, [first, 0x80 | low], limit);
        writer.question(echoed);
        writer
    }

    /// A question, with these octets (which have the case that the answer must repeat), and an OPT record.
    #[must_use]
    pub fn query(id: u16, echoed: &[u8]) -> Vec<u8> {
        let mut writer = Self::begin(id, [0x01, 0], usize::from(DATAGRAM));
        writer.question(echoed);
        writer.finish(Some(Rcode::NoError), None)
    }

    fn begin(id: u16, flags: [u8; 2], limit: usize) -> Self {
        let mut bytes = Vec::with_capacity(limit.min(512));
        bytes.extend(id.to_be_bytes());
        bytes.extend(flags);
        bytes.resize(HEADER, 0);
        Self { bytes, limit, ends: Vec::new(), answers: 0, authorities: 0 }
    }

    fn question(&mut self, echoed: &[u8]) {
        if echoed.is_empty() {
            return;
        }
        self.bytes[5] = 1;
        if let Some(name) = echoed.len().checked_sub(4).and_then(|end| echoed.get(..end)) {
            self.remember(HEADER, &name.to_ascii_lowercase());
        }
        self.bytes.extend(echoed);
    }

    /// Keeps where the ends of a name are; pointers have 14 bits.
    fn remember(&mut self, start: usize, wire: &[u8]) {
        let mut from = 0;
        while let Some(length) = wire.get(from).copied().filter(|length| *length > 0) {
            if start + from > 0x3FFF || self.ends.len() >= 64 {
                return;
            }
            self.ends.push((start + from, wire.get(from..).unwrap_or_default().into()));
            from += usize::from(length) + 1;
        }
    }

    fn name(&mut self, name: &Name) {
        let wire = name.wire();
        let mut from = 0;
        while let Some(length) = wire.get(from).copied().filter(|length| *length > 0) {
            let rest = wire.get(from..).unwrap_or_default();
            let known = self.ends.iter().find(|(_, end)| **end == *rest).map(|(at, _)| *at);
            if let Some(at) = known.and_then(|at| u16::try_from(at).ok()) {
                let start = self.bytes.len();
                self.bytes.extend(wire.get(..from).unwrap_or_default());
                self.bytes.extend((0xC000 | at).to_be_bytes());
                if from > 0 {
                    // Its own ends are new where they begin before the pointer.
                    self.remember_before(start, wire, from);
                }
                return;
            }
            from += usize::from(length) + 1;
        }
        let start = self.bytes.len();
        self.bytes.extend(wire);
        self.remember(start, wire);
    }

    fn remember_before(&mut self, start: usize, wire: &[u8], until: usize) {
        let mut from = 0;
        while from < until && start + from <= 0x3FFF && self.ends.len() < 64 {
            self.ends.push((start + from, wire.get(from..).unwrap_or_default().into()));
            from += wire.get(from).map_or(until, |length| usize::from(*length) + 1);
        }
    }

    /// Adds a record, with its remaining lifetime. False where it does not fit: then nothing of it is there.
    fn record(&mut self, record: &Record, ttl: u32) -> bool {
        let start = self.bytes.len();
        let ends = self.ends.len();
        self.name(&record.owner);
        self.bytes.extend(record.kind.to_be_bytes());
        self.bytes.extend(CLASS_IN.to_be_bytes());
        self.bytes.extend(ttl.to_be_bytes());
        // Names in data stay whole: readers that don't know a type can't follow pointers in it.
        let Ok(length) = u16::try_from(record.data.len()) else { return self.undo(start, ends) };
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(&*record.data);
        if self.bytes.len() + OPT_LENGTH + 6 > self.limit { self.undo(start, ends) } else { true }
    }

    fn undo(&mut self, bytes: usize, ends: usize) -> bool {
        self.bytes.truncate(bytes);
        self.ends.truncate(ends);
        false
    }

    /// Adds the answer's records. Where they do not fit the message is cut: it has none of them, and says so.
    pub fn answers<'r>(&mut self, records: impl Iterator<Item = (&'r Record, u32)>) {
        let (start, ends) = (self.bytes.len(), self.ends.len());
        for (record, ttl) in records {
            if !self.record(record, ttl) {
                self.undo(start, ends);
                self.answers = 0;
                self.bytes[2] |= 0x02;
                return;
            }
            self.answers += 1;
        }
    }

    /// Adds the record of who is responsible, if there is room.
    pub fn authority(&mut self, record: &Record, ttl: u32) {
        if self.record(record, ttl) {
            self.authorities += 1;
        }
    }

    /// The message, with an OPT record if the asker had one: it carries the upper bits of `edns` and an extended error.
    #[must_use]
    pub fn finish(mut self, edns: Option<Rcode>, extended_error: Option<u16>) -> Vec<u8> {
        self.bytes[6..8].copy_from_slice(&self.answers.to_be_bytes());
        self.bytes[8..10].copy_from_slice(&self.authorities.to_be_bytes());
        if let Some(rcode) = edns {
            self.bytes[11] = 1;
            self.bytes.push(0);
            self.bytes.extend(kind::OPT.to_be_bytes());
            self.bytes.extend(DATAGRAM.to_be_bytes());
            let [high, low] = (rcode.bits() >> 4).to_be_bytes();
            debug_assert_eq!(high, 0, "a code has twelve bits");
            self.bytes.extend([low, 0, 0, 0]);
            match extended_error {
                None => self.bytes.extend([0, 0]),
                Some(code) => {
                    self.bytes.extend(6_u16.to_be_bytes());
                    self.bytes.extend(EXTENDED_ERROR.to_be_bytes());
                    self.bytes.extend(2_u16.to_be_bytes());
                    self.bytes.extend(code.to_be_bytes());
                }
            }
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Query, Question, Reply};
    use super::*;

    fn echoed(name: &Name, kind: u16) -> Vec<u8> {
        [name.wire(), &kind.to_be_bytes(), &CLASS_IN.to_be_bytes()].concat()
    }

    fn any_name() -> impl Strategy<Value = Name> {
        proptest::collection::vec("[a-z0-9]{1,9}", 0..5).prop_map(|labels| {
            if labels.is_empty() { Name::root() } else { labels.join(".").parse().unwrap() }
        })
    }

    proptest! {
        #[test]
        fn an_answer_is_read_back(
            asked in any_name(),
            records in proptest::collection::vec((any_name(), any_name(), 0_u32..9999, any::<bool>()), 0..12),
            id: u16,
        ) {
            let records: Vec<Record> = records
                .into_iter()
                .map(|(owner, target, ttl, alias)| if alias {
                    Record { owner, kind: kind::CNAME, ttl, data: target.wire().into() }
                } else {
                    Record::address_of(owner, [192, 0, 2, 1].into(), ttl)
                })
                .collect();
            let to = Answering { id, recursion_desired: true, rcode: Rcode::NoError };
            let mut writer = Writer::answer(to, &echoed(&asked, kind::A), 4096);
            writer.answers(records.iter().map(|record| (record, record.ttl)));
            let reply = Reply::read(&writer.finish(Some(Rcode::NoError), Some(15))).unwrap();
            prop_assert_eq!(reply.id, id);
            prop_assert_eq!(&reply.question, &Question { name: asked, kind: kind::A, class: CLASS_IN });
            prop_assert_eq!(&reply.answers, &records);
            prop_assert!(!reply.truncated);
        }

        #[test]
        fn any_bytes_end_in_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = (Query::read(&bytes), Reply::read(&bytes));
        }

        #[test]
        fn a_changed_answer_ends_in_a_message_or_an_error(at in 0_usize..200, value: u8, cut in 0_usize..200) {
            let name: Name = "www.example.org".parse().unwrap();
            let to = Answering { id: 7, recursion_desired: true, rcode: Rcode::NoError };
            let mut writer = Writer::answer(to, &echoed(&name, kind::A), 512);
            let alias = Record { owner: name.clone(), kind: kind::CNAME, ttl: 5, data: name.wire().into() };
            let address = Record::address_of(name.clone(), [192, 0, 2, 1].into(), 5);
            writer.answers([(&alias, 5), (&address, 5)].into_iter());
            let mut bytes = writer.finish(Some(Rcode::NoError), None);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            bytes.truncate(cut.max(20));
            let _ = (Query::read(&bytes), Reply::read(&bytes));
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_and_said_so() {
        let name: Name = "a.example".parse().unwrap();
        let records: Vec<Record> =
            (0..60).map(|n| Record::address_of(name.clone(), [192, 0, 2, n].into(), 5)).collect();
        let to = Answering { id: 1, recursion_desired: false, rcode: Rcode::NoError };
        let mut writer = Writer::answer(to, &echoed(&name, kind::A), 512);
        writer.answers(records.iter().map(|record| (record, 5)));
        let bytes = writer.finish(None, None);
        assert!(bytes.len() <= 512);
        let reply = Reply::read(&bytes).unwrap();
        assert!(reply.truncated && reply.answers.is_empty());
    }

    #[test]
    fn a_question_is_read_back() {
        let name: Name = "a.example".parse().unwrap();
        let query = Query::read(&Writer::query(9, &echoed(&name, kind::AAAA))).unwrap();
        assert_eq!((query.id, query.question.name, query.question.kind), (9, name, kind::AAAA));
        assert_eq!(query.edns.map(|edns| (edns.size, edns.version)), Some((1232, 0)));
    }
}
