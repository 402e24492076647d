//! The build of an ordinary user: its files are worked on by a process that is root of a user namespace with that user's ids.
//!
//! There it mounts overlays, gives files to whom they belong, and reads what steps have written, as root does elsewhere. It cannot
//! start containers: they are this process's, which is asked for each and passes on what they write. Both are one program that
//! went on in two copies, so nothing that is exchanged has to be distrusted.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use cofferdam_build::execute::{
    BuildError, BuiltStage, CacheEntry, Progress, RunEnd, RunId, RunOrder, Runner, RunnerError, StageLayer,
    StepLabel,
};
use cofferdam_confinement::IdMaps;
use cofferdam_image::ImageConfigFile;
use cofferdam_runtime::start::RootAside;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::output::{Made, Packages};
use super::runner::{StepOrder, StepRunner};
use crate::told::Told;

/// What the process with the files says.
#[derive(Debug, Serialize, Deserialize)]
enum Said {
    Begin(Label),
    End(Label, bool, Duration),
    Output(Label, Vec<u8>),
    Note(String),
    /// What came with [`Heard::Output`] has been dealt with.
    Taken,
    Start(StepOrder),
    Wait,
    StopAll,
    Done(Result<Finished, Told>),
}

/// What it is told.
#[derive(Debug, Serialize, Deserialize)]
enum Heard {
    Started(Result<u64, Told>),
    Output { id: u64, stderr: bool, bytes: Vec<u8> },
    Ended(Result<(u64, i32), Told>),
}

/// [`StepLabel`]
#[derive(Debug, Serialize, Deserialize)]
struct Label {
    number: usize,
    stage: String,
    at: usize,
    of: usize,
    text: String,
}

impl Label {
    fn of(label: StepLabel<'_>) -> Self {
        let StepLabel { number, stage, at, of, text } = label;
        Self { number, stage: stage.to_owned(), at, of, text: text.to_owned() }
    }

    fn get(&self) -> StepLabel<'_> {
        StepLabel { number: self.number, stage: &self.stage, at: self.at, of: self.of, text: &self.text }
    }
}

/// [`Made`]
#[derive(Debug, Serialize, Deserialize)]
struct Finished {
    config: Vec<u8>,
    layers: Vec<StageLayer>,
    cached: usize,
    entries: Vec<CacheEntry>,
    packages: Option<Packages>,
}

impl Finished {
    fn of(made: Made) -> Result<Self, BuildError> {
        let BuiltStage { config, layers, cached, entries } = made.stage;
        let config = config.to_bytes().map_err(|error| BuildError::Refused(error.to_string()))?;
        Ok(Self { config, layers, cached, entries, packages: made.packages })
    }

    fn made(self) -> Result<Made, BuildError> {
        let config = ImageConfigFile::parse(&self.config).map_err(BuildError::Document)?;
        let stage = BuiltStage { config, layers: self.layers, cached: self.cached, entries: self.entries };
        Ok(Made { stage, packages: self.packages })
    }
}

/// Does `work` as root of a namespace with these ids, with containers that are started here.
pub(super) fn build(
    maps: &IdMaps,
    runner: &mut StepRunner<'_>,
    progress: &mut dyn Progress,
    work: impl FnOnce(&mut dyn Runner, &mut dyn Progress) -> Result<Made, BuildError>,
) -> Result<Made, BuildError> {
    let failed = |source: io::Error| BuildError::Aside(source.into());
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    let started = RootAside::start(maps, || {
        let link = RefCell::new(&theirs);
        let done = work(&mut Far(&link), &mut Shown(&link)).and_then(Finished::of);
        send(&theirs, &Said::Done(done.map_err(|error| Told::of(&error))))
    });
    let aside = started.map_err(|error| BuildError::Aside(error.into()))?;
    drop(theirs);
    let mut stopped = None;
    let done = serve(&ours, runner, progress, &mut stopped);
    match (done, stopped) {
        (Ok(done), _) => {
            aside.wait().map_err(|error| BuildError::Aside(error.into()))?;
            done.map_err(|told| BuildError::Aside(told.into()))?.made()
        }
        // The signal that ended the steps has ended that process, too.
        (Err(_), Some(told)) => Err(BuildError::Aside(told.into())),
        (Err(error), None) => {
            // How it ended says more than that it is gone.
            drop(ours);
            let ended = aside.wait().map_err(RunnerError::from);
            Err(BuildError::Aside(ended.err().unwrap_or_else(|| error.into())))
        }
    }
}

