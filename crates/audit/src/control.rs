//! What a check is: words about it, and one pure function over facts.

use std::borrow::Cow;

use serde::Serialize;

use crate::fact::Unknown;

/// How bad it is when the check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth doing, seldom decisive; or a setting that most distributions choose otherwise for good reasons.
    Low,
    /// Makes an attack easier.
    Medium,
    /// Opens a known way.
    High,
    /// The way is open: no further weakness is needed.
    Critical,
}

impl Severity {
    /// The severity that tables of checks call so.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High, Self::Critical].into_iter().find(|one| one.name() == word)
    }

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a process that escapes, or tries to, would gain from the weakness. The order is that of the ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gain {
    /// Nothing at once; it makes everything else a little easier to keep in order.
    Hygiene,
    /// Time: nobody sees what it does, or can prove it afterwards.
    Concealment,
    /// Others are kept from working.
    Denial,
    /// Knowledge that an attack needs: addresses, names, traffic.
    Information,
    /// A foothold that outlives the container, or a way to other accounts and hosts.
    Foothold,
    /// More of the kernel within reach, or weaknesses in it that are easier to use.
    KernelReach,
    /// The memory or files of other containers or of the host.
    OtherTenants,
    /// Root on the host.
    HostRoot,
}

impl Gain {
    /// The gain that tables of checks call so.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "hygiene" => Self::Hygiene,
            "concealment" => Self::Concealment,
            "denial" => Self::Denial,
            "information" => Self::Information,
            "foothold" => Self::Foothold,
            "kernel-reach" => Self::KernelReach,
            "other-tenants" => Self::OtherTenants,
            "host-root" => Self::HostRoot,
            _ => return None,
        })
    }

    /// What is gained, as the end of "an escaping container would gain ...".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::HostRoot => "root on the host",
            Self::OtherTenants => "the data of other containers or of the host",
            Self::KernelReach => "an easier way through the kernel",
            Self::Foothold => "a foothold that outlives it",
            Self::Information => "knowledge that an attack needs",
            Self::Denial => "the power to stop others",
            Self::Concealment => "time unseen",
            Self::Hygiene => "nothing at once",
        }
    }
}

/// The talk's four dimensions of container security.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dimension {
    /// The kernel below and its hardening.
    HostKernel,
    /// The container platform and its interfaces.
    Engine,
    /// Access to the host's and the engine's controls.
    ControlPlane,
    /// The processes themselves.
    Processes,
}

impl Dimension {
    /// All four, in the talk's order.
    pub const ALL: [Self; 4] = [Self::HostKernel, Self::Engine, Self::ControlPlane, Self::Processes];

    /// The words for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HostKernel => "host kernel",
            Self::Engine => "engine",
            Self::ControlPlane => "control plane",
            Self::Processes => "processes",
        }
    }
}

/// Who else asks for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// CIS Docker Benchmark, by the section numbers that docker-bench-security prints.
    CisDocker,
    /// CIS Debian Linux benchmark, sections.
    CisLinux,
    /// CIS Kubernetes Benchmark, sections.
    CisKubernetes,
    /// Kernel Self Protection Project, recommended settings.
    Kspp,
    /// kernel-hardening-checker's option.
    KernelHardeningChecker,
    /// NIST SP 800-190, countermeasure sections.
    Nist800190,
    /// NSA/CISA Kubernetes Hardening Guide, chapters.
    NsaCisa,
    /// DISA STIG rule of a Linux distribution.
    Stig,
    /// Lynis test ids.
    Lynis,
    /// Pod Security Standards, the field that a level restricts.
    PodSecurity,
}

