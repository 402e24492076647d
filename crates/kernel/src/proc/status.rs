//! `/proc/PID/status` (proc_pid_status(5)): the credentials of a process.

use super::parse::{ParseError, decimal, lines, radix, words};
use crate::capability::CapSet;

/// The four ids of one kind: `Uid:` or `Gid:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are credentials(7)'s")]
pub struct Ids {
    pub real: u32,
    pub effective: u32,
    pub saved: u32,
    pub filesystem: u32,
}

impl Ids {
    /// All four the same.
    #[must_use]
    pub const fn all(id: u32) -> Self {
        Self { real: id, effective: id, saved: id, filesystem: id }
    }
}

/// The `Seccomp:` line (seccomp(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeccompMode {
    /// 0
    Disabled,
    /// 1
    Strict,
    /// 2
    Filter,
    /// A mode that this code does not know.
    Other(u32),
}

/// What `/proc/PID/status` says of a process. Ids are as the reader's user namespace shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the file's")]
pub struct Status {
    /// One letter: `R`, `S`, `D`, `T`, `t`, `Z`, `X`, `I`.
    pub state: u8,
    pub pid: i32,
    pub ppid: i32,
    /// The process that traces it; 0 for none.
    pub tracer_pid: i32,
    /// Absent for a process that has given up its file system context (a zombie).
    pub umask: Option<u32>,
    pub uid: Ids,
    pub gid: Ids,
    pub groups: Vec<u32>,
    /// Its pid in each nested pid namespace, outermost first.
    pub ns_pid: Vec<i32>,
    pub cap_inheritable: CapSet,
    pub cap_permitted: CapSet,
    pub cap_effective: CapSet,
    pub cap_bounding: CapSet,
    pub cap_ambient: CapSet,
    pub no_new_privs: bool,
    pub seccomp: SeccompMode,
    /// How many filters stand one above the other (Linux 5.9).
    pub seccomp_filters: Option<u32>,
    pub threads: u32,
}

/// The lines that are looked for, as they were found; the first of a name counts.
#[derive(Default)]
struct Found<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Found<'a> {
    fn get(&self, name: &'static str) -> Option<&'a [u8]> {
        self.0.iter().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value.trim_ascii())
    }

    fn want(&self, name: &'static str) -> Result<&'a [u8], ParseError> {
        self.get(name).ok_or_else(|| ParseError::new(name, b"(line is missing)"))
    }

    fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<T, ParseError> {
        decimal(name, self.want(name)?)
    }

    fn caps(&self, name: &'static str) -> Result<CapSet, ParseError> {
        radix(name, self.want(name)?, 16).map(CapSet::from_bits)
    }

    fn ids(&self, name: &'static str) -> Result<Ids, ParseError> {
        let line = self.want(name)?;
        let ids = numbers(name, line)?;
        match ids.as_slice() {
            &[real, effective, saved, filesystem] => Ok(Ids { real, effective, saved, filesystem }),
            _ => Err(ParseError::new(name, line)),
        }
    }
}

fn numbers<T: std::str::FromStr>(name: &'static str, line: &[u8]) -> Result<Vec<T>, ParseError> {
    words(line).map(|word| decimal(name, word)).collect()
}

