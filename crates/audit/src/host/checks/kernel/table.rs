//! Tables of checks on the kernel: a theme gives the words, a line the condition.

use std::borrow::Cow;

use crate::condition::{Comparison, Condition, Holding, Subject, Test};
use crate::control::{About, Body, Control, Fix, Gain, Judgement, Severity, Verdict};
use crate::host::HostFacts;
use crate::line::referring;

/// Lines that share their reason. Made when it is asked for, and with its lines in one text: see [`crate::line`] why.
pub(super) struct Theme {
    /// The group they are listed in.
    area: &'static str,
    /// Why it matters to containers.
    why: &'static str,
    /// How bad it is where a line fails, and what is gained.
    weight: (Severity, Gain),
    /// Who asks for it, beside kernel-hardening-checker: a line for each.
    bodies: &'static str,
    /// The machines it speaks of; none for all.
    machines: &'static str,
    /// Each line is `name: condition`, or the condition alone, whose first term then gives the name. A line that starts with `+`
    /// asks for more than other tools do, and one with `-` for something else.
    lines: &'static str,
}

/// A theme; not inlined, as the compiler would make a constant of it.
#[inline(never)]
pub(super) fn theme(
    area: &'static str,
    why: &'static str,
    weight: (Severity, Gain),
    bodies: &'static str,
    machines: &'static str,
    lines: &'static str,
) -> Theme {
    Theme { area, why, weight, bodies, machines, lines }
}

/// Machines of Intel's and AMD's.
pub(super) const X86: &str = "x86_64 i686";
/// Machines of ARM's with 64 bits.
pub(super) const ARM64: &str = "aarch64";
/// No machine in particular.
pub(super) const ANY: &str = "";

/// A line taken apart.
pub(super) struct Line {
    /// The check's name.
    pub(super) id: String,
    /// What it asks for; what cannot be read is told by the check itself.
    pub(super) condition: Result<Condition, crate::condition::ConditionError>,
    /// Whether kernel-hardening-checker asks for the same or looks at the same thing.
    pub(super) is_theirs: bool,
}

impl Theme {
    /// Its lines taken apart.
    pub(super) fn parsed(&self) -> impl Iterator<Item = Line> + '_ {
        self.parsed_where(|_| true)
    }

    /// Those of its lines whose text is wanted, taken apart.
    pub(super) fn parsed_where(&self, is_wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Line> {
        let lines = self.lines.lines().map(str::trim).filter(move |line| !line.is_empty() && is_wanted(line));
        lines.map(|line| {
            let (is_theirs, line) = match line.strip_prefix('+') {
                Some(rest) => (false, rest),
                None => (true, line.strip_prefix('-').unwrap_or(line)),
            };
            let (name, condition) = match line.split_once(": ") {
                Some((name, condition)) => {
                    let name =
                        name.strip_prefix("cmd:").or_else(|| name.strip_prefix("sys:")).unwrap_or(name);
                    (Some(name), condition)
                }
                None => (None, line),
            };
            let condition: Result<Condition, _> = condition.parse();
            let first =
                condition.as_ref().ok().and_then(|condition| condition.tests().first().copied().cloned());
            let id = match (name, &first) {
                (Some(name), Some(test)) => with_prefix(&test.subject, name),
                (None, Some(Test { subject, .. })) => with_prefix(subject, subject_name(subject)),
                (_, None) => line.to_owned(),
            };
            Line { id, condition, is_theirs }
        })
    }

    /// The checks of its lines.
    pub(super) fn controls(&self) -> impl Iterator<Item = Control<HostFacts>> {
        self.parsed().map(|line| self.control(line))
    }

    pub(super) fn control(&self, line: Line) -> Control<HostFacts> {
        let (severity, gain) = self.weight;
        let mut about = About::new(self.area, line.id.clone()).why(self.why).weight(severity, gain);
        if line.is_theirs {
            about = about.reference(Body::KernelHardeningChecker, their_name(&line.id));
        }
        about = self.bodies.lines().fold(about, referring);
        let condition = match line.condition {
            Ok(condition) => condition,
            Err(error) => {
                let reason = error.to_string();
                return Control::new(about, move |_| Ok(Verdict::unknown(reason.clone())));
            }
        };
        if let Some(test) = condition.tests().first() {
            about = about.title(title(test)).remedy(remedy(test));
            about.fix = fix(test);
        }
        let machines = self.machines;
        Control::new(about, move |facts: &HostFacts| judge(&condition, machines, facts))
    }
}

