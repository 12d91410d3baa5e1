//! `--top`: shows the rates, the backlog, the journal and the members of a group, again each
//! second. It asks the coordinator as every client can, and is no member.
//!
//! A terminal gets one screen, which keys sort. Everything else gets one line a second.
//!
//! ```text
//!   resolver thread ─▶ addresses ─▶ Source ─▶ samples ─▶ View ─▶ text ─▶ printer thread
//! ```

mod overview;
mod printer;
mod sample;
mod source;
mod terminal;
mod view;

use mio::{Events, Poll};

use super::ParticipantError;
use super::security::{OpenedSecurity, PeerSecurity};
use crate::config::ParticipantRun;
use crate::net::{Clock, Pool, SIGNALS, Signal, Signals, wait};
use printer::STDOUT;
use source::Source;
use terminal::KEYBOARD;
use view::View;

const WATCHED_SIGNALS: [Signal; 5] =
    [Signal::Terminate, Signal::Interrupt, Signal::Hangup, Signal::Continue, Signal::Resize];

/// Runs until a key, a signal, a closed standard output, or the last of `--count` lines. Returns
/// the exit code.
pub(super) fn run(run: &ParticipantRun) -> Result<u8, ParticipantError> {
    let system = |what| move |error| ParticipantError::System(what, error);
    let mut poll = Poll::new().map_err(system("cannot poll"))?;
    let mut signals = Signals::watch(poll.registry(), &WATCHED_SIGNALS)
        .map_err(system("cannot watch for signals"))?;
    let pool = Pool::new(poll.registry()).map_err(system("cannot wake the loop"))?;
    let OpenedSecurity { security, .. } =
        PeerSecurity::open(&run.config).map_err(ParticipantError::Keys)?;
    let source = Source::new(&run.config.coordinators, security.clone(), &run.config.id, &pool);
    let mut source = source.map_err(system("cannot start a thread"))?;
    let view = View::new(run, poll.registry(), &pool);
    let mut view = view.map_err(system("cannot use the terminal"))?;
    let (mut events, clock) = (Events::with_capacity(16), Clock::start());
    loop {
        let now = clock.now().steady;
        security.set_time(|| clock.now().unix);
        match source.advance(poll.registry(), now) {
            Ok(Some(sample)) => view.show(sample, source.coordinator()),
            Ok(None) => (),
            Err(problem) => view.report(problem),
        }
        view.advance(now);
        if let Some(code) = view.exit() {
            return Ok(code);
        }
        let deadline = view.deadline().into_iter().fold(source.deadline(), Ord::min);
        wait(&mut poll, &mut events, clock.now().steady, Some(deadline)).map_err(system("poll"))?;
        for event in &events {
            source.on_event(event);
            let handled = match event.token() {
                SIGNALS => view.on_signals(&signals.drain()),
                KEYBOARD => view.on_keys(),
                STDOUT if event.is_error() || event.is_write_closed() => {
                    view.end();
                    Ok(())
                }
                _ => Ok(()),
            };
            if handled.is_err() {
                view.end(); // The terminal is gone.
            }
        }
    }
}
