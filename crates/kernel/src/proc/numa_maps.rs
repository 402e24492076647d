//! `/proc/PID/numa_maps` (numa(7)).

use super::parse::{lines, words};

/// The policy in the file's first line, such as `bind=static:0-1`. Two of the kernel's names have a space in them.
pub fn parse_memory_policy(bytes: &[u8]) -> Option<String> {
    let mut words = words(lines(bytes).next()?).skip(1);
    let mut policy = String::from_utf8_lossy(words.next()?).into_owned();
    let second = words.next().map(String::from_utf8_lossy);
    if let Some(second) = second.filter(|word| word.starts_with("(many)") || policy == "weighted") {
        policy = format!("{policy} {second}");
    }
    Some(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_told_from_what_follows_it() {
        for (line, policy) in [
            ("5594402e4000 default file=/usr/bin/head mapped=2 N0=2", "default"),
            ("5594402e4000 bind=static:0-1,3 anon=1", "bind=static:0-1,3"),
            ("5594402e4000 prefer (many):0 stack", "prefer (many):0"),
            ("5594402e4000 prefer:0", "prefer:0"),
            (
                "5594402e4000 weighted interleave=relative|balancing:1 heap",
                "weighted interleave=relative|balancing:1",
            ),
        ] {
            let text = format!("{line}\n5594402e6000 local\n");
            assert_eq!(parse_memory_policy(text.as_bytes()).as_deref(), Some(policy));
        }
        assert_eq!(parse_memory_policy(b""), None);
    }
}
