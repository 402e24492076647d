//! How a container is stopped: for `stop` and `restart` alike.

use clap::Args;
use cofferdam_engine::StopOptions;
use cofferdam_kernel::signal::Signal;

/// `-s`, `-t` and the containers.
#[derive(Debug, Clone, Args)]
pub(crate) struct StopFlags {
    /// The first signal (default: the container's own)
    #[arg(short, long)]
    signal: Option<Signal>,
    /// Seconds to wait before it is killed (-1: for ever)
    #[arg(short = 't', long = "timeout", visible_alias = "time", value_name = "SECONDS")]
    timeout: Option<i32>,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    pub(crate) containers: Vec<String>,
}

impl StopFlags {
    pub(crate) fn options(&self) -> StopOptions {
        StopOptions { signal: self.signal, timeout: self.timeout }
    }
}
