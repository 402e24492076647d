//! The words about a check, and what mends its failure.

use std::borrow::Cow;

use serde::Serialize;

use super::{Body, Dimension, Gain, Reference, Severity};

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
