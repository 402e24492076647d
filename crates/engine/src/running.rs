//! What is done with a container that runs, and what is read of one that ran.

use cofferdam_names::ContainerId;
use cofferdam_shim::{Connection, ContainerState, Failure, Frame, MAX_PACKET};

use crate::exec_events::ExecEvents;
use crate::options::{Attach, Change, EventQuery, ExecRequest, LogQuery, ProcessRow, StatsSample};
use crate::{
    AttachStream, Engine, Error, EventReader, ExecSession, LogReader, Result, changes, counters, exec, live,
};

impl Engine {
    /// Freezes all processes.
    ///
    /// # Errors
    /// It does not run, it is paused, or the kernel refused.
    pub fn pause(&self, id: &ContainerId) -> Result<()> {
        match live::Live::find(&self.paths, id)?.state {
            ContainerState::Paused => Err(Error::AlreadyPaused { id: id.clone() }),
            _ => self.ask_shim(id, "pause", &Frame::Pause),
        }
    }

    /// Lets frozen processes go on.
    ///
    /// # Errors
    /// It does not run, it is not paused, or the kernel refused.
    pub fn unpause(&self, id: &ContainerId) -> Result<()> {
        match live::Live::find(&self.paths, id)?.state {
            ContainerState::Running => Err(Error::NotPaused { id: id.clone() }),
            _ => self.ask_shim(id, "unpause", &Frame::Unpause),
        }
    }

    /// Connects to the streams of a running container.
    ///
    /// # Errors
    /// It does not run, or is paused.
    pub fn attach(&self, id: &ContainerId, attach: Attach) -> Result<AttachStream> {
        if live::Live::find(&self.paths, id)?.state == ContainerState::Paused {
            return Err(Error::Paused { id: id.clone() });
        }
        let failed = |source| Error::io("connect to the shim of", id.short(), source);
        let shim = Connection::open(&self.paths.run_dir(id).socket()).map_err(failed)?;
        let wanted = Frame::Attach { stdin: attach.stdin, stdout: attach.stdout, stderr: attach.stderr };
        shim.send(&wanted).map_err(failed)?;
        Ok(AttachStream::new(shim, attach))
    }

    /// Asks the container's shim for something and waits until it is done.
    pub(crate) fn ask_shim(
        &self,
        id: &ContainerId,
        operation: &'static str,
        request: &Frame<'_>,
    ) -> Result<()> {
        let failed = |source| Error::io("ask the shim of", id.short(), source);
        live::Live::find(&self.paths, id)?;
        let shim = Connection::open(&self.paths.run_dir(id).socket()).map_err(failed)?;
        shim.send(request).map_err(failed)?;
        let mut buffer = [0; MAX_PACKET];
        match shim.receive(&mut buffer).map_err(failed)? {
            Some(Frame::Done) => Ok(()),
            Some(Frame::Failed { class, messages }) => {
                let source = Failure::from_frame(class, messages);
                Err(Error::Shim { operation, id: id.clone(), source })
            }
            Some(other) => Err(failed(std::io::Error::other(format!("it answered {other:?}")))),
            None => Err(failed(std::io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Starts one more process in a running container; a session to relay its streams with, unless it is detached.
    ///
    /// # Errors
    /// The container does not run, the request is more than the container has, or the program cannot be executed.
    pub fn exec(&self, id: &ContainerId, request: &ExecRequest) -> Result<Option<ExecSession>> {
        let told = ExecEvents::of(&self.paths, &self.definition(id)?)?;
        let session = exec::start(&self.paths, id, request)?;
        told.begin(request);
        Ok(session.map(|session| session.telling(told)))
    }

    /// One reading of the container's counters.
    ///
    /// # Errors
    /// It does not run, or has no cgroup of its own.
    pub fn stats(&self, id: &ContainerId) -> Result<StatsSample> {
        counters::stats(&self.paths, id)
    }

    /// Its processes.
    ///
    /// # Errors
    /// It does not run.
    pub fn top(&self, id: &ContainerId) -> Result<Vec<ProcessRow>> {
        let rows = counters::top(&self.paths, id)?;
        self.definition(id)?.tell(&self.paths, "top", &[]);
        Ok(rows)
    }

    /// What it wrote to its standard output and error.
    ///
    /// # Errors
    /// It keeps none, or the log cannot be read.
    pub fn logs(&self, id: &ContainerId, query: &LogQuery) -> Result<LogReader> {
        if self.definition(id)?.request.log_driver.as_deref() == Some("none") {
            return Err(Error::NoLog { id: id.clone() });
        }
        LogReader::open(&self.paths, id, query)
    }

    /// What happened to containers, images and zones.
    ///
    /// # Errors
    /// The events cannot be read.
    pub fn events(&self, query: &EventQuery) -> Result<EventReader> {
        EventReader::open(&self.paths, query)
    }

    /// What it changed of its image's files.
    ///
    /// # Errors
    /// Its writable layer cannot be read.
    pub fn diff(&self, id: &ContainerId) -> Result<Vec<Change>> {
        let plan = live::read_plan(&self.paths.container(id))?;
        changes::of(&plan).map_err(|source| Error::io("compare the writable layer of", id, source))
    }
}
