//! `/proc/PID/limits` (proc_pid_limits(5)).

use super::parse::{ParseError, decimal, lines, words};
use crate::rlimit::Resource;

/// One resource limit as it is in force; `u64::MAX` is "unlimited".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are getrlimit(2)'s")]
pub struct Limit {
    pub resource: Resource,
    pub soft: u64,
    pub hard: u64,
}

fn value(word: &[u8]) -> Result<u64, ParseError> {
    if word == b"unlimited" { Ok(u64::MAX) } else { decimal("resource limit", word) }
}

/// Reads the file's text; a line of a resource that this code does not know is left out.
pub fn parse_limits(bytes: &[u8]) -> Result<Vec<Limit>, ParseError> {
    let mut limits = Vec::with_capacity(16);
    for line in lines(bytes) {
        let known = Resource::all()
            .find_map(|resource| Some((resource, line.strip_prefix(resource.proc_label().as_bytes())?)));
        let Some((resource, rest)) = known else { continue };
        let mut words = words(rest);
        let mut next = || value(words.next().unwrap_or_default());
        limits.push(Limit { resource, soft: next()?, hard: next()? });
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_numbers_and_unlimited() {
        let text = b"Limit                     Soft Limit           Hard Limit           Units     \n\
            Max open files            1024                 20000                files     \n\
            Max core file size        0                    unlimited            bytes     \n\
            Max nice priority         0                    0                    \n";
        let limits = parse_limits(text).unwrap();
        let names: Vec<_> = limits.iter().map(|limit| limit.resource.name()).collect();
        assert_eq!(names, ["RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_NICE"]);
        assert_eq!((limits[0].soft, limits[0].hard), (1024, 20000));
        assert_eq!((limits[1].soft, limits[1].hard), (0, u64::MAX));
        assert!(parse_limits(b"Max open files            1024\n").is_err());
    }

    #[test]
    fn this_process_has_all_sixteen() {
        assert_eq!(parse_limits(&std::fs::read("/proc/self/limits").unwrap()).unwrap().len(), 16);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), prefix in "(Max open files)?") {
            let mut text = prefix.into_bytes();
            text.extend(bytes);
            let _ = parse_limits(&text);
        }
    }
}
