//! The checks on a container, asked of all that run here.

use crate::container;
use crate::control::{Control, Evidence, Outcome, Verdict};
use crate::host::HostFacts;

/// Each check on a container, as one over all of them.
pub(super) fn controls() -> Vec<Control<HostFacts>> {
    let all = container::controls().into_iter().map(|control| {
        let mut about = control.about.clone();
        about.area = "containers";
        about.id = format!("containers.{}", about.id.trim_start_matches("container.")).into();
        about.title = format!("Every container: {}", about.title).into();
        Control::new(about, move |facts: &HostFacts| {
            let containers = facts.containers.get()?;
            if containers.is_empty() {
                return Ok(Verdict::not_applicable("no container runs"));
            }
            let mut failed = Vec::new();
            let mut unknown = None;
            for one in containers {
                let verdict = control.judge(one);
                match verdict.outcome {
                    Outcome::Fail => {
                        failed.push(Evidence::new(format!("{}: {}", one.name, verdict.summary())))
                    }
                    Outcome::Unknown => unknown = Some(format!("{}: {}", one.name, verdict.summary())),
                    Outcome::Pass | Outcome::NotApplicable => {}
                }
            }
            Ok(match unknown {
                Some(reason) if failed.is_empty() => Verdict::unknown(reason),
                _ => Verdict::none_of(failed, format!("all {}", containers.len())),
            })
        })
    });
    all.collect()
}
