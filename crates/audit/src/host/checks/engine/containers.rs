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
            let mut nothing_to_judge = None;
            let mut judged = 0;
            for one in containers {
                let verdict = control.judge(one);
                match verdict.outcome {
                    Outcome::Fail => {
                        failed.push(Evidence::new(format!("{}: {}", one.name, verdict.summary())))
                    }
                    Outcome::Unknown => unknown = Some(format!("{}: {}", one.name, verdict.summary())),
                    Outcome::Pass => judged += 1,
                    Outcome::NotApplicable => nothing_to_judge = Some(verdict.summary()),
                }
            }
            Ok(match (unknown, nothing_to_judge) {
                (Some(reason), _) if failed.is_empty() => Verdict::unknown(reason),
                (_, Some(reason)) if failed.is_empty() && judged == 0 => Verdict::not_applicable(reason),
                _ => Verdict::none_of(failed, format!("all {judged}")),
            })
        })
    });
    all.collect()
}

#[cfg(test)]
pub(in crate::host::checks) mod tests {
    use super::*;
    use crate::container::ContainerFacts;
    use crate::fact::Fact;
    use crate::host::checks::planted::nothing;

    #[test]
    pub(in crate::host::checks) fn every_check_can_fail_and_can_pass() {
        for control in controls() {
            let judge = |container: ContainerFacts| {
                let mut facts = nothing();
                facts.containers = Fact::Known(vec![container::tests::confined(), container]);
                control.judge(&facts).outcome
            };
            let id = format!("container.{}", control.about.id.trim_start_matches("containers."));
            assert_eq!(judge(container::tests::weak(&id)), Outcome::Fail, "{id}");
            assert_eq!(judge(container::tests::confined()), Outcome::Pass, "{id}");
        }
    }

    #[test]
    fn where_no_container_could_be_judged_none_passes() {
        let outcome = |id: &str, containers: Vec<ContainerFacts>| {
            let mut facts = nothing();
            facts.containers = Fact::Known(containers);
            controls().into_iter().find(|control| control.about.id == id).unwrap().judge(&facts).outcome
        };
        let label = |label: Option<&str>| ContainerFacts {
            label: Fact::Known(label.map(str::to_owned)),
            ..container::tests::confined()
        };
        assert_eq!(outcome("containers.label", vec![]), Outcome::NotApplicable);
        assert_eq!(outcome("containers.label", vec![label(None)]), Outcome::NotApplicable);
        assert_eq!(
            outcome("containers.label", vec![label(None), label(Some("docker-default"))]),
            Outcome::Pass
        );
        assert_eq!(outcome("containers.label", vec![label(None), label(Some("unconfined"))]), Outcome::Fail);
    }
}
