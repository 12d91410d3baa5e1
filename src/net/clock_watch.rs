//! Wakes a loop when the wall clock was set or the machine has slept.

use std::io;

use mio::Registry;

/// A timer that never expires. The system cancels it when the wall clock is set. A machine that
/// wakes up sets the wall clock, too.
#[derive(Debug)]
pub(super) struct ClockWatch {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    timer: nix::sys::timerfd::TimerFd,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl ClockWatch {
    pub(super) fn new(registry: &Registry) -> io::Result<Self> {
        use std::os::fd::{AsFd as _, AsRawFd as _};

        use mio::Interest;
        use mio::unix::SourceFd;
        use nix::sys::time::{TimeSpec, TimeValLike as _};
        use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_REALTIME, flags)?;
        let never = Expiration::OneShot(TimeSpec::seconds(i32::MAX.into()));
        let is_canceled = TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        timer.set(never, TimerSetTimeFlags::TFD_TIMER_ABSTIME | is_canceled)?;
        let fd = timer.as_fd().as_raw_fd();
        registry.register(&mut SourceFd(&fd), super::CLOCK, Interest::READABLE)?;
        Ok(Self { timer })
    }

    /// Reads the event, which arms the timer again.
    pub(super) fn on_event(&self) {
        // `ECANCELED` is the expected result. Every other error means that there was no event.
        let _ = self.timer.wait();
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl ClockWatch {
    pub(super) fn new(_: &Registry) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn on_event(&self) {}
}
