//! The machine's clocks: set, or run on while it sleeps, by so much as the page says.

use std::env;
use std::ffi::{c_int, c_void};
use std::fs::OpenOptions;
use std::os::fd::IntoRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::inside;
use crate::page::clock_offset_ms;
use crate::real::real;
use crate::shared::{SLEPT_MS, WALL_SET_MS};

const CLOCK_REALTIME: c_int = 0;
const CLOCK_BOOTTIME: c_int = 7;
const O_NONBLOCK: c_int = 0o4000;

#[repr(C)]
struct Time {
    seconds: i64,
    nanoseconds: i64,
}

real! {
    fn clock_gettime(clock: c_int, time: *mut Time) -> c_int;
    fn timerfd_create(clock: c_int, flags: c_int) -> c_int;
    fn timerfd_settime(fd: c_int, flags: c_int, to: *const c_void, from: *mut c_void) -> c_int;
}

/// A FIFO in place of the program's timer: a test writes to it when it sets the clock.
static BELL: OnceLock<String> = OnceLock::new();
static BELL_FD: AtomicI32 = AtomicI32::new(-1);

pub(crate) fn begin() {
    if let Ok(path) = env::var("FAULTS_BELL") {
        BELL.get_or_init(|| path);
    }
}

#[unsafe(no_mangle)]
extern "C" fn clock_gettime(clock: c_int, time: *mut Time) -> c_int {
    let result = real::clock_gettime(clock, time);
    let word = match clock {
        CLOCK_REALTIME => WALL_SET_MS,
        CLOCK_BOOTTIME => SLEPT_MS,
        _ => return result,
    };
    let offset_ms = clock_offset_ms(word);
    if result == 0 && offset_ms != 0 {
        // SAFETY: the call has just written it.
        let time = unsafe { &mut *time };
        time.seconds += offset_ms.div_euclid(1000);
    }
    result
}

#[unsafe(no_mangle)]
extern "C" fn timerfd_create(clock: c_int, flags: c_int) -> c_int {
    let Some(bell) = BELL.get().filter(|_| clock == CLOCK_REALTIME) else {
        return real::timerfd_create(clock, flags);
    };
    let opened = inside(|| OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(bell))
        .expect("a bell");
    let fd = opened.into_raw_fd();
    BELL_FD.store(fd, Ordering::SeqCst);
    fd
}

#[unsafe(no_mangle)]
extern "C" fn timerfd_settime(
    fd: c_int,
    flags: c_int,
    to: *const c_void,
    from: *mut c_void,
) -> c_int {
    if fd >= 0 && fd == BELL_FD.load(Ordering::SeqCst) {
        return 0;
    }
    real::timerfd_settime(fd, flags, to, from)
}
