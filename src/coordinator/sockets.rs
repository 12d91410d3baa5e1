//! Timers, a buffer and the work of a turn, shared by the sockets of both kinds.

use super::certificates::CertificateEnds;
use super::suspend::SuspendGrace;
use crate::limits::{Keepalive, READ_BYTES};
use crate::net::{Key, Scratch, TimerId, TimerWheel};
use crate::time::{Millis, Now};

/// The timers, a read buffer, and the work that is left in a turn.
#[derive(Debug)]
pub(super) struct Sockets {
    timers: TimerWheel<CoordinatorTimer>,
    /// Deadline of the group.
    group_timer: Option<(Millis, TimerId)>,
    /// Deadline of the journal.
    journal_timer: Option<(Millis, TimerId)>,
    certificates: CertificateEnds,
    suspend_grace: SuspendGrace,
    scratch: Scratch,
    /// Work that is left of the limit of this turn.
    work_left: usize,
    keepalive: Option<Keepalive>,
}

/// Purpose of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CoordinatorTimer {
    /// [`HANDSHAKE_MS`](crate::limits::tls::HANDSHAKE_MS): the handshake of a command socket is
    /// unfinished.
    Handshake(Key),
    /// `line_timeout`: a line is unfinished.
    Line(Key),
    /// `connect_timeout`: a connect-back is in progress.
    Connect(Key),
    /// `stall_timeout`: a message socket takes no bytes.
    Stall(Key),
    /// `stall_timeout`: a command socket that becomes a message socket takes no replies.
    Upgrade(Key),
    /// Written bytes may be unacknowledged.
    PeerCheck,
    /// A refused client had time to read the reason.
    Linger(Key),
    /// The pause of accepting ends.
    Accept,
    /// A block of the history expires.
    Group,
    /// The journal has something to do: a retry, a sync, a removal.
    Journal,
    /// A certificate ends, or the wall clock must be looked at.
    Certificates,
    /// A second of the HTTP server has passed.
    Http,
    /// The wait for sockets at shutdown ends.
    Shutdown,
}

impl CoordinatorTimer {
    /// Returns the socket whose peer the timer may end.
    pub(super) fn socket(self) -> Option<Key> {
        match self {
            Self::Handshake(key)
            | Self::Line(key)
            | Self::Connect(key)
            | Self::Stall(key)
            | Self::Upgrade(key)
            | Self::Linger(key) => Some(key),
            Self::PeerCheck
            | Self::Accept
            | Self::Group
            | Self::Journal
            | Self::Certificates
            | Self::Http
            | Self::Shutdown => None,
        }
    }
}

impl Sockets {
    /// `keepalive`: the probes of silent peers.
    pub(super) fn new(started: Millis, keepalive: Option<Keepalive>) -> Self {
        Self {
            timers: TimerWheel::new(),
            group_timer: None,
            journal_timer: None,
            certificates: CertificateEnds::default(),
            suspend_grace: SuspendGrace::new(started),
            scratch: Scratch::new(READ_BYTES),
            work_left: 0,
            keepalive,
        }
    }

    pub(super) fn change_keepalive(&mut self, keepalive: Option<Keepalive>) {
        self.keepalive = keepalive;
    }

    /// Returns the probes that are set for each new connection.
    pub(super) fn keepalive(&self) -> Option<Keepalive> {
        self.keepalive
    }

    /// Returns the memory for reads.
    pub(super) fn scratch(&mut self) -> &mut Scratch {
        &mut self.scratch
    }

    /// Returns the deadline of the next timer.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.timers.next_deadline()
    }

    /// Records the start of a turn that was due at `deadline` at the latest.
    pub(super) fn begin_turn(&mut self, deadline: Option<Millis>, now: Millis) {
        self.suspend_grace.begin_turn(deadline, now);
    }

    /// Sets a timer.
    pub(super) fn set_timer(&mut self, due: Millis, timer: CoordinatorTimer) -> TimerId {
        self.timers.insert(due, timer)
    }

    /// Cancels a timer, if there is one.
    pub(super) fn cancel(&mut self, timer: Option<TimerId>) {
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
    }

    /// Returns the next timer that is due.
    pub(super) fn pop_due(&mut self, now: Millis) -> Option<CoordinatorTimer> {
        let timer = self.timers.pop_due(now)?;
        match timer {
            CoordinatorTimer::Group => self.group_timer = None,
            CoordinatorTimer::Journal => self.journal_timer = None,
            CoordinatorTimer::Certificates => self.certificates.on_timer(),
            CoordinatorTimer::Handshake(_)
            | CoordinatorTimer::Line(_)
            | CoordinatorTimer::Connect(_)
            | CoordinatorTimer::Stall(_)
            | CoordinatorTimer::Upgrade(_)
            | CoordinatorTimer::Linger(_)
            | CoordinatorTimer::PeerCheck
            | CoordinatorTimer::Accept
            | CoordinatorTimer::Http
            | CoordinatorTimer::Shutdown => (),
        }
        Some(timer)
    }

    /// Returns the first timer that becomes due, with a time at which it is due.
    #[cfg(test)]
    pub(super) fn first_due(&mut self) -> Option<(CoordinatorTimer, Millis)> {
        loop {
            let due = self.next_deadline()?;
            if let Some(timer) = self.pop_due(due) {
                return Some((timer, due));
            }
        }
    }

    /// Postpones a timeout of a peer that expires right after a standstill. Returns the socket and
    /// its new timer.
    pub(super) fn postpone(
        &mut self,
        timer: CoordinatorTimer,
        now: Millis,
    ) -> Option<(Key, TimerId)> {
        let key = timer.socket()?;
        let due = self.suspend_grace.ends_after(now)?;
        Some((key, self.timers.insert(due, timer)))
    }

    /// Sets the timers of the group and of the journal to their deadlines.
    pub(super) fn arm_deadlines(&mut self, group: Option<Millis>, journal: Option<Millis>) {
        rearm(&mut self.timers, &mut self.group_timer, group, CoordinatorTimer::Group);
        rearm(&mut self.timers, &mut self.journal_timer, journal, CoordinatorTimer::Journal);
    }

    /// Returns the ends of the certificates that sockets have shown.
    pub(super) fn certificates(&mut self) -> &mut CertificateEnds {
        &mut self.certificates
    }

    /// Sets the timer of the certificate that ends first.
    pub(super) fn arm_certificates(&mut self, now: Now) {
        self.certificates.arm(&mut self.timers, now);
    }

    /// Begins a part of a turn with a limit of work.
    pub(super) fn begin_work(&mut self, work: usize) {
        self.work_left = work;
    }

    /// Subtracts work from the limit of this turn.
    pub(super) fn spend(&mut self, work: usize) {
        self.work_left = self.work_left.saturating_sub(work);
    }

    pub(super) fn work_left(&self) -> usize {
        self.work_left
    }
}

/// Sets a timer to `due`, and cancels its earlier deadline.
fn rearm(
    timers: &mut TimerWheel<CoordinatorTimer>,
    armed: &mut Option<(Millis, TimerId)>,
    due: Option<Millis>,
    timer: CoordinatorTimer,
) {
    if due == armed.map(|(deadline, _)| deadline) {
        return;
    }
    if let Some((_, id)) = armed.take() {
        timers.cancel(id);
    }
    *armed = due.map(|due| (due, timers.insert(due, timer)));
}
