//! Every line of the tables can hold, can fail, and is unknown where nothing is known.

use std::collections::BTreeSet;

use super::themes;
use crate::condition::{Comparison, Condition, Subject, Test};
use crate::control::{Control, Outcome};
use crate::fact::Fact;
use crate::host::checks::planted::nothing;
use crate::host::{HostFacts, Kernel};

/// Values that could make a term hold or fail; `None`: not there.
fn candidates(test: &Test) -> Vec<Option<String>> {
    let some = |text: &str| Some(text.to_owned());
    match &test.comparison {
        Comparison::Equal(value) | Comparison::Contains(value) | Comparison::Different(value) => {
            vec![some(value), some("something-else"), None]
        }
        Comparison::AtLeast(least) => vec![Some(least.to_string()), some("0"), None],
        Comparison::AtMost(most) => vec![Some(most.to_string()), Some((most + 1).to_string()), None],
        Comparison::Since([a, b, c]) | Comparison::Before([a, b, c]) => {
            vec![Some(format!("{a}.{b}.{c}")), some("2.6.0")]
        }
        Comparison::Present | Comparison::Absent => vec![some("y"), some("n"), None],
    }
}

fn plant(kernel: &mut Kernel, subject: &Subject, value: Option<&String>) {
    let known = |value: &String| value.clone();
    match subject {
        Subject::Option(name) => {
            if let (Fact::Known(options), Some(value)) = (&mut kernel.options, value) {
                options.insert(name.clone(), value.clone());
            }
        }
        Subject::CommandLine(name) => {
            if let (Fact::Known(words), Some(value)) = (&mut kernel.command_line, value) {
                words.push((name.clone(), Some(value.clone())));
            }
        }
        Subject::Parameter(name) => {
            kernel.parameters.insert(name.clone(), Fact::Known(value.cloned()));
        }
        Subject::Release => kernel.release = Fact::Known(value.map_or_else(|| "6.1.0".to_owned(), known)),
        Subject::Machine => kernel.machine = Fact::Known(value.map_or_else(|| "x86_64".to_owned(), known)),
    }
}

/// The outcomes that a check has, over all kernels made of values that matter to its condition.
fn outcomes(control: &Control<HostFacts>, condition: &Condition) -> BTreeSet<Outcome> {
    let mut choices: Vec<(Subject, Vec<Option<String>>)> =
        vec![(Subject::Machine, vec![Some("x86_64".to_owned()), Some("aarch64".to_owned())])];
    for test in condition.tests() {
        match choices.iter_mut().find(|(subject, _)| *subject == test.subject) {
            Some((_, values)) => values.extend(candidates(test)),
            None => choices.push((test.subject.clone(), candidates(test))),
        }
    }
    for (_, values) in &mut choices {
        values.sort();
        values.dedup();
    }
    let total: usize = choices.iter().map(|(_, values)| values.len()).product();
    let mut facts = nothing();
    let outcome = |mut number: usize| {
        facts.kernel = Kernel::unknown("not planted");
        facts.kernel.options = Fact::Known([].into());
        facts.kernel.command_line = Fact::Known(Vec::new());
        for (subject, values) in &choices {
            plant(&mut facts.kernel, subject, values[number % values.len()].as_ref());
            number /= values.len();
        }
        control.judge(&facts).outcome
    };
    (0..total).map(outcome).collect()
}

#[test]
pub(in crate::host::checks) fn every_line_can_hold_and_can_fail() {
    let mut ids = BTreeSet::new();
    for theme in themes() {
        for (line, control) in theme.parsed().zip(theme.controls()) {
            let condition = line.condition.unwrap_or_else(|error| panic!("{}: {error}", line.id));
            let outcomes = outcomes(&control, &condition);
            assert!(outcomes.contains(&Outcome::Pass), "{} cannot hold", line.id);
            assert!(outcomes.contains(&Outcome::Fail), "{} cannot fail", line.id);
            assert_eq!(control.judge(&nothing()).outcome, Outcome::Unknown, "{}", line.id);
            assert!(ids.insert(line.id.clone()), "{} stands twice", line.id);
        }
    }
    assert!(ids.len() > 360, "{}", ids.len());
}
