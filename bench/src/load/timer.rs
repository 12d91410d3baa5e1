//! Wakes a poll with nanosecond precision; the poll's own timeouts are whole milliseconds.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::failure::{Failure, Result};
use crate::stream;

#[derive(Debug)]
pub(super) struct Timer(OwnedFd);

impl Timer {
    pub(super) fn new(registry: &Registry, token: Token) -> Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let created = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(io::Error::from);
        let timer = created.and_then(|timer| {
            registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Self(timer))
        });
        timer.map_err(Failure::system("cannot create a timer"))
    }

    /// Waits for events for at most `timeout`, or for `timer_ns` where that is shorter.
    pub(super) fn wait(
        &self,
        poll: &mut Poll,
        events: &mut Events,
        timeout: Duration,
        timer_ns: Option<u64>,
    ) -> Result<()> {
        if let Some(timer_ns) = timer_ns {
            self.set(timer_ns)?;
        }
        stream::wait(poll, events, timeout)
    }

    /// Expires once, in `from_now_ns` nanoseconds.
    fn set(&self, from_now_ns: u64) -> Result<()> {
        let from_now_ns = from_now_ns.max(1); // Zero would stop the timer.
        let seconds = i64::try_from(from_now_ns / 1_000_000_000).unwrap_or(i64::MAX);
        let nanoseconds = (from_now_ns % 1_000_000_000) as i64;
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: seconds, tv_nsec: nanoseconds },
        };
        let set = timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once);
        set.map(|_| ()).map_err(io::Error::from).map_err(Failure::system("cannot set a timer"))
    }
}