/// Reads the file's text.
pub fn parse_status(bytes: &[u8]) -> Result<Status, ParseError> {
    let mut found = Found::default();
    for line in lines(bytes) {
        if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            found.0.push((&line[..colon], &line[colon + 1..]));
        }
    }
    let state = found.want("State")?.first().copied().ok_or_else(|| ParseError::new("State", b""))?;
    let seccomp = match found.number::<u32>("Seccomp")? {
        0 => SeccompMode::Disabled,
        1 => SeccompMode::Strict,
        2 => SeccompMode::Filter,
        other => SeccompMode::Other(other),
    };
    let umask = match found.get("Umask") {
        Some(text) => {
            Some(u32::try_from(radix("Umask", text, 8)?).map_err(|_| ParseError::new("Umask", text))?)
        }
        None => None,
    };
    let seccomp_filters = match found.get("Seccomp_filters") {
        Some(text) => Some(decimal("Seccomp_filters", text)?),
        None => None,
    };
    Ok(Status {
        state,
        pid: found.number("Pid")?,
        ppid: found.number("PPid")?,
        tracer_pid: found.number("TracerPid")?,
        umask,
        uid: found.ids("Uid")?,
        gid: found.ids("Gid")?,
        groups: numbers("Groups", found.want("Groups")?)?,
        ns_pid: found.get("NSpid").map_or_else(|| Ok(Vec::new()), |line| numbers("NSpid", line))?,
        cap_inheritable: found.caps("CapInh")?,
        cap_permitted: found.caps("CapPrm")?,
        cap_effective: found.caps("CapEff")?,
        cap_bounding: found.caps("CapBnd")?,
        cap_ambient: found.caps("CapAmb")?,
        no_new_privs: found.number::<u32>("NoNewPrivs")? != 0,
        seccomp,
        seccomp_filters,
        threads: found.number("Threads")?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "Name:\tx\\nUid:\t0\nUmask:\t0027\nState:\tt (tracing stop)\nTgid:\t9\nPid:\t9\nPPid:\t1\n\
        TracerPid:\t7\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nFDSize:\t64\nGroups:\t10 11 \nNStgid:\t9\t1\n\
        NSpid:\t9\t1\nThreads:\t1\nCapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\n\
        CapEff:\t00000000a80425fb\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000001\nNoNewPrivs:\t1\n\
        Seccomp:\t2\nSeccomp_filters:\t3\n";

    #[test]
    fn reads_every_field() {
        let status = parse_status(TEXT.as_bytes()).unwrap();
        assert_eq!(status.state, b't');
        assert_eq!((status.pid, status.ppid, status.tracer_pid), (9, 1, 7));
        assert_eq!(status.umask, Some(0o27));
        assert_eq!(status.uid, Ids { real: 1, effective: 2, saved: 3, filesystem: 4 });
        assert_eq!(status.gid, Ids { real: 5, effective: 6, saved: 7, filesystem: 8 });
        assert_eq!(status.groups, [10, 11]);
        assert_eq!(status.ns_pid, [9, 1]);
        assert_eq!(status.cap_effective.bits(), 0xa804_25fb);
        assert_eq!(status.cap_bounding, CapSet::full());
        assert_eq!(status.cap_ambient.bits(), 1);
        assert!(status.no_new_privs);
        assert_eq!((status.seccomp, status.seccomp_filters), (SeccompMode::Filter, Some(3)));
    }

    #[test]
    fn a_missing_or_bad_line_is_named() {
        for (line, bad) in [
            ("CapEff:\t00000000a80425fb\n", ""),
            ("Uid:\t1\t2\t3\t4\n", "Uid:\t1\t2\t3\n"),
            ("NoNewPrivs:\t1\n", "NoNewPrivs:\tx\n"),
            ("Groups:\t10 11 \n", "Groups:\t-1\n"),
        ] {
            let error = parse_status(TEXT.replace(line, bad).as_bytes()).unwrap_err();
            assert!(line.starts_with(error.what), "{error}");
        }
    }

    #[test]
    fn reads_this_processs_own() {
        let status = parse_status(&std::fs::read("/proc/self/status").unwrap()).unwrap();
        assert_eq!(status.pid, i32::try_from(std::process::id()).unwrap());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = parse_status(&bytes);
        }

        #[test]
        fn never_panics_on_a_damaged_file(at in 0usize..400, byte: u8) {
            let mut bytes = TEXT.as_bytes().to_vec();
            let len = bytes.len();
            bytes[at % len] = byte;
            let _ = parse_status(&bytes);
        }
    }
}
