//! The table as the kernel has it: changed in transactions, read object by object.

use std::io;

use cofferdam_kernel::netlink::{DUMP, Family, Socket, attribute, attributes};

use super::Expr;
use super::expression::{Verdict, read_all};
use super::object::{Data, Element, Message, Operation, SUBSYSTEM};

/// `struct nfgenmsg`
const PART: usize = 4;

/// One table of the caller's network namespace.
#[derive(Debug)]
pub(crate) struct Tables {
    socket: Socket,
    table: &'static str,
}

/// What is not there, for a question about one thing.
fn absent<T>(error: io::Error) -> io::Result<Option<T>> {
    if error.raw_os_error() == Some(2) { Ok(None) } else { Err(error) }
}

impl Tables {
    pub(crate) fn open(table: &'static str) -> io::Result<Self> {
        Ok(Self { socket: Socket::open(Family::Netfilter)?, table })
    }

    /// The socket, for other parts of nfnetlink. Closing one waits until the kernel has given back what any transaction took away.
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Does all of it or nothing. A failure names the operation that failed.
    pub(crate) fn transact(&self, operations: &[Operation]) -> Result<(), (Option<Operation>, io::Error)> {
        let requests = operations.iter().zip(1..).map(|(operation, id)| operation.request(self.table, id));
        self.socket
            .transact(SUBSYSTEM, requests.collect())
            .map_err(|(place, error)| (place.and_then(|place| operations.get(place).cloned()), error))
    }

    /// What is kept with the table; none without a table.
    pub(crate) fn note(&self) -> io::Result<Option<Vec<u8>>> {
        let request = Message::GetTable.about(0, self.table);
        let note = self.socket.ask(&request, |message| {
            (message.kind == Message::NewTable.kind())
                .then(|| attribute(message.after(PART), 6).unwrap_or_default().to_vec())
        });
        note.map(|found| found.into_iter().next()).or_else(absent)
    }

    /// Whether a chain is there.
    pub(crate) fn has_chain(&self, chain: &str) -> io::Result<bool> {
        let request = Message::GetChain.about(0, self.table).with(|attributes| {
            attributes.text(3, chain);
        });
        let found =
            self.socket.ask(&request, |message| (message.kind == Message::NewChain.kind()).then_some(()));
        found.map(|found| !found.is_empty()).or_else(|error| absent(error).map(|none| none.unwrap_or(false)))
    }

    /// The rules of a chain, in order; a rule that has something of which we use nothing is none.
    pub(crate) fn rules(&self, chain: &str) -> io::Result<Vec<Option<Vec<Expr>>>> {
        let request = Message::GetRule.about(DUMP, self.table).with(|attributes| {
            attributes.text(2, chain);
        });
        let rules = self.socket.ask(&request, |message| {
            let after = message.after(PART);
            // Kernels before the filter was understood give all rules of the table.
            let of = attribute(after, 2)?;
            let ours = of.strip_suffix(b"\0").unwrap_or(of) == chain.as_bytes();
            (ours && message.kind == Message::NewRule.kind())
                .then(|| read_all(attribute(after, 4).unwrap_or_default()))
        });
        rules.or_else(|error| absent(error).map(|none| none.unwrap_or_default()))
    }

    /// What the kernel has for an element's key; none where it has not got the key.
    pub(crate) fn element(&self, element: &Element) -> io::Result<Option<Data>> {
        let wanted = Element { data: Data::None, timeout: None, ..element.clone() };
        let request = Message::GetElement.about(0, self.table).with(|attributes| {
            attributes.text(2, &element.set).nest(3, |list| wanted.write(list));
        });
        let found =
            self.socket.ask(&request, |message| parse_elements(message.after(PART)).into_iter().next());
        match found {
            Ok(found) => Ok(found.into_iter().next().map(|(_, data)| data)),
            Err(error) => absent(error),
        }
    }

    /// Whether a set has no element; true without the set.
    pub(crate) fn is_empty(&self, set: &str) -> io::Result<bool> {
        let request = Message::GetElement.about(DUMP, self.table).with(|attributes| {
            attributes.text(2, set);
        });
        // A dump of an empty set has one message, without elements; that of a large one is left after its first.
        let any = self.socket.any(&request, |message| {
            attribute(message.after(PART), 3).is_some_and(|elements| !elements.is_empty())
        });
        any.map(|any| !any).or_else(|error| absent(error).map(|none: Option<bool>| none.unwrap_or(true)))
    }
}

fn parse_elements(after: &[u8]) -> Vec<(Vec<u8>, Data)> {
    let element = |element: &[u8]| {
        let key = attribute(attribute(element, 1)?, 1)?.to_vec();
        let data = match attribute(element, 2) {
            None => Data::None,
            Some(data) => match attribute(data, 1) {
                Some(value) => Data::Value(value.to_vec()),
                None => Data::Verdict(Verdict::read(data)?),
            },
        };
        Some((key, data))
    };
    attributes(attribute(after, 3).unwrap_or_default()).filter_map(|(_, bytes)| element(bytes)).collect()
}
