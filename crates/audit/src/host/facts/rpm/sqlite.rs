//! The rows of one table of a SQLite database, by the file format that sqlite.org documents ("Database File Format").
//!
//! Read here, not by SQLite: the file may be a hostile tree's, and nothing in it should be executed (a view, a trigger, a schema).
//! Only table b-trees are read; every page is read at most once, so a circle ends.

use std::collections::BTreeSet;

/// More columns than this are not looked at.
const MOST_COLUMNS: usize = 64;
/// The header before the first page's b-tree.
const FILE_HEADER: usize = 100;
const INTERIOR: u8 = 0x05;
const LEAF: u8 = 0x0d;

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// NULL, a number with a fraction, or a constant.
    Other,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A database in memory.
pub(super) struct Database<'a> {
    bytes: &'a [u8],
    page_size: usize,
    /// A page without what is reserved at its end.
    usable: usize,
}

/// What is wrong with a database.
type Damaged = &'static str;

fn number(bytes: &[u8], at: usize, length: usize) -> Result<u64, Damaged> {
    let end = at.checked_add(length).ok_or("a number ends outside of it")?;
    let bytes = bytes.get(at..end).ok_or("a number ends outside of it")?;
    Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn length(bytes: &[u8], at: usize, size: usize) -> Result<usize, Damaged> {
    usize::try_from(number(bytes, at, size)?).map_err(|_| "a length is too large")
}

/// A number of one to nine bytes, and how many it took.
fn variable(bytes: &[u8], at: usize) -> Result<(u64, usize), Damaged> {
    let mut value = 0u64;
    for index in 0..9 {
        let byte = u64::from(*bytes.get(at + index).ok_or("a number ends outside of it")?);
        if index == 8 {
            return Ok((value << 8 | byte, 9));
        }
        value = value << 7 | byte & 0x7f;
        if byte & 0x80 == 0 {
            return Ok((value, index + 1));
        }
    }
    Err("a number has no end")
}

impl<'a> Database<'a> {
    /// Looks at the header.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Damaged> {
        if !bytes.starts_with(b"SQLite format 3\0") {
            return Err("it is no SQLite database");
        }
        let page_size = match length(bytes, 16, 2)? {
            1 => 65_536,
            size if size >= 512 && size.is_power_of_two() => size,
            _ => return Err("its page size is none"),
        };
        let reserved = length(bytes, 20, 1)?;
        let usable = page_size.checked_sub(reserved).filter(|usable| *usable >= 480);
        Ok(Self { bytes, page_size, usable: usable.ok_or("its pages have no room")? })
    }

    /// The rows of a table, each with its values in the order of the columns.
    pub(super) fn rows(&self, table: &str) -> Result<Vec<Vec<Value>>, Damaged> {
        let root = self.tree(1)?.into_iter().find_map(|row| match row.as_slice() {
            [Value::Text(kind), Value::Text(name), _, Value::Number(root), ..]
                if kind == "table" && name == table =>
            {
                usize::try_from(*root).ok()
            }
            _ => None,
        });
        self.tree(root.ok_or("it has no such table")?)
    }

    /// A page by its number, from 1.
    fn page(&self, number: usize) -> Result<&'a [u8], Damaged> {
        let start = number.checked_sub(1).and_then(|index| index.checked_mul(self.page_size));
        let start = start.ok_or("a page has no number")?;
        let end = start.checked_add(self.page_size).ok_or("a page ends outside of it")?;
        self.bytes.get(start..end).ok_or("a page ends outside of it")
    }

    fn tree(&self, root: usize) -> Result<Vec<Vec<Value>>, Damaged> {
        let mut rows = Vec::new();
        // All rows together are at most as long as the file: cells that share what they point to would fill the memory.
        let mut left = self.bytes.len();
        let mut seen = BTreeSet::new();
        let mut waiting = vec![root];
        while let Some(number) = waiting.pop() {
            if !seen.insert(number) {
                return Err("its pages lead in a circle");
            }
            let page = self.page(number)?;
            let header = if number == 1 { FILE_HEADER } else { 0 };
            let kind = *page.get(header).ok_or("a page is empty")?;
            let cells = length(page, header + 3, 2)?;
            match kind {
                LEAF => {
                    for cell in 0..cells {
                        let at = length(page, header + 8 + 2 * cell, 2)?;
                        let payload = self.payload(page, at, left)?;
                        left -= payload.len();
                        rows.push(record(&payload)?);
                    }
                }
                INTERIOR => {
                    // Last first, as the next one is taken from the end.
                    waiting.push(length(page, header + 8, 4)?);
                    for cell in (0..cells).rev() {
                        let at = length(page, header + 12 + 2 * cell, 2)?;
                        waiting.push(length(page, at, 4)?);
                    }
                }
                _ => return Err("a page is of no kind that a table has"),
            }
        }
        Ok(rows)
    }

    /// The bytes of a row, with those that did not fit on its page.
    fn payload(&self, page: &[u8], at: usize, left: usize) -> Result<Vec<u8>, Damaged> {
        let (size, size_length) = variable(page, at)?;
        let size = usize::try_from(size).ok().filter(|size| *size <= left).ok_or("a row is too long")?;
        let (_, key_length) = variable(page, at + size_length)?;
        let start = at + size_length + key_length;
        let most = self.usable - 35;
        let least = (self.usable - 12) * 32 / 255 - 23;
        let local = if size <= most {
            size
        } else {
            let local = least + (size - least) % (self.usable - 4);
            if local <= most { local } else { least }
        };
        let here = page.get(start..start + local).ok_or("a row ends outside of its page")?;
        let mut payload = here.to_vec();
        if local == size {
            return Ok(payload);
        }
        let mut next = length(page, start + local, 4)?;
        while payload.len() < size {
            // The payload grows with each page, and is at most as long as it says: this ends.
            let page = self.page(next)?;
            let part = (size - payload.len()).min(self.usable - 4);
            payload.extend_from_slice(page.get(4..4 + part).ok_or("a row ends outside of its page")?);
            next = length(page, 0, 4)?;
        }
        Ok(payload)
    }
}

