//! What the checks came to in a test, by the thread that asked: so that a test can prove of the whole list that no check is
//! without a case in which it fails and one in which it passes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::control::Outcome;

thread_local! {
    static JUDGED: RefCell<BTreeMap<String, BTreeSet<Outcome>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Remembers an outcome of a check.
pub(crate) fn remember(id: &str, outcome: Outcome) {
    JUDGED.with_borrow_mut(|judged| judged.entry(id.to_owned()).or_default().insert(outcome));
}

/// The outcomes that each check had in this thread.
pub(crate) fn outcomes() -> BTreeMap<String, BTreeSet<Outcome>> {
    JUDGED.with_borrow(Clone::clone)
}
