//! Work of a start while it waits for the engine: it obeys signals, gives the service manager signs
//! of life, and closes connections, so that clients go elsewhere.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Waker};

use super::{CoordinatorError, EngineThread, SiteStart, options};
use crate::config::EngineConfig;
use crate::limits::list::{REOPEN_MS, START_POLL_MS};
use crate::net::engine::{EngineStream, Opening};
use crate::net::{Acceptor, Clock, ServiceManager, Signals, WAKER};

/// The parts of a loop that is not running yet.
pub(in crate::coordinator) struct StartLoop<'a> {
    pub(in crate::coordinator) poll: &'a mut Poll,
    pub(in crate::coordinator) signals: &'a mut Signals,
    pub(in crate::coordinator) service: &'a mut ServiceManager,
    pub(in crate::coordinator) acceptor: &'a Acceptor,
    /// True if the acceptor has its address and does not listen.
    pub(in crate::coordinator) listens_later: bool,
}

impl StartLoop<'_> {
    /// Serves what waits. Returns true if a signal asks for the end.
    pub(super) fn turn(&mut self, clock: &Clock) -> bool {
        self.service.on_turn(clock.now().steady);
        self.acceptor.refuse_waiting();
        self.signals.is_asked_to_end()
    }

    /// Waits until the engine reports something, or for a moment.
    pub(super) fn wait(&mut self, events: &mut Events) -> Result<(), CoordinatorError> {
        wait(self.poll, events)
    }

    /// Listens on the address, before the list names this process as live.
    pub(super) fn listen(&mut self) -> io::Result<()> {
        if self.listens_later {
            self.listens_later = false;
            self.acceptor.listen()?;
        }
        Ok(())
    }

    /// Opens the stream. A start that must tell others what is missing tries again until it can,
    /// since a new process would not know of it.
    pub(super) fn open(
        &mut self,
        engine: &EngineConfig,
        start: SiteStart,
        clock: &Clock,
    ) -> Result<(EngineThread, EngineStream), CoordinatorError> {
        let (waker, mut said) = (new_waker(self.poll)?, String::new());
        let mut events = Events::with_capacity(64);
        loop {
            let failed = match self.open_once(engine, start, clock, &waker) {
                Err(failed) if start.tasks.doubt.is_some() && may_go(&failed) => failed,
                opened @ (Ok(_) | Err(_)) => return opened,
            };
            let reason = failed.to_string();
            if reason != said {
                log::warn!("the list cannot be read again yet: {reason}");
                said = reason;
            }
            let until = clock.now().steady.plus(REOPEN_MS);
            while clock.now().steady < until {
                if self.turn(clock) {
                    return Err(start.stopped(&engine.group));
                }
                self.wait(&mut events)?;
            }
        }
    }

    fn open_once(
        &mut self,
        engine: &EngineConfig,
        start: SiteStart,
        clock: &Clock,
        waker: &Arc<Waker>,
    ) -> Result<(EngineThread, EngineStream), CoordinatorError> {
        let options = options(engine)?;
        let mut opening =
            Opening::start(&options, Arc::clone(waker)).map_err(CoordinatorError::Engine)?;
        let mut events = Events::with_capacity(64);
        let opened = loop {
            if self.turn(clock) {
                return Err(start.stopped(&engine.group));
            }
            match opening.poll() {
                Some(opened) => break opened,
                None => self.wait(&mut events)?,
            }
        };
        let stream = opened.map_err(CoordinatorError::Engine)?;
        Ok((EngineThread::new(opening.into_engine(), &options, &stream), stream))
    }
}

/// Returns true if a start may succeed later: the engine comes back, or a file is being replaced.
fn may_go(failed: &CoordinatorError) -> bool {
    if let CoordinatorError::Engine(failed) = failed {
        return !failed.is_missing();
    }
    matches!(failed, CoordinatorError::Config(_))
}

/// Makes the waker of a poll, which has one at most.
pub(super) fn new_waker(poll: &Poll) -> Result<Arc<Waker>, CoordinatorError> {
    let waker = Waker::new(poll.registry(), WAKER);
    let waker = waker.map_err(|error| CoordinatorError::System("cannot wake the loop", error))?;
    Ok(Arc::new(waker))
}

/// Waits until the engine reports something, or for a moment.
pub(super) fn wait(poll: &mut Poll, events: &mut Events) -> Result<(), CoordinatorError> {
    match poll.poll(events, Some(Duration::from_millis(START_POLL_MS))) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => {
            Err(CoordinatorError::System("cannot poll", error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
