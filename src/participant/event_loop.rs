//! The poll, the clock, the timers and the read buffer that all parts share.

use std::io;

use mio::{Events, Poll, Registry};

use crate::config::PeerTimeouts;
use crate::limits::READ_BYTES;
use crate::net::{Clock, Scratch, ServiceManager, TimerId, TimerWheel, wait};
use crate::time::{Millis, UnixMillis};

/// State of the loop itself. The parts set timers, and ask for a next turn without a sleep.
pub(super) struct EventLoop {
    poll: Poll,
    clock: Clock,
    timers: TimerWheel<ParticipantTimer>,
    session_timer: Option<(Millis, TimerId)>,
    /// True while a timer of [`ParticipantTimer::Foreground`] is set.
    looks_for_foreground: bool,
    scratch: Scratch,
    /// Work is left for the next turn, and no event comes for it: the poll must not sleep.
    comes_back: bool,
    /// Times after which the coordinator's machine counts as gone.
    peer_timeouts: PeerTimeouts,
    service: ServiceManager,
    /// True if the service manager knows that the participant was online once.
    is_reported: bool,
}

/// A reason to wake the loop. Every turn checks all deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParticipantTimer {
    Session,
    Accept,
    Dial,
    Exit,
    Timeout,
    /// The result of a command of `--exec` is known.
    Command,
    /// The program may be in the foreground of its terminal again.
    Foreground,
}

impl EventLoop {
    /// Makes a loop whose first turn does not sleep.
    pub(super) fn new(poll: Poll, clock: Clock, peer_timeouts: PeerTimeouts) -> Self {
        Self {
            poll,
            clock,
            timers: TimerWheel::new(),
            session_timer: None,
            looks_for_foreground: false,
            scratch: Scratch::new(READ_BYTES),
            comes_back: true,
            peer_timeouts,
            service: ServiceManager::default(),
            is_reported: false,
        }
    }

    /// Sleeps until an event or a deadline. Returns the time of the turn that begins.
    pub(super) fn sleep(&mut self, events: &mut Events) -> io::Result<Millis> {
        let before = self.clock.now().steady;
        self.service.on_turn(before);
        let deadline = match std::mem::take(&mut self.comes_back) {
            true => Some(before),
            false => self.service.deadline(self.timers.next_deadline()),
        };
        let wake_by = self.clock.wake_by(deadline, before);
        wait(&mut self.poll, events, before, wake_by)?;
        Ok(self.clock.now().steady)
    }

    /// Finds the service manager in the environment.
    pub(super) fn find_service_manager(&mut self) {
        self.service = ServiceManager::of_environment();
    }

    /// Tells the service manager once that the participant is online.
    pub(super) fn report_online(&mut self) {
        if !std::mem::replace(&mut self.is_reported, true) {
            self.service.ready("online");
        }
    }

    /// Tells the service manager that the participant ends.
    pub(super) fn report_stopping(&self) {
        self.service.stopping();
    }

    /// Returns the wall clock.
    pub(super) fn unix_now(&self) -> UnixMillis {
        self.clock.now().unix
    }

    pub(super) fn on_clock_event(&mut self) {
        self.clock.on_event();
    }

    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Returns the times after which the coordinator's machine counts as gone.
    pub(super) fn peer_timeouts(&self) -> PeerTimeouts {
        self.peer_timeouts
    }

    /// Returns the memory for reads.
    pub(super) fn scratch(&mut self) -> &mut Scratch {
        &mut self.scratch
    }

    /// Makes the next turn begin without a sleep.
    pub(super) fn come_back(&mut self) {
        self.comes_back = true;
    }

    #[cfg(test)]
    pub(super) fn must_come_back(&self) -> bool {
        self.comes_back
    }

    pub(super) fn wake_at(&mut self, deadline: Millis, timer: ParticipantTimer) {
        self.timers.insert(deadline, timer);
    }

    /// Sets the timer of the next look for the foreground, unless it is set.
    pub(super) fn look_for_foreground(&mut self, deadline: Millis) {
        if !std::mem::replace(&mut self.looks_for_foreground, true) {
            self.wake_at(deadline, ParticipantTimer::Foreground);
        }
    }

    /// Returns the next timer that is due.
    pub(super) fn pop_due(&mut self, now: Millis) -> Option<ParticipantTimer> {
        let timer = self.timers.pop_due(now)?;
        match timer {
            ParticipantTimer::Session => self.session_timer = None,
            ParticipantTimer::Foreground => self.looks_for_foreground = false,
            ParticipantTimer::Accept
            | ParticipantTimer::Dial
            | ParticipantTimer::Exit
            | ParticipantTimer::Command
            | ParticipantTimer::Timeout => (),
        }
        Some(timer)
    }

    /// Sets the timer of the session to its deadline.
    pub(super) fn arm_session(&mut self, deadline: Option<Millis>) {
        if self.session_timer.map(|(set, _)| set) == deadline {
            return;
        }
        if let Some((_, timer)) = self.session_timer.take() {
            self.timers.cancel(timer);
        }
        self.session_timer = deadline
            .map(|deadline| (deadline, self.timers.insert(deadline, ParticipantTimer::Session)));
    }
}
