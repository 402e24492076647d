//! Questions as clients ask them, answers as servers give them.

use super::{CLASS_IN, Malformed, Name, Rcode, Reader, Record, kind};

/// Flags of the header.
const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;

/// Most records that are read of one section: no honest answer has more.
const MAX_RECORDS: usize = 512;

/// The first twelve octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The asker's number.
    pub id: u16,
    /// Flags and codes.
    pub flags: u16,
    questions: u16,
    answers: u16,
    authorities: u16,
    additional: u16,
}

impl Header {
    /// Reads it.
    ///
    /// # Errors
    /// [`Malformed::Short`]
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            id: reader.u16()?,
            flags: reader.u16()?,
            questions: reader.u16()?,
            answers: reader.u16()?,
            authorities: reader.u16()?,
            additional: reader.u16()?,
        })
    }

    /// Whether it is an answer.
    #[must_use]
    pub fn is_response(&self) -> bool {
        self.flags & RESPONSE != 0
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// About which name.
    pub name: Name,
    /// Which type.
    pub kind: u16,
    /// Which class.
    pub class: u16,
}

/// What an OPT record says (RFC 6891).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edns {
    /// Octets that the sender takes in one datagram.
    pub size: u16,
    /// The version.
    pub version: u8,
}

/// A client's question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The client's number.
    pub id: u16,
    /// Whether it asked for recursion: the answer says so too.
    pub recursion_desired: bool,
    /// What it asks.
    pub question: Question,
    /// The question's octets, with the client's case, which the answer repeats.
    pub echoed: Vec<u8>,
    /// What it says of EDNS.
    pub edns: Option<Edns>,
}

impl Query {
    /// Reads a question. What it may not hold (answers, updates, a second question) makes it none.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn read(packet: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(packet);
        let header = Header::read(&mut reader)?;
        if header.is_response() || header.flags & OPCODE != 0 {
            return Err(Malformed::NotAQuery);
        }
        if (header.questions, header.answers, header.authorities) != (1, 0, 0) {
            return Err(Malformed::Questions);
        }
        let (question, echoed) = read_question(&mut reader)?;
        let mut edns = None;
        for _ in 0..header.additional {
            read_additional(&mut reader, &mut edns)?;
        }
        if !reader.is_at_end() {
            return Err(Malformed::Trailing);
        }
        let recursion_desired = header.flags & RECURSION_DESIRED != 0;
        Ok(Self { id: header.id, recursion_desired, question, echoed, edns })
    }
}

fn read_question(reader: &mut Reader<'_>) -> Result<(Question, Vec<u8>), Malformed> {
    let start = reader.position();
    let name = reader.name()?;
    let question = Question { name, kind: reader.u16()?, class: reader.u16()? };
    let echoed = reader.since(start).to_vec();
    // A first name has nothing before it to point to but the header.
    if echoed.len() != question.name.wire().len() + 4 {
        return Err(Malformed::Pointer);
    }
    Ok((question, echoed))
}

/// Passes over a record of the additional section, but for OPT.
fn read_additional(reader: &mut Reader<'_>, edns: &mut Option<Edns>) -> Result<(), Malformed> {
    let owner = reader.name()?;
    let kind = reader.u16()?;
    let class = reader.u16()?;
    let ttl = reader.u32()?;
    let length = reader.u16()?;
    reader.bytes(usize::from(length))?;
    if kind == kind::OPT {
        if !owner.is_root() || edns.is_some() {
            return Err(Malformed::Edns);
        }
        let [_, version, _, _] = ttl.to_be_bytes();
        *edns = Some(Edns { size: class, version });
    }
    Ok(())
}

/// A server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The number of the question that it answers.
    pub id: u16,
    /// The question that it repeats.
    pub question: Question,
    /// That question's octets: their case is compared.
    pub echoed: Vec<u8>,
    /// Whether it was cut short.
    pub truncated: bool,
    /// What came of it.
    pub rcode: Rcode,
    /// The answer's records.
    pub answers: Vec<Record>,
    /// The records about who is responsible.
    pub authorities: Vec<Record>,
}

impl Reply {
    /// Reads an answer.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn read(packet: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(packet);
        let header = Header::read(&mut reader)?;
        if !header.is_response() || header.flags & OPCODE != 0 {
            return Err(Malformed::NotAQuery);
        }
        if header.questions != 1 {
            return Err(Malformed::Questions);
        }
        let (question, echoed) = read_question(&mut reader)?;
        let [_, low] = header.flags.to_be_bytes();
        let truncated = header.flags & TRUNCATED != 0;
        let mut reply = Self {
            id: header.id,
            question,
            echoed,
            truncated,
            rcode: Rcode::from_low_bits(low),
            answers: Vec::new(),
            authorities: Vec::new(),
        };
        // What a server cut off may end anywhere; it is asked again by TCP.
        if !truncated {
            reply.answers = read_records(&mut reader, header.answers)?;
            reply.authorities = read_records(&mut reader, header.authorities)?;
        }
        Ok(reply)
    }
}

fn read_records(reader: &mut Reader<'_>, count: u16) -> Result<Vec<Record>, Malformed> {
    let mut records = Vec::new();
    for _ in 0..count {
        records.extend(Record::read(reader)?);
        if records.len() > MAX_RECORDS {
            return Err(Malformed::Data);
        }
    }
    Ok(records)
}

impl Question {
    /// Whether it is about a record of the internet's class that can be asked for alone.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        let meta = kind::FIRST_META..=kind::LAST_META;
        self.class == CLASS_IN && self.kind != 0 && self.kind != kind::OPT && !meta.contains(&self.kind)
    }
}
