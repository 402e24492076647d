//! `/proc/PID/stat` (proc_pid_stat(5)): only what `status` does not say.

use super::parse::{ParseError, decimal, words};

/// A few fields of `/proc/PID/stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessStat {
    /// Its command's name as it chose it, at most 15 bytes (or longer for a kernel worker).
    pub name: String,
    /// Its terminal's device number; 0 for none.
    pub terminal: i32,
    /// Clock ticks spent in its own code.
    pub user_ticks: u64,
    /// Clock ticks spent in the kernel.
    pub system_ticks: u64,
    /// The letter of its state.
    pub state: u8,
    /// The process that started it.
    pub ppid: i32,
    /// The session that it is in: the number of the process that made it.
    pub session: i32,
    /// Nice value, -20 to 19.
    pub nice: i32,
    /// When it started, in clock ticks since boot: with the pid, the identity of a process on this boot.
    pub start_time: u64,
    /// Real-time priority, 0 for none.
    pub rt_priority: u32,
    /// Scheduling policy (`SCHED_*`).
    pub policy: u32,
}

/// Reads the file's text. The command's name is chosen by the process and may hold anything, so what follows is
/// found from the last `)`.
pub fn parse_stat(bytes: &[u8]) -> Result<ProcessStat, ParseError> {
    let close =
        bytes.iter().rposition(|byte| *byte == b')').ok_or_else(|| ParseError::new("process stat", bytes))?;
    let fields: Vec<&[u8]> = words(&bytes[close + 1..]).collect();
    // The first field after the name is the third of the manual page's list.
    let field = |number: usize| -> Result<&[u8], ParseError> {
        fields.get(number - 3).copied().ok_or_else(|| ParseError::new("process stat", bytes))
    };
    let open = bytes.iter().position(|byte| *byte == b'(').map_or(close, |open| open + 1);
    Ok(ProcessStat {
        name: String::from_utf8_lossy(bytes.get(open..close).unwrap_or_default()).into_owned(),
        terminal: decimal("terminal", field(7)?)?,
        user_ticks: decimal("user time", field(14)?)?,
        system_ticks: decimal("system time", field(15)?)?,
        state: field(3)?.first().copied().unwrap_or(b'?'),
        ppid: decimal("parent pid", field(4)?)?,
        session: decimal("session", field(6)?)?,
        nice: decimal("nice value", field(19)?)?,
        start_time: decimal("start time", field(22)?)?,
        rt_priority: decimal("real-time priority", field(40)?)?,
        policy: decimal("scheduling policy", field(41)?)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_cannot_shift_the_fields() {
        let rest: Vec<String> = (4..=52).map(|number| number.to_string()).collect();
        let text = format!("7 (x) R 1 1 (y\n) S {}\n", rest.join(" "));
        let stat = parse_stat(text.as_bytes()).unwrap();
        assert_eq!((stat.state, stat.ppid, stat.session, stat.nice), (b'S', 4, 6, 19));
        assert_eq!((stat.start_time, stat.rt_priority, stat.policy), (22, 40, 41));
        assert_eq!(
            (stat.name.as_str(), stat.terminal, stat.user_ticks, stat.system_ticks),
            ("x) R 1 1 (y\n", 7, 14, 15)
        );
    }

    #[test]
    fn reads_this_processs_own() {
        assert!(parse_stat(&std::fs::read("/proc/self/stat").unwrap()).unwrap().start_time > 0);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_stat(&bytes);
        }
    }
}
