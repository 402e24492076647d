//! The words of `mounts[].options` (config.md, "Linux mount options"), with the meanings that runc gives them.

use cofferdam_confinement::{AccessTime, Flag, MountFlags, Propagation};

/// How a bind mount's ids are asked for by a word alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdMapWord {
    /// `idmap`
    Plain,
    /// `ridmap`
    Recursive,
}

/// What all words of one mount say together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Options {
    /// `bind` or `rbind`.
    pub bind: bool,
    /// `rbind`.
    pub recursive: bool,
    /// `remount`.
    pub remount: bool,
    pub flags: MountFlags,
    pub recursive_flags: MountFlags,
    pub propagation: Vec<Propagation>,
    pub copy_up: bool,
    pub id_map: Option<IdMapWord>,
    /// Flags of a file system as a whole, as fsconfig(2) names them: `sync`, `lazytime`, ...
    pub superblock: Vec<&'static str>,
    /// Everything else: the file system's own options.
    pub data: Vec<String>,
}

/// What one word does.
#[derive(Clone, Copy)]
enum Word {
    Nothing,
    Bind,
    Rbind,
    Remount,
    /// An attribute of this mount; the word at the end of a pair such as `ro`/`rw` counts.
    Attribute(Attribute, Flag),
    /// The same, for this mount and all below it.
    Recursive(Attribute, Flag),
    Time(TimeWord),
    RecursiveTime(TimeWord),
    Propagation(Propagation),
    /// A flag of the whole file system, set.
    Superblock(&'static str),
    /// The same, taken back.
    NoSuperblock(&'static str),
    CopyUp,
    IdMap(IdMapWord),
}

#[derive(Clone, Copy)]
enum Attribute {
    Readonly,
    Nosuid,
    Nodev,
    Noexec,
    Nosymfollow,
    Nodiratime,
}

#[derive(Clone, Copy)]
enum TimeWord {
    Set(AccessTime),
    Clear(AccessTime),
}

use Attribute as A;
use Word as W;

/// Every known word; anything else is the file system's own.
const WORDS: [(&str, Word); 62] = [
    ("async", W::NoSuperblock("sync")),
    ("atime", W::Time(TimeWord::Clear(AccessTime::Noatime))),
    ("bind", W::Bind),
    ("defaults", W::Nothing),
    ("dev", W::Attribute(A::Nodev, Flag::Clear)),
    ("diratime", W::Attribute(A::Nodiratime, Flag::Clear)),
    ("dirsync", W::Superblock("dirsync")),
    ("exec", W::Attribute(A::Noexec, Flag::Clear)),
    ("idmap", W::IdMap(IdMapWord::Plain)),
    ("iversion", W::Superblock("iversion")),
    ("lazytime", W::Superblock("lazytime")),
    ("loud", W::Nothing),
    ("mand", W::Superblock("mand")),
    ("noatime", W::Time(TimeWord::Set(AccessTime::Noatime))),
    ("nodev", W::Attribute(A::Nodev, Flag::Set)),
    ("nodiratime", W::Attribute(A::Nodiratime, Flag::Set)),
    ("noexec", W::Attribute(A::Noexec, Flag::Set)),
    ("noiversion", W::NoSuperblock("iversion")),
    ("nolazytime", W::NoSuperblock("lazytime")),
    ("nomand", W::NoSuperblock("mand")),
    ("norelatime", W::Time(TimeWord::Clear(AccessTime::Relatime))),
    ("nostrictatime", W::Time(TimeWord::Clear(AccessTime::Strictatime))),
    ("nosuid", W::Attribute(A::Nosuid, Flag::Set)),
    ("nosymfollow", W::Attribute(A::Nosymfollow, Flag::Set)),
    ("private", W::Propagation(Propagation::Private)),
    ("ratime", W::RecursiveTime(TimeWord::Clear(AccessTime::Noatime))),
    ("rbind", W::Rbind),
    ("rdev", W::Recursive(A::Nodev, Flag::Clear)),
    ("rdiratime", W::Recursive(A::Nodiratime, Flag::Clear)),
    ("relatime", W::Time(TimeWord::Set(AccessTime::Relatime))),
    ("remount", W::Remount),
    ("rexec", W::Recursive(A::Noexec, Flag::Clear)),
    ("ridmap", W::IdMap(IdMapWord::Recursive)),
    ("rnoatime", W::RecursiveTime(TimeWord::Set(AccessTime::Noatime))),
    ("rnodev", W::Recursive(A::Nodev, Flag::Set)),
    ("rnodiratime", W::Recursive(A::Nodiratime, Flag::Set)),
    ("rnoexec", W::Recursive(A::Noexec, Flag::Set)),
    ("rnorelatime", W::RecursiveTime(TimeWord::Clear(AccessTime::Relatime))),
    ("rnostrictatime", W::RecursiveTime(TimeWord::Clear(AccessTime::Strictatime))),
    ("rnosuid", W::Recursive(A::Nosuid, Flag::Set)),
    ("rnosymfollow", W::Recursive(A::Nosymfollow, Flag::Set)),
    ("ro", W::Attribute(A::Readonly, Flag::Set)),
    ("rprivate", W::Propagation(Propagation::Rprivate)),
    ("rrelatime", W::RecursiveTime(TimeWord::Set(AccessTime::Relatime))),
    ("rro", W::Recursive(A::Readonly, Flag::Set)),
    ("rrw", W::Recursive(A::Readonly, Flag::Clear)),
    ("rshared", W::Propagation(Propagation::Rshared)),
    ("rslave", W::Propagation(Propagation::Rslave)),
    ("rstrictatime", W::RecursiveTime(TimeWord::Set(AccessTime::Strictatime))),
    ("rsuid", W::Recursive(A::Nosuid, Flag::Clear)),
    ("rsymfollow", W::Recursive(A::Nosymfollow, Flag::Clear)),
    ("runbindable", W::Propagation(Propagation::Runbindable)),
    ("rw", W::Attribute(A::Readonly, Flag::Clear)),
    ("shared", W::Propagation(Propagation::Shared)),
    ("silent", W::Nothing),
    ("slave", W::Propagation(Propagation::Slave)),
    ("strictatime", W::Time(TimeWord::Set(AccessTime::Strictatime))),
    ("suid", W::Attribute(A::Nosuid, Flag::Clear)),
    ("symfollow", W::Attribute(A::Nosymfollow, Flag::Clear)),
    ("sync", W::Superblock("sync")),
    ("tmpcopyup", W::CopyUp),
    ("unbindable", W::Propagation(Propagation::Unbindable)),
];

/// The words that are known, in alphabetical order (for `features`).
pub(super) fn known_words() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(word, _)| *word)
}

