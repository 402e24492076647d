//! `EXPOSE`: ports and ranges of ports.

use crate::dockerfile::Problem;

/// One entry for each port: `8000-8002/udp` are three.
pub(super) fn ports(word: &str) -> Result<Vec<String>, Problem> {
    let refuse = || {
        let rule = format!("{word:?} is no port: PORT[-PORT][/tcp|udp|sctp]");
        Problem::BadArguments { instruction: "EXPOSE", rule }
    };
    let (range, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(refuse());
    }
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let port = |text: &str| text.parse::<u16>().map_err(|_| refuse());
    let (first, last) = (port(first)?, port(last)?);
    if last < first {
        return Err(refuse());
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_ranges() {
        assert_eq!(ports("80").unwrap(), ["80/tcp"]);
        assert_eq!(ports("8000-8001/UDP").unwrap(), ["8000/udp", "8001/udp"]);
        for bad in ["", "x", "80/x", "2-1", "70000", "1-", "-1"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }
}
