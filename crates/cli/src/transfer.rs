//! What a person sees of blobs on their way: bars on a terminal, lines elsewhere, or nothing.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use cofferdam_engine::registry::{BlobState, Progress, Silent};
use cofferdam_names::Digest;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Which way blobs go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Here,
    There,
}

/// What suits a command: nothing, bars where standard error is a terminal, or lines.
pub(crate) fn watch(quiet: bool, way: Way) -> Box<dyn Progress> {
    if quiet {
        Box::new(Silent)
    } else if std::io::stderr().is_terminal() {
        Box::new(Bars::new(way))
    } else {
        Box::new(Lines { way, told: Mutex::default() })
    }
}

/// The digits of a digest that Docker shows.
fn short(digest: &Digest) -> &str {
    digest.hex().get(..12).unwrap_or_default()
}

/// The words of Docker's clients.
fn words(state: BlobState, way: Way) -> &'static str {
    match (state, way) {
        (BlobState::Waiting, _) => "Waiting",
        (BlobState::Moving(_), Way::Here) => "Pulling",
        (BlobState::Moving(_), Way::There) => "Pushing",
        (BlobState::Again, _) => "Retrying",
        (BlobState::Unpacking, _) => "Extracting",
        (BlobState::Done, Way::Here) => "Pull complete",
        (BlobState::Done, Way::There) => "Pushed",
        (BlobState::Present, Way::Here) => "Already exists",
        (BlobState::Present, Way::There) => "Layer already exists",
        (BlobState::Mounted, _) => "Mounted from another repository",
    }
}

/// One line for each change of a blob's state, on standard error.
struct Lines {
    way: Way,
    told: Mutex<BTreeMap<Digest, &'static str>>,
}

impl Progress for Lines {
    fn blob(&self, digest: &Digest, _: u64, state: BlobState) {
        let words = words(state, self.way);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // What is here already is said last of it.
        let known = told.get(digest).copied();
        if known == Some(words) || state == BlobState::Waiting {
            return;
        }
        if !(state == BlobState::Done && known == Some(self::words(BlobState::Present, self.way))) {
            // A reader that is gone has seen enough.
            let _ = writeln!(std::io::stderr().lock(), "{}: {words}", short(digest));
            told.insert(digest.clone(), words);
        }
    }
}

/// One bar for each blob, on the terminal.
struct Bars {
    way: Way,
    all: MultiProgress,
    bars: Mutex<BTreeMap<Digest, ProgressBar>>,
}

impl Bars {
    fn new(way: Way) -> Self {
        Self {
            way,
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            bars: Mutex::default(),
        }
    }
}

impl Progress for Bars {
    fn blob(&self, digest: &Digest, size: u64, state: BlobState) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(digest.clone()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new(size));
            let style = ProgressStyle::with_template("{prefix}: {msg:12} {bar:40} {bytes:>10}/{total_bytes}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            bar.set_prefix(short(digest).to_owned());
            bar
        });
        let end = matches!(state, BlobState::Done | BlobState::Present | BlobState::Mounted);
        if bar.is_finished() {
            return;
        }
        match state {
            BlobState::Moving(at) => bar.set_position(at),
            BlobState::Unpacking => bar.set_position(size),
            _ => {}
        }
        bar.set_message(words(state, self.way));
        if end {
            let plain = ProgressStyle::with_template("{prefix}: {msg}");
            bar.set_style(plain.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.finish();
        }
    }
}