impl Body {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 10] = [
        Self::CisDocker,
        Self::CisLinux,
        Self::CisKubernetes,
        Self::Kspp,
        Self::KernelHardeningChecker,
        Self::Nist800190,
        Self::NsaCisa,
        Self::Stig,
        Self::Lynis,
        Self::PodSecurity,
    ];

    /// The body that tables of checks call so.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "CisDocker" => Self::CisDocker,
            "CisLinux" => Self::CisLinux,
            "CisKubernetes" => Self::CisKubernetes,
            "Kspp" => Self::Kspp,
            "KernelHardeningChecker" => Self::KernelHardeningChecker,
            "Nist800190" => Self::Nist800190,
            "NsaCisa" => Self::NsaCisa,
            "Stig" => Self::Stig,
            "Lynis" => Self::Lynis,
            "PodSecurity" => Self::PodSecurity,
            _ => return None,
        })
    }

    /// The short name that stands before an id.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CisDocker => "CIS Docker",
            Self::CisLinux => "CIS Linux",
            Self::CisKubernetes => "CIS Kubernetes",
            Self::Kspp => "KSPP",
            Self::KernelHardeningChecker => "kernel-hardening-checker",
            Self::Nist800190 => "NIST SP 800-190",
            Self::NsaCisa => "NSA/CISA",
            Self::Stig => "STIG",
            Self::Lynis => "Lynis",
            Self::PodSecurity => "Pod Security Standards",
        }
    }
}

/// One of their requirements.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reference {
    /// Who.
    pub body: Body,
    /// Their number or name for it.
    pub id: Cow<'static, str>,
}

/// A change that mends a failure, as far as a machine can make it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fix {
    /// A parameter below `/proc/sys`.
    Parameter {
        /// With dots.
        name: String,
        /// Its value.
        value: String,
    },
    /// A word on the kernel's command line.
    BootWord {
        /// `name` or `name=value`.
        word: String,
    },
    /// A kernel module that is never loaded.
    BarModule {
        /// Its name.
        name: String,
    },
    /// A setting of the SSH server.
    SshSetting {
        /// Its keyword.
        name: String,
        /// Its value.
        value: String,
    },
    /// Logins write no core dumps.
    NoCoreDumps,
    /// What systemd does with core dumps.
    CoreDumpSetting {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A setting of systemd's journal.
    JournalSetting {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A path that the kernel's audit watches.
    Watch {
        /// The path.
        path: String,
    },
}

/// The words about a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// Unique, with dots: `kernel.unprivileged_bpf_disabled`. Zone files, waivers and baselines name it.
    pub id: Cow<'static, str>,
    /// What should be, in a few words.
    pub title: Cow<'static, str>,
    /// Why it matters to containers, in one sentence.
    pub why: Cow<'static, str>,
    /// What to do where it is not so.
    pub remedy: Cow<'static, str>,
    /// How bad it is.
    pub severity: Severity,
    /// What an escaping container would gain.
    pub gain: Gain,
    /// Where it belongs in the posture.
    pub dimension: Dimension,
    /// The group of checks it stands in: `kernel options`, `ssh`, ...
    pub area: &'static str,
    /// Who else asks for it.
    pub references: Vec<Reference>,
    /// The change that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
}

impl About {
    /// Words about a check; severity medium, gain kernel reach and dimension host kernel until said otherwise.
    #[must_use]
    pub fn new(area: &'static str, id: impl Into<Cow<'static, str>>) -> Self {
        Self {
            id: id.into(),
            title: Cow::Borrowed(""),
            why: Cow::Borrowed(""),
            remedy: Cow::Borrowed(""),
            severity: Severity::Medium,
            gain: Gain::KernelReach,
            dimension: Dimension::HostKernel,
            area,
            references: Vec::new(),
            fix: None,
        }
    }

    /// Says what should be.
    #[must_use]
    pub fn title(self, title: impl Into<Cow<'static, str>>) -> Self {
        Self { title: title.into(), ..self }
    }