impl Options {
    /// Reads the words in their order; of two that contradict each other the later one counts.
    pub(super) fn parse(words: &[String]) -> Self {
        let mut options = Self::default();
        for word in words {
            match WORDS.binary_search_by_key(&word.as_str(), |(known, _)| known) {
                Ok(index) => options.apply(WORDS[index].1),
                Err(_) => options.data.push(word.clone()),
            }
        }
        options.complete_times();
        options
    }

    /// The words for access times name them all together, as with mount(2): who asks for one gives the others up, and
    /// `nodiratime` alone means `relatime` for the rest.
    fn complete_times(&mut self) {
        let flags = &mut self.flags;
        if flags.nodiratime == Flag::Set {
            flags.access_time.get_or_insert(AccessTime::Relatime);
        } else if flags.access_time.is_some() {
            flags.nodiratime = Flag::Clear;
        } else {
            flags.nodiratime = Flag::Keep;
        }
    }

    fn apply(&mut self, word: Word) {
        match word {
            W::Nothing => {}
            W::Bind => self.bind = true,
            W::Rbind => (self.bind, self.recursive) = (true, true),
            W::Remount => self.remount = true,
            W::Attribute(attribute, flag) => *attribute.of(&mut self.flags) = flag,
            W::Recursive(attribute, flag) => *attribute.of(&mut self.recursive_flags) = flag,
            W::Time(word) => word.change(&mut self.flags.access_time),
            W::RecursiveTime(word) => word.change_all(&mut self.recursive_flags.access_time),
            W::Propagation(propagation) => self.propagation.push(propagation),
            W::Superblock(flag) if !self.superblock.contains(&flag) => self.superblock.push(flag),
            W::Superblock(_) => {}
            W::NoSuperblock(flag) => self.superblock.retain(|set| *set != flag),
            W::CopyUp => self.copy_up = true,
            W::IdMap(word) => self.id_map = Some(word),
        }
    }
}

