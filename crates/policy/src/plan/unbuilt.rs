//! What a request may say and Cofferdam cannot do yet: refused, never ignored.

use super::{Planner, PolicyError};
use crate::RestartPolicy;

impl Planner<'_> {
    pub(super) fn refuse_unbuilt(&self) -> Result<(), PolicyError> {
        let request = self.request;
        if request.rm && request.restart != RestartPolicy::No {
            let rule = "a container that is removed when it ends cannot be started again";
            return Err(PolicyError::invalid("--rm with --restart", rule));
        }
        if request.stop_timeout.is_some_and(|seconds| seconds < -1) {
            return Err(PolicyError::invalid("--stop-timeout", "it is -1, 0 or a number of seconds"));
        }
        let signal = request.stop_signal.as_ref().or(self.context.image.stop_signal.as_ref());
        if let Some(signal) = signal.filter(|name| name.parse::<cofferdam_kernel::signal::Signal>().is_err())
        {
            return Err(PolicyError::invalid(
                format!("stop signal {signal:?}"),
                "the kernel has none of this name",
            ));
        }
        Ok(())
    }
}