    /// Says why.
    #[must_use]
    pub fn why(self, why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), ..self }
    }

    /// Says what to do.
    #[must_use]
    pub fn remedy(self, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }

    /// Says how bad it is and what is gained.
    #[must_use]
    pub fn weight(self, severity: Severity, gain: Gain) -> Self {
        Self { severity, gain, ..self }
    }

    /// Says where it belongs.
    #[must_use]
    pub fn dimension(self, dimension: Dimension) -> Self {
        Self { dimension, ..self }
    }

    /// Says who else asks for it.
    #[must_use]
    pub fn reference(mut self, body: Body, id: impl Into<Cow<'static, str>>) -> Self {
        self.references.push(Reference { body, id: id.into() });
        self
    }

    /// Says all who ask for it.
    #[must_use]
    pub fn references(self, all: &[(Body, &'static str)]) -> Self {
        all.iter().fold(self, |about, (body, id)| about.reference(*body, *id))
    }
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is as it should be.
    Pass,
    /// It is not.
    Fail,
    /// There is nothing here that it speaks of.
    NotApplicable,
    /// Nobody could tell. Never counted as a pass.
    Unknown,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotApplicable => "not applicable",
            Self::Unknown => "unknown",
        }
    }
}

/// One thing that was seen, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// What was seen.
    pub text: String,
    /// The file it was seen in, as named from the root that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The line in it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

/// The outcome of a check with what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What it came to.
    pub outcome: Outcome,
    /// What was seen: for a failure, each thing that is not as it should be.
    pub seen: Vec<Evidence>,
}

/// How many pieces of evidence a verdict keeps; a hostile tree can hold any number.
const MOST_EVIDENCE: usize = 50;

impl Verdict {
    fn new(outcome: Outcome, text: impl Into<String>) -> Self {
        Self { outcome, seen: vec![Evidence { text: text.into(), path: None, line: None }] }
    }

    /// As it should be.
    pub fn pass(seen: impl Into<String>) -> Self {
        Self::new(Outcome::Pass, seen)
    }

    /// Not as it should be.
    pub fn fail(seen: impl Into<String>) -> Self {
        Self::new(Outcome::Fail, seen)
    }

    /// Nothing to judge, for this reason.
    pub fn not_applicable(reason: impl Into<String>) -> Self {
        Self::new(Outcome::NotApplicable, reason)
    }

    /// Not known, for this reason.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Unknown, reason)
    }

    /// A failure if anything was found, a pass with these words otherwise.
    pub fn none_of(found: impl IntoIterator<Item = Evidence>, otherwise: impl Into<String>) -> Self {
        let mut found = found.into_iter();
        let seen: Vec<Evidence> = found.by_ref().take(MOST_EVIDENCE).collect();
        if seen.is_empty() {
            return Self::pass(otherwise);
        }
        let mut verdict = Self { outcome: Outcome::Fail, seen };
        let more = found.count();
        if more > 0 {
            verdict.seen.push(Evidence::new(format!("and {more} more")));
        }
        verdict
    }

    /// Adds the place of what was seen.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>, line: Option<usize>) -> Self {
        if let Some(last) = self.seen.last_mut() {
            last.path = Some(path.into());
            last.line = line;
        }
        self
    }

    /// What was seen, in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        self.seen.iter().map(|evidence| evidence.text.as_str()).collect::<Vec<_>>().join("; ")
    }
}

impl Evidence {
    /// Something seen at no place in particular.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), path: None, line: None }
    }

    /// Something seen in a file.
    pub fn at(text: impl Into<String>, path: impl Into<String>, line: Option<usize>) -> Self {
        Self { text: text.into(), path: Some(path.into()), line }
    }
}

/// What a check's function gives: `?` on an unknown fact makes the verdict unknown.
pub type Judgement = Result<Verdict, Unknown>;

/// One check over facts of type `F`.
pub struct Control<F: ?Sized> {
    /// The words about it.
    pub about: About,
    judge: Box<dyn Fn(&F) -> Judgement + Send + Sync>,
}

impl<F: ?Sized> Control<F> {
    /// A check with its words.
    pub fn new(about: About, judge: impl Fn(&F) -> Judgement + Send + Sync + 'static) -> Self {
        Self { about, judge: Box::new(judge) }
    }

    /// Judges the facts.
    pub fn judge(&self, facts: &F) -> Verdict {
        (self.judge)(facts).unwrap_or_else(|Unknown(reason)| Verdict::unknown(reason))
    }
}

impl<F: ?Sized> std::fmt::Debug for Control<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("about", &self.about).finish_non_exhaustive()
    }
}