impl Attribute {
    fn of(self, flags: &mut MountFlags) -> &mut Flag {
        match self {
            Self::Readonly => &mut flags.readonly,
            Self::Nosuid => &mut flags.nosuid,
            Self::Nodev => &mut flags.nodev,
            Self::Noexec => &mut flags.noexec,
            Self::Nosymfollow => &mut flags.nosymfollow,
            Self::Nodiratime => &mut flags.nodiratime,
        }
    }
}

impl TimeWord {
    /// The three ways exclude each other. Taking one back undoes an earlier word, and does not change what the source of a bind
    /// has: mount(8) and runc read it so.
    fn change(self, current: &mut Option<AccessTime>) {
        match self {
            Self::Set(way) => *current = Some(way),
            Self::Clear(way) => *current = current.filter(|set| *set != way),
        }
    }

    /// The same for a mount and all below it: these words change what is there, and taking a way back leaves the kernel's
    /// default, `relatime`, unless another one was asked for.
    fn change_all(self, current: &mut Option<AccessTime>) {
        match self {
            Self::Clear(way) if way != AccessTime::Relatime && current.is_none_or(|set| set == way) => {
                *current = Some(AccessTime::Relatime);
            }
            other => other.change(current),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Options {
        let words: Vec<String> = words.split(',').map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn the_table_is_sorted_for_the_binary_search() {
        assert!(WORDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn the_later_of_two_words_counts() {
        assert_eq!(parse("ro,rw").flags.readonly, Flag::Clear);
        assert_eq!(parse("rw,ro").flags.readonly, Flag::Set);
        assert_eq!(parse("rro,rrw").recursive_flags.readonly, Flag::Clear);
        assert!(parse("sync,async").superblock.is_empty());
    }

    #[test]
    fn access_times_exclude_each_other() {
        assert_eq!(parse("noatime").flags.access_time, Some(AccessTime::Noatime));
        assert_eq!(parse("noatime,atime").flags.access_time, None);
        assert_eq!(parse("noatime,norelatime").flags.access_time, Some(AccessTime::Noatime));
        assert_eq!(parse("relatime,norelatime").flags.access_time, None);
        assert_eq!(parse("strictatime,nostrictatime").flags.access_time, None);
        assert_eq!(parse("atime").flags, MountFlags::KEEP);
        assert_eq!(parse("ratime").recursive_flags.access_time, Some(AccessTime::Relatime));
    }

    #[test]
    fn access_times_are_named_all_together() {
        let times = |words: &str| (parse(words).flags.access_time, parse(words).flags.nodiratime);
        assert_eq!(times("nodiratime"), (Some(AccessTime::Relatime), Flag::Set));
        assert_eq!(times("nodiratime,strictatime"), (Some(AccessTime::Strictatime), Flag::Set));
        assert_eq!(times("strictatime"), (Some(AccessTime::Strictatime), Flag::Clear));
        assert_eq!(times("diratime"), (None, Flag::Keep));
    }

    #[test]
    fn what_is_no_word_is_the_file_systems_own() {
        let options = parse("nosuid,size=64m,mode=755");
        assert_eq!(options.data, ["size=64m", "mode=755"]);
        assert_eq!(options.flags.nosuid, Flag::Set);
    }
}