fn judge(condition: &Condition, machines: &str, facts: &HostFacts) -> Judgement {
    if !machines.is_empty() {
        let machine = facts.kernel.machine.get()?;
        if machines.split(' ').all(|name| name != machine) {
            return Ok(Verdict::not_applicable(format!("the machine is {machine}")));
        }
    }
    Ok(match condition.judge(&facts.kernel) {
        Holding::Holds(seen) => Verdict::pass(seen),
        Holding::Fails(seen) => Verdict::fail(seen),
        Holding::Unknown(reason) => Verdict::unknown(reason),
    })
}

fn with_prefix(subject: &Subject, name: &str) -> String {
    match subject {
        Subject::Option(_) => format!("kconfig.{name}"),
        Subject::CommandLine(_) => format!("cmdline.{name}"),
        // As zone files name them: `kernel.unprivileged_bpf_disabled`.
        Subject::Parameter(_) | Subject::Release | Subject::Machine => name.to_owned(),
    }
}

fn subject_name(subject: &Subject) -> &str {
    match subject {
        Subject::Option(name) | Subject::CommandLine(name) | Subject::Parameter(name) => name,
        Subject::Release => "release",
        Subject::Machine => "machine",
    }
}

/// The name under which kernel-hardening-checker lists the same.
fn their_name(id: &str) -> String {
    match id.strip_prefix("kconfig.") {
        Some(name) => format!("CONFIG_{}", name.split('.').next().unwrap_or(name)),
        None => id.strip_prefix("cmdline.").unwrap_or(id).to_owned(),
    }
}

fn wanted(test: &Test) -> Cow<'static, str> {
    match &test.comparison {
        Comparison::Equal(value) => format!("is {value}").into(),
        Comparison::Different(value) => format!("is not {value}").into(),
        Comparison::Contains(part) => format!("has {part}").into(),
        Comparison::AtLeast(least) => format!("is at least {least}").into(),
        Comparison::AtMost(most) => format!("is at most {most}").into(),
        Comparison::Since([major, minor, patch]) => format!("is {major}.{minor}.{patch} or newer").into(),
        Comparison::Before([major, minor, patch]) => format!("is older than {major}.{minor}.{patch}").into(),
        Comparison::Present => "is given".into(),
        Comparison::Absent => "is off".into(),
    }
}

fn title(test: &Test) -> String {
    let name = subject_name(&test.subject);
    match (&test.subject, &test.comparison) {
        (Subject::Option(_), Comparison::Equal(value)) if value == "y" => {
            format!("Kernel option {name} is on")
        }
        (Subject::Option(_), _) => format!("Kernel option {name} {}", wanted(test)),
        (Subject::CommandLine(_), Comparison::Absent) => format!("The kernel is started without {name}"),
        (Subject::CommandLine(_), Comparison::Present) => format!("The kernel is started with {name}"),
        (Subject::CommandLine(_), Comparison::Equal(value) | Comparison::Contains(value)) => {
            format!("The kernel is started with {name}={value}")
        }
        (Subject::CommandLine(_), _) => format!("Boot parameter {name} {}", wanted(test)),
        (Subject::Parameter(_), _) => format!("{name} {}", wanted(test)),
        (Subject::Release | Subject::Machine, _) => format!("The {name} {}", wanted(test)),
    }
}

fn remedy(test: &Test) -> String {
    let name = subject_name(&test.subject);
    match (&test.subject, fix(test)) {
        (_, Some(Fix::Parameter { name, value })) => {
            format!("write `{name} = {value}` to a file in /etc/sysctl.d and run `sysctl --system`")
        }
        (_, Some(Fix::BootWord { word })) => format!("add `{word}` to the kernel's command line"),
        (Subject::Option(_), _) => match &test.comparison {
            Comparison::Absent => format!("run a kernel that is built without CONFIG_{name}"),
            Comparison::Equal(value) => format!("run a kernel that is built with CONFIG_{name}={value}"),
            _ => format!("run a kernel whose CONFIG_{name} {}", wanted(test)),
        },
        (Subject::CommandLine(_), _) => format!("remove `{name}` from the kernel's command line"),
        _ => format!("see that {name} {}", wanted(test)),
    }
}

fn fix(test: &Test) -> Option<Fix> {
    match (&test.subject, &test.comparison) {
        (Subject::Parameter(name), Comparison::Equal(value)) => {
            Some(Fix::Parameter { name: name.clone(), value: value.clone() })
        }
        (Subject::Parameter(name), Comparison::AtLeast(value) | Comparison::AtMost(value)) => {
            Some(Fix::Parameter { name: name.clone(), value: value.to_string() })
        }
        (Subject::CommandLine(name), Comparison::Equal(value) | Comparison::Contains(value)) => {
            Some(Fix::BootWord { word: format!("{name}={value}") })
        }
        (Subject::CommandLine(name), Comparison::Present) => Some(Fix::BootWord { word: name.clone() }),
        _ => None,
    }
}
