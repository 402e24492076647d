//! DER (ITU-T X.690) as far as certificates need it: tags of one byte, lengths of at most four.

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// Tag, length and content, as they stand.
    pub(super) whole: &'a [u8],
}

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const UTF8: u8 = 0x0c;
pub(super) const TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The first element of some bytes, and what follows it.
pub(super) fn first(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    // Tags of several bytes, and lengths that are not told, are no part of a certificate.
    let (length, rest) = match (tag & 0x1f, *length) {
        (0x1f, _) => return None,
        (_, short @ 0..=0x7f) => (usize::from(short), rest),
        (_, long @ 0x81..=0x84) => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    let whole = bytes.get(..bytes.len() - rest.len())?;
    Some((Element { tag: *tag, content, whole }, rest))
}

/// All elements of some bytes, which are nothing else.
pub(super) fn all(mut bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut elements = Vec::new();
    while !bytes.is_empty() {
        let (element, rest) = first(bytes)?;
        elements.push(element);
        bytes = rest;
    }
    Some(elements)
}

/// What the one element of some bytes holds, which has this tag.
pub(super) fn only(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    match first(bytes)? {
        (element, []) if element.tag == tag => Some(element.content),
        _ => None,
    }
}

/// The elements of the one element of some bytes, which has this tag.
pub(super) fn parts(bytes: &[u8], tag: u8) -> Option<Vec<Element<'_>>> {
    all(only(bytes, tag)?)
}

/// The bytes of an element.
pub(super) fn encoded(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.into_iter().skip_while(|digit| *digit == 0).collect();
    let mut bytes = vec![tag];
    match (digits.as_slice(), u8::try_from(digits.len())) {
        ([], _) => bytes.push(0),
        ([short @ 0..=0x7f], _) => bytes.push(*short),
        (digits, Ok(count)) => {
            bytes.push(0x80 | count);
            bytes.extend(digits);
        }
        (_, Err(_)) => {}
    }
    bytes.extend(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for size in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; size];
            let bytes = encoded(SEQUENCE, &content);
            assert_eq!(only(&bytes, SEQUENCE), Some(content.as_slice()), "{size}");
            assert_eq!(only(&bytes, OCTETS), None);
            let twice = [bytes.clone(), bytes.clone()].concat();
            assert_eq!(all(&twice).unwrap().len(), 2);
            assert_eq!(only(&twice, SEQUENCE), None);
            assert!(all(&bytes[..bytes.len() - 1]).is_none());
        }
        for bad in [&[0x30][..], &[0x30, 0x80], &[0x1f, 0], &[0x30, 0x85, 1, 1, 1, 1, 1], &[4, 2, 0]] {
            assert!(first(bad).is_none(), "{bad:?}");
        }
    }
}
