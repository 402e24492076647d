//! Starts containers: the shim is forked with everything it must know.

use cofferdam_kernel::signal::Signal;
use cofferdam_names::ContainerId;
use cofferdam_policy::ContainerRequest;
use cofferdam_shim::{ContainerState, Event, ExitClass, Lock, Order, ShimSpec, Status, spawn};

use crate::changing::write_plan;
use crate::create::{Made, attributes};
use crate::definition::{understood, understood_image};
use crate::error::{Error, Result};
use crate::health::health_check;
use crate::joining::rejoin;
use crate::live::read_plan;
use crate::log_options::log_options;
use crate::removal::remove_ended;
use crate::remover::ShimKeeper;
use crate::{Attach, AttachStream, Engine, RunOptions, Started, ownership, volume};

impl Engine {
    /// Makes a container and starts it; with [`RunOptions::attach`] the answer carries its streams.
    ///
    /// # Errors
    /// It could not be made or started; a container that was made only for this run is removed again.
    pub fn run(&self, request: &ContainerRequest, options: &RunOptions) -> Result<Started> {
        self.run_made(self.make(request, options.window)?, options)
    }

    /// Starts a container that was made for this run.
    pub(crate) fn run_made(&self, mut made: Made, options: &RunOptions) -> Result<Started> {
        let started = ownership::take(&self.paths, &made.id)
            .and_then(|lock| self.launch(&mut made, lock, Status::default(), options.attach));
        if started.is_err() && made.request.rm {
            let _ = remove_ended(&self.paths, &made.id);
            let _ = volume::remove_unused(&self.paths, made.request.anonymous_volumes());
        }
        started
    }

    /// Starts a container that does not run, as its zone allows it now: the zone may have changed since it was made.
    ///
    /// # Errors
    /// It runs already, or is paused, its zone does not allow it any more, or it could not be started.
    pub fn start(&self, id: &ContainerId, attach: Option<Attach>) -> Result<Started> {
        // Counted from a person's start on.
        let status = Status { restarts: 0, stopped_by_user: false, ..self.settle(id)? };
        match status.state {
            ContainerState::Paused => Err(Error::Paused { id: id.clone() }),
            _ => self.begin(id, status, attach),
        }
    }

    /// Starts a container that does not run, whose status is this.
    pub(crate) fn start_from(&self, id: &ContainerId, status: Status) -> Result<Started> {
        self.begin(id, status, None)
    }

    fn begin(&self, id: &ContainerId, status: Status, attach: Option<Attach>) -> Result<Started> {
        let found = self.store.container(id)?;
        let record = found.ok_or_else(|| Error::NoContainer { word: id.to_string() })?;
        let request = understood(&record)?;
        if let Some(slot) = record.slot
            && rustix::process::geteuid().is_root()
            && !self.store.holds_range(slot)
        {
            return Err(Error::RangeLost { id: id.clone() });
        }
        let dir = self.paths.container(id);
        let lock = ownership::take(&self.paths, id)?;
        let old = read_plan(&dir)?;
        let plan = self.plan_again(&record, &request, &old)?.into_plan();
        if plan != old {
            write_plan(&dir, &plan)?;
        }
        let health = health_check(&request, &understood_image(&record)?)?;
        let mut made = Made { id: id.clone(), name: record.name, plan, request, health };
        self.launch(&mut made, lock, status, attach)
    }

    fn launch(&self, made: &mut Made, lock: Lock, status: Status, attach: Option<Attach>) -> Result<Started> {
        let Made { id, name, plan, request, health } = made;
        let (id, name, request) = (&*id, &*name, &*request);
        if plan.network.is_some() {
            self.restore_network()?;
        }
        let run = self.paths.run_dir(id);
        let joined = match request.joined_containers().next() {
            Some(word) => Some(rejoin(&self.paths, &self.resolve(word)?, plan)?),
            None => None,
        };
        let spec = ShimSpec {
            health: health.clone(),
            id: id.clone(),
            dir: self.paths.container(id).path().to_owned(),
            run_dir: run.path().to_owned(),
            events: self.paths.events(),
            keys: self.paths.state().join("keys"),
            attributes: attributes(request, name, plan.zone.as_ref()),
            restart: request.restart,
            remove: request.rm,
            keep: false,
            volumes: request.anonymous_volumes().map(str::to_owned).collect(),
            stop_signal: stop_signal(request)?,
            stop_timeout: request.stop_timeout.unwrap_or(10),
            stdin_open: request.interactive,
            stdin_once: request.interactive && attach.is_some_and(|attach| attach.stdin),
            log: log_options(request)?,
            joined,
            connected: plan.network.is_some(),
            resolver: plan.network.is_some().then(|| self.keeper_orders()).transpose()?,
            rootless: match plan.network.as_ref().and_then(|network| network.outlet.as_ref()) {
                Some(_) => Some(self.users_network()?),
                None => None,
            },
        };
        let attach_shim = attach.map(|attach| cofferdam_shim::Attach {
            stdin: attach.stdin,
            stdout: attach.stdout,
            stderr: attach.stderr,
        });
        if attach_shim.is_some() {
            // As with Docker: who is there from the first byte on is told of before the start.
            let attributes = spec.attributes.clone();
            let _ = Event::now("container", "attach", id.as_str(), attributes).append(&spec.events);
        }
        let order = Order { plan, spec, status, lock, attach: attach_shim };
        let running = spawn(order, &ShimKeeper).map_err(|source| {
            // A program that is missing, for one, is a reason of its own.
            let network = plan
                .network
                .as_ref()
                .filter(|network| !network.published.is_empty() && source.class == ExitClass::Engine);
            match network.and_then(|network| self.port_conflict(network)) {
                Some((port, holder)) => Error::PortTaken { id: id.clone(), port, holder },
                None => Error::Start { id: id.clone(), source },
            }
        })?;
        if let Some(network) = &plan.network {
            self.keep_zone_renewed(network)?;
        }
        let stream = attach.map(|attach| AttachStream::new(running.connection, attach));
        Ok(Started { id: id.clone(), stream })
    }
}

fn stop_signal(request: &ContainerRequest) -> Result<Signal> {
    match &request.stop_signal {
        None => Ok(Signal::TERM),
        Some(text) => {
            text.parse().map_err(|error| Error::io("use the stop signal", text, std::io::Error::other(error)))
        }
    }
}