fn record(bytes: &[u8]) -> Result<Vec<Value>, Damaged> {
    let (header, mut at) = variable(bytes, 0)?;
    let header = usize::try_from(header).map_err(|_| "a row's header is too long")?;
    let mut body = header;
    let mut values = Vec::new();
    while at < header && values.len() < MOST_COLUMNS {
        let (kind, used) = variable(bytes, at)?;
        at += used;
        let kind = usize::try_from(kind).map_err(|_| "a value is too long")?;
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return Err("a value is of no kind"),
            _ => (kind - 12) / 2,
        };
        let end = body.checked_add(size).ok_or("a value ends outside of its row")?;
        let value = bytes.get(body..end).ok_or("a value ends outside of its row")?;
        body = end;
        values.push(match kind {
            0 | 7 => Value::Other,
            8 => Value::Number(0),
            9 => Value::Number(1),
            1..=6 => Value::Number(signed(value)),
            _ if kind % 2 == 0 => Value::Bytes(value.to_vec()),
            _ => Value::Text(String::from_utf8_lossy(value).into_owned()),
        });
    }
    Ok(values)
}

fn signed(bytes: &[u8]) -> i64 {
    let start = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().fold(start, |value, byte| value << 8 | i64::from(*byte))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A database with one table of rows (a number that is the key, bytes), as SQLite lays it out: a schema page, one interior
    /// page, a leaf for each row, and pages for what does not fit.
    pub(in crate::host::facts) fn database(table: &str, rows: &[Vec<u8>]) -> Vec<u8> {
        const PAGE: usize = 4096;
        let mut pages = vec![vec![0u8; PAGE]; 2];
        let varint = |mut value: usize| {
            let mut bytes = vec![u8::try_from(value & 0x7f).unwrap()];
            while value > 0x7f {
                value >>= 7;
                bytes.insert(0, u8::try_from(value & 0x7f).unwrap() | 0x80);
            }
            bytes
        };
        let leaf = |pages: &mut Vec<Vec<u8>>, index: usize, header: usize, payload: &[u8]| {
            let (most, least) = (PAGE - 35, (PAGE - 12) * 32 / 255 - 23);
            let local = if payload.len() <= most {
                payload.len()
            } else {
                let local = least + (payload.len() - least) % (PAGE - 4);
                if local <= most { local } else { least }
            };
            let mut cell = varint(payload.len());
            cell.push(1);
            cell.extend(&payload[..local]);
            let mut rest = &payload[local..];
            if !rest.is_empty() {
                cell.extend(u32::try_from(pages.len() + 1).unwrap().to_be_bytes());
            }
            while !rest.is_empty() {
                let (part, more) = rest.split_at(rest.len().min(PAGE - 4));
                let next = if more.is_empty() { 0 } else { u32::try_from(pages.len() + 2).unwrap() };
                let mut page = next.to_be_bytes().to_vec();
                page.extend(part);
                page.resize(PAGE, 0);
                pages.push(page);
                rest = more;
            }
            let at = PAGE - cell.len();
            let page = &mut pages[index];
            page[at..].copy_from_slice(&cell);
            page[header] = LEAF;
            page[header + 3..header + 5].copy_from_slice(&1u16.to_be_bytes());
            page[header + 8..header + 10].copy_from_slice(&u16::try_from(at).unwrap().to_be_bytes());
        };
        let text = |text: &str| (varint(13 + 2 * text.len()), text.as_bytes().to_vec());
        let row = |values: &[(Vec<u8>, Vec<u8>)]| {
            let kinds: Vec<u8> = values.iter().flat_map(|(kind, _)| kind.clone()).collect();
            let mut bytes = varint(kinds.len() + 1);
            bytes.extend(kinds);
            values.iter().for_each(|(_, value)| bytes.extend(value));
            bytes
        };
        let schema = row(&[text("table"), text(table), text(table), (vec![1], vec![2]), text("CREATE ...")]);
        leaf(&mut pages, 0, FILE_HEADER, &schema);
        let mut children = Vec::new();
        for bytes in rows {
            pages.push(vec![0; PAGE]);
            let index = pages.len() - 1;
            children.push(u32::try_from(index + 1).unwrap());
            let kind = varint(12 + 2 * bytes.len());
            leaf(&mut pages, index, 0, &row(&[(vec![0], vec![]), (kind, bytes.clone())]));
        }
        let root = &mut pages[1];
        root[0] = if children.is_empty() { LEAF } else { INTERIOR };
        if let Some((last, others)) = children.split_last() {
            root[8..12].copy_from_slice(&last.to_be_bytes());
            root[3..5].copy_from_slice(&u16::try_from(others.len()).unwrap().to_be_bytes());
            for (index, child) in others.iter().enumerate() {
                let at = PAGE - 5 * (index + 1);
                root[at..at + 4].copy_from_slice(&child.to_be_bytes());
                root[12 + 2 * index..14 + 2 * index]
                    .copy_from_slice(&u16::try_from(at).unwrap().to_be_bytes());
            }
        }
        pages[0][..16].copy_from_slice(b"SQLite format 3\0");
        pages[0][16..18].copy_from_slice(&u16::try_from(PAGE).unwrap().to_be_bytes());
        pages.concat()
    }

    #[test]
    fn rows_of_all_lengths_are_read() {
        let rows: Vec<Vec<u8>> = [0, 1, 100, 4000, 4059, 4060, 4061, 5000, 8200, 100_000]
            .iter()
            .map(|size| vec![7; *size])
            .collect();
        let bytes = database("Packages", &rows);
        let read = Database::open(&bytes).unwrap().rows("Packages").unwrap();
        let read: Vec<_> = read.into_iter().map(|row| row[1].clone()).collect();
        assert_eq!(read, rows.into_iter().map(Value::Bytes).collect::<Vec<_>>());
        assert!(Database::open(&bytes).unwrap().rows("Other").is_err());
    }

    #[test]
    fn a_circle_of_pages_ends() {
        let mut bytes = database("Packages", &[vec![1], vec![2]]);
        bytes[4096 + 8..4096 + 12].copy_from_slice(&2u32.to_be_bytes());
        assert_eq!(Database::open(&bytes).unwrap().rows("Packages"), Err("its pages lead in a circle"));
    }

    proptest::proptest! {
        #[test]
        fn what_was_changed_ends_in_rows_or_an_error(changes in proptest::collection::vec((0usize..20_000, 0u8..), 1..8)) {
            let mut bytes = database("Packages", &[vec![1; 50], vec![2; 9000]]);
            for (at, byte) in changes {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            if let Ok(database) = Database::open(&bytes) {
                let _ = database.rows("Packages");
            }
        }
    }
}
