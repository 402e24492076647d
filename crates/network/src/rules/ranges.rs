//! Ranges of addresses that rules know by a word (IANA's special-purpose address registries).

use std::net::IpAddr;

use cofferdam_confinement::network::AddressRange;

use super::condition::address_bytes;
use crate::nft::Element;

/// Not on the internet. Of IPv6 only 2000::/3 is, without what stands for an IPv4 address (6to4, Teredo). Addresses for
/// documentation are left out: nothing answers there.
const SPECIAL: [&[&str]; 2] = [
    &[
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/3",
    ],
    &["::/3", "2001::/32", "2002::/16", "4000::/2", "8000::/1"],
];
/// Private networks.
const PRIVATE: [&[&str]; 2] =
    [&["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"], &["fc00::/7"]];
/// Reached by a rule for the very address alone: this host, the link, groups, and the metadata services of clouds, which give out
/// the machine's credentials.
const NEVER: [&[&str]; 2] = [
    &[
        "0.0.0.0/8",
        "100.100.100.200",
        "127.0.0.0/8",
        "168.63.129.16",
        "169.254.0.0/16",
        "192.0.0.192",
        "224.0.0.0/3",
    ],
    &["::/8", "fd00:c1::a9fe:a9fe", "fd00:ec2::/32", "fd20:ce::254", "fe80::/10", "ff00::/8"],
];

/// What a word of the rules means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    Special,
    Private,
    Never,
}

/// Whether an address is meant.
pub(crate) fn is_in(range: Range, address: IpAddr) -> bool {
    let family = usize::from(address.is_ipv6());
    let texts = match range {
        Range::Special => SPECIAL[family],
        Range::Private => PRIVATE[family],
        Range::Never => NEVER[family],
    };
    texts.iter().filter_map(|text| text.parse::<AddressRange>().ok()).any(|range| range.contains(address))
}

/// The elements of the sets, by their names.
pub(super) fn elements() -> Vec<Element> {
    let mut all = Vec::new();
    for v6 in [false, true] {
        let family = usize::from(v6);
        for (set, ranges) in [
            (super::set::SPECIAL[family], SPECIAL[family]),
            (super::set::PRIVATE[family], PRIVATE[family]),
            (super::set::NEVER[family], NEVER[family]),
        ] {
            let ranges = ranges.iter().filter_map(|text| text.parse().ok());
            let all_ends: Vec<Element> = ranges.flat_map(|range| ends(set, range)).collect();
            // Where one range ends and the next begins there is no end: an address is an element once.
            let touches =
                |element: &&Element| all_ends.iter().filter(|other| other.key == element.key).count() > 1;
            all.extend(all_ends.iter().filter(|element| !touches(element)).cloned());
        }
    }
    all
}

/// The first address of a range, and the first that is not in it any more, if there is one.
fn ends(set: &str, range: AddressRange) -> impl Iterator<Item = Element> {
    let begin = Element::key(set, address_bytes(range.first()));
    let mut after = address_bytes(range.last());
    let overflow = after.iter_mut().rev().all(|byte| {
        *byte = byte.wrapping_add(1);
        *byte == 0
    });
    let end = Element { ends_range: true, ..Element::key(set, after) };
    [Some(begin), (!overflow).then_some(end)].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_reads_and_they_are_in_order() {
        for ranges in SPECIAL.iter().chain(&PRIVATE).chain(&NEVER) {
            let ranges: Vec<AddressRange> = ranges.iter().map(|text| text.parse().unwrap()).collect();
            assert!(ranges.windows(2).all(|pair| pair[0].last() < pair[1].first()), "{ranges:?}");
        }
        let special = elements().into_iter().filter(|element| element.set == "special6").count();
        assert_eq!(special, 7, "4000::/2 and 8000::/1 are one range without an end");
    }

    #[test]
    fn no_word_of_a_rule_means_a_metadata_service() {
        let range = |text: &&str| text.parse::<AddressRange>().unwrap();
        for metadata in cofferdam_confinement::network::METADATA.iter().map(range) {
            let family = usize::from(metadata.first().is_ipv6());
            let within = |ranges: &[&str]| {
                let mut ranges = ranges.iter().map(range);
                ranges.any(|it| it.contains(metadata.first()) && it.contains(metadata.last()))
            };
            // `any` and `private` are less what is never reached, `internet` is less what is special.
            assert!(within(NEVER[family]) && within(SPECIAL[family]), "{metadata:?}");
        }
    }

    #[test]
    fn a_range_ends_before_the_next_address() {
        let all: Vec<Element> = ends("x", "10.0.0.0/8".parse().unwrap()).collect();
        assert_eq!((all[0].key.clone(), all[1].key.clone()), (vec![10, 0, 0, 0], vec![11, 0, 0, 0]));
        assert_eq!(ends("x", "224.0.0.0/3".parse().unwrap()).count(), 1);
    }
}
