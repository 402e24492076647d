//! Runs a program under a profile: this test program starts itself, puts itself under the filter and executes the program.

use std::env;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use cofferdam_confinement::seccomp::{Action, Arch, Profile, compile};
use cofferdam_kernel::capability::CapSet;
use cofferdam_kernel::seccomp::{FilterFlags, install};
use cofferdam_policy::SyscallRules;
use cofferdam_policy::syscalls::profile_for;

/// Set for the process that a test starts of itself: which profile.
const PROFILE: &str = "COFFERDAM_TEST_PROFILE";

/// Under which filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// The built-in default, for a container without capabilities.
    Default,
    /// The built-in strict one.
    Strict,
    /// The default one with [`MARK`] added to each errno that it answers with.
    Marked,
    /// None: what the machine says by itself.
    None,
}

/// No errno of the kernel is as large: an answer above it is the filter's own.
pub const MARK: u16 = 1000;

/// The profile with every errno raised by [`MARK`].
fn marked(mut profile: Profile) -> Profile {
    let actions = profile.rules.iter_mut().map(|rule| &mut rule.action).chain([&mut profile.default_action]);
    for action in actions {
        if let Action::Errno(errno) = action {
            *errno += MARK;
        }
    }
    profile
}

impl Filter {
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Strict => "strict",
            Self::Marked => "marked",
            Self::None => "none",
        }
    }

    fn profile(self) -> Option<Profile> {
        match self {
            Self::Default => Some(profile_for(&SyscallRules::Default, CapSet::EMPTY)),
            Self::Strict => Some(profile_for(&SyscallRules::Strict, CapSet::EMPTY)),
            Self::Marked => Some(marked(profile_for(&SyscallRules::Default, CapSet::EMPTY))),
            Self::None => None,
        }
    }
}

/// To be called first by each test: in the process that [`run`] starts it executes the program and never returns.
pub fn become_program() {
    let Ok(name) = env::var(PROFILE) else { return };
    let all = [Filter::Default, Filter::Strict, Filter::Marked, Filter::None];
    let filter = all.into_iter().find(|filter| filter.name() == name).unwrap();
    let mut words = env::var("COFFERDAM_TEST_PROGRAM").unwrap();
    words.push('\u{1}');
    let mut words: Vec<&str> = words.split('\u{1}').collect();
    words.pop();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env_remove(PROFILE).env_remove("COFFERDAM_TEST_PROGRAM");
    if let Some(profile) = filter.profile() {
        let program = compile(&profile, Arch::native().unwrap()).unwrap().program;
        rustix::thread::set_no_new_privs(true).unwrap();
        install(program.instructions(), FilterFlags::default()).unwrap();
    }
    loop {
        let error = command.exec();
        // Another test's fork held the probe open for writing while this one closed it.
        assert_eq!(error.kind(), ErrorKind::ExecutableFileBusy, "{words:?}: {error}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Runs a program as the named test under a filter, in its own session without a terminal.
pub fn run(test: &str, filter: Filter, program: &[&str]) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(PROFILE, filter.name()).env("COFFERDAM_TEST_PROGRAM", program.join("\u{1}"));
    command.stdin(std::process::Stdio::null()).output().unwrap()
}
