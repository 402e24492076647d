//! Until when distributions get security fixes, as their projects announced it (what needs a contract is not counted).

use std::collections::BTreeMap;

/// Distribution (`ID` of os-release(5)), the beginning of its version, last day.
const LIFETIMES: &str = "\
debian 8 2020-06-30
debian 9 2022-06-30
debian 10 2024-06-30
debian 11 2026-08-31
debian 12 2028-06-30
debian 13 2030-06-30
ubuntu 14.04 2019-04-30
ubuntu 16.04 2021-04-30
ubuntu 18.04 2023-05-31
ubuntu 20.04 2025-05-31
ubuntu 22.04 2027-05-31
ubuntu 24.04 2029-05-31
alpine 3.14 2023-05-01
alpine 3.15 2023-11-01
alpine 3.16 2024-05-23
alpine 3.17 2024-11-22
alpine 3.18 2025-05-09
alpine 3.19 2025-11-01
alpine 3.20 2026-04-01
alpine 3.21 2026-11-01
alpine 3.22 2027-05-01
centos 6 2020-11-30
centos 7 2024-06-30
centos 8 2021-12-31
centos 9 2027-05-31
rhel 7 2024-06-30
rhel 8 2029-05-31
rhel 9 2032-05-31
rocky 8 2029-05-31
rocky 9 2032-05-31
almalinux 8 2029-03-01
almalinux 9 2032-05-31
amzn 2 2026-06-30
amzn 2023 2029-06-30
";

/// The last day (`YYYY-MM-DD`) on which a distribution gets security fixes; `None` where that is not known here.
pub(crate) fn ends(fields: &BTreeMap<String, String>) -> Option<&'static str> {
    let (name, version) = (fields.get("ID")?, fields.get("VERSION_ID")?);
    let is_of = |prefix: &str| {
        version.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    LIFETIMES.lines().find_map(|line| {
        let mut words = line.split(' ');
        (words.next()? == name && is_of(words.next()?)).then(|| words.next()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_by_their_whole_parts() {
        let ends = |id: &str, version: &str| {
            ends(&[("ID".to_owned(), id.to_owned()), ("VERSION_ID".to_owned(), version.to_owned())].into())
        };
        assert_eq!(ends("debian", "12"), Some("2028-06-30"));
        assert_eq!(ends("alpine", "3.20.3"), Some("2026-04-01"));
        assert_eq!(ends("alpine", "3.2"), None);
        assert_eq!(ends("amzn", "2"), Some("2026-06-30"));
        assert_eq!(ends("other", "1"), None);
    }
}