/// Answers until it is done. `stopped` is why no step could be waited for, if that has happened.
fn serve(
    link: &UnixStream,
    runner: &mut StepRunner<'_>,
    progress: &mut dyn Progress,
    stopped: &mut Option<Told>,
) -> io::Result<Result<Finished, Told>> {
    loop {
        match receive(link)? {
            Said::Start(order) => {
                let started = runner.start_order(order).map(|id| id.0);
                send(link, &Heard::Started(started.map_err(|error| Told::of(&*error))))?;
            }
            Said::Wait => {
                let mut passed = Ok(());
                let mut output = |id: RunId, stderr, bytes: &[u8]| {
                    let heard = Heard::Output { id: id.0, stderr, bytes: bytes.to_vec() };
                    if passed.is_ok() {
                        passed = send(link, &heard).and_then(|()| show_until_taken(link, progress));
                    }
                };
                let ended = runner.wait(&mut output).map(|(id, end)| (id.0, end.code));
                let ended = ended.map_err(|error| Told::of(&*error));
                *stopped = ended.as_ref().err().cloned();
                passed?;
                send(link, &Heard::Ended(ended))?;
            }
            Said::StopAll => runner.stop_all(),
            Said::Done(done) => return Ok(done),
            other => show(&other, progress),
        }
    }
}

fn show_until_taken(link: &UnixStream, progress: &mut dyn Progress) -> io::Result<()> {
    loop {
        match receive(link)? {
            Said::Taken => return Ok(()),
            said => show(&said, progress),
        }
    }
}

fn show(said: &Said, progress: &mut dyn Progress) {
    match said {
        Said::Begin(label) => progress.begin(label.get()),
        Said::End(label, cached, took) => progress.end(label.get(), *cached, *took),
        Said::Output(label, bytes) => progress.output(label.get(), bytes),
        Said::Note(text) => progress.note(text),
        _ => {}
    }
}

/// Who starts containers, as the other process sees it.
struct Far<'l>(&'l RefCell<&'l UnixStream>);

impl Runner for Far<'_> {
    fn start(&mut self, order: &RunOrder<'_>) -> Result<RunId, RunnerError> {
        let link = self.0.borrow();
        send(&link, &Said::Start(StepOrder::of(order)))?;
        match receive(&link)? {
            Heard::Started(started) => Ok(started.map(RunId)?),
            other => Err(unexpected(&other)),
        }
    }

    fn wait(&mut self, output: &mut dyn FnMut(RunId, bool, &[u8])) -> Result<(RunId, RunEnd), RunnerError> {
        send(&self.0.borrow(), &Said::Wait)?;
        loop {
            let heard = receive(&self.0.borrow())?;
            match heard {
                Heard::Output { id, stderr, bytes } => {
                    output(RunId(id), stderr, &bytes);
                    send(&self.0.borrow(), &Said::Taken)?;
                }
                Heard::Ended(ended) => {
                    let (id, code) = ended?;
                    // Here files have the container's numbers already.
                    return Ok((RunId(id), RunEnd { code, id_maps: None }));
                }
                other => return Err(unexpected(&other)),
            }
        }
    }

    fn stop_all(&mut self) {
        let _ = send(&self.0.borrow(), &Said::StopAll);
    }
}

/// Who shows what happens, as the other process sees it. Without the one that it tells it is not there for long.
struct Shown<'l>(&'l RefCell<&'l UnixStream>);

impl Shown<'_> {
    fn tell(&self, said: &Said) {
        let _ = send(&self.0.borrow(), said);
    }
}

impl Progress for Shown<'_> {
    fn begin(&mut self, step: StepLabel<'_>) {
        self.tell(&Said::Begin(Label::of(step)));
    }

    fn end(&mut self, step: StepLabel<'_>, cached: bool, took: Duration) {
        self.tell(&Said::End(Label::of(step), cached, took));
    }

    fn output(&mut self, step: StepLabel<'_>, bytes: &[u8]) {
        self.tell(&Said::Output(Label::of(step), bytes.to_vec()));
    }

    fn note(&mut self, text: &str) {
        self.tell(&Said::Note(text.to_owned()));
    }
}

fn unexpected(heard: &Heard) -> RunnerError {
    format!("an answer came that nobody asked for: {heard:?}").into()
}

/// Length and JSON.
fn send(mut link: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    link.write_all(&length.to_le_bytes())?;
    link.write_all(&text)
}

fn receive<T: DeserializeOwned>(mut link: &UnixStream) -> io::Result<T> {
    let mut length = [0; 4];
    link.read_exact(&mut length)?;
    let mut text = vec![0; usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?];
    link.read_exact(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}
