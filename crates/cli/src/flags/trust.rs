//! `--disable-content-trust`: Docker's switch for signatures of its own kind, which are no more.

use clap::Args;

use crate::report::Report;

/// The switch, which may only say what is so anyway.
#[derive(Debug, Clone, Args)]
pub(crate) struct TrustFlag {
    /// Docker's content trust is not used; a zone's `[images]` says which signatures an image needs
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    disable_content_trust: Option<String>,
}

impl TrustFlag {
    /// Refuses what would be a promise that nobody keeps.
    pub(crate) fn check(&self) -> Result<(), Report> {
        match self.disable_content_trust.as_deref() {
            None | Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(()),
            Some(other) => Err(Report::new(format!("cannot use --disable-content-trust={other}"))
                .hint("Docker's content trust (Notary) is not built; let the zone's [images] say signed_by")),
        }
    }
}
