//! The page that a test and this library share: numbers in a file, mapped into memory, so that
//! what was counted outlives any end of the process.

use std::ffi::{c_int, c_void};
use std::fs::OpenOptions;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicPtr, AtomicU64};
use std::time::Duration;

use crate::shared::{ACTION, Action, CALL, COUNTS, ERRNO, FIRED, KIND, Kind, PART, WORDS};
use crate::{is_inside, real};

static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(std::ptr::null_mut());

unsafe extern "C" {
    fn mmap(at: *mut c_void, bytes: usize, p: c_int, f: c_int, fd: c_int, from: i64)
    -> *mut c_void;
}

const READ_WRITE: c_int = 3;
const SHARED: c_int = 1;

pub(crate) fn begin(path: &str) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("a page");
    let bytes = WORDS * size_of::<u64>();
    assert!(file.metadata().is_ok_and(|it| it.len() >= bytes as u64), "a page as long as ours");
    // SAFETY: a new mapping of a file that is long enough; nobody makes it shorter.
    let page =
        unsafe { mmap(std::ptr::null_mut(), bytes, READ_WRITE, SHARED, file.as_raw_fd(), 0) };
    assert!(page as isize != -1, "a page in memory");
    PAGE.store(page.cast(), SeqCst);
}

fn words() -> Option<&'static [AtomicU64; WORDS]> {
    let page = PAGE.load(SeqCst);
    // SAFETY: it is the mapping, which stays to the end of the process, or null.
    (!page.is_null() && !is_inside()).then(|| unsafe { &*page.cast() })
}

/// Decision about a call.
enum Verdict {
    None,
    KillBefore,
    KillAfter,
    KillWithin(u64),
    Fail(c_int),
    Short(u64),
    Hang,
}

/// Returns true if calls are observed.
pub(crate) fn is_on() -> bool {
    words().is_some()
}

/// Returns the offset of a clock in milliseconds.
pub(crate) fn clock_offset_ms(word: usize) -> i64 {
    words().map_or(0, |words| words[word].load(SeqCst) as i64)
}

fn is_change(kind: Kind) -> bool {
    (Kind::Write as u64..=Kind::Remove as u64).contains(&(kind as u64))
        || kind == Kind::Create
        || kind == Kind::MakeDirectory
}

fn decide(kind: Kind) -> Verdict {
    let Some(words) = words() else { return Verdict::None };
    let count = |kind: Kind| words[COUNTS + kind as usize].fetch_add(1, SeqCst) + 1;
    let own = count(kind);
    let any = if is_change(kind) { count(Kind::AnyChange) } else { 0 };
    let wanted = words[KIND].load(SeqCst);
    let number = match wanted {
        it if it == kind as u64 => own,
        it if it == Kind::AnyChange as u64 => any,
        _ => return Verdict::None,
    };
    let (action, call) = (words[ACTION].load(SeqCst), words[CALL].load(SeqCst));
    if number < call || number == 0 {
        return Verdict::None;
    }
    let part = words[PART].load(SeqCst);
    let (decide, is_lasting) = match Action::ALL.into_iter().find(|it| *it as u64 == action) {
        Some(Action::KillBefore) => (Verdict::KillBefore, false),
        Some(Action::KillAfter) => (Verdict::KillAfter, false),
        Some(Action::KillWithin) => (Verdict::KillWithin(part), false),
        Some(Action::FailOnce) => (Verdict::Fail(words[ERRNO].load(SeqCst) as c_int), false),
        Some(Action::FailFrom) => (Verdict::Fail(words[ERRNO].load(SeqCst) as c_int), true),
        Some(Action::ShortOnce) => (Verdict::Short(part), false),
        Some(Action::ShortFrom) => (Verdict::Short(part), true),
        Some(Action::HangFrom) => (Verdict::Hang, true),
        Some(Action::None) | None => return Verdict::None,
    };
    // One that came while the page was written may have been the one that was meant.
    let is_first = words[FIRED].compare_exchange(0, 1, SeqCst, SeqCst).is_ok();
    if is_lasting && !is_first {
        words[FIRED].fetch_add(1, SeqCst);
    }
    if is_first || is_lasting { decide } else { Verdict::None }
}

/// Waits until something else than hanging is asked for.
fn hang() {
    let is_hanging =
        || words().is_some_and(|words| words[ACTION].load(SeqCst) == Action::HangFrom as u64);
    while is_hanging() {
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Return value of a failed call.
pub(crate) trait Failure {
    const FAILED: Self;
}

impl Failure for c_int {
    const FAILED: Self = -1;
}

impl Failure for isize {
    const FAILED: Self = -1;
}

impl Failure for *mut c_void {
    const FAILED: Self = std::ptr::null_mut();
}

/// Runs a call of the program that transfers up to `count` bytes; `real` gets the number that is
/// allowed.
pub(crate) fn transfer<R: Failure>(kind: Kind, count: usize, real: impl FnOnce(usize) -> R) -> R {
    // Less than all, so that a part is one, and more than nothing if it is to be a success.
    let part = |part: u64| (count as u64 * part.min(255) / 256) as usize;
    match decide(kind) {
        Verdict::None => real(count),
        Verdict::KillBefore => real::die(),
        Verdict::KillAfter => {
            real(count);
            real::die()
        }
        Verdict::KillWithin(share) => {
            real(part(share));
            real::die()
        }
        Verdict::Fail(errno) => {
            real::set_errno(errno);
            R::FAILED
        }
        Verdict::Short(share) => real(part(share).max(1).min(count)),
        Verdict::Hang => {
            hang();
            real(count)
        }
    }
}

/// A call of the program's.
pub(crate) fn call<R: Failure>(kind: Kind, real: impl FnOnce() -> R) -> R {
    transfer(kind, 0, |_| real())
}
