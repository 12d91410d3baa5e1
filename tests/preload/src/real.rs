//! The functions of the C library itself.

use std::ffi::{CStr, c_char, c_int, c_void};

/// Functions as the C library declares them, in a module `real`: they are found behind ours.
macro_rules! real {
    ($(fn $name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => { mod real { use super::*; $(
        pub(super) fn $name($($arg: $type),*) -> $result {
            type Function = unsafe extern "C" fn($($type),*) -> $result;
            static ADDRESS: std::sync::atomic::AtomicPtr<std::ffi::c_void> =
                std::sync::atomic::AtomicPtr::new(std::ptr::null_mut());
            let name = concat!(stringify!($name), "\0");
            let address = $crate::real::find(&ADDRESS, name);
            // SAFETY: that is the function of this name, and this is its declaration; what it is
            // given is what the program has given to the one that stands before it.
            unsafe { std::mem::transmute::<*mut std::ffi::c_void, Function>(address)($($arg),*) }
        }
    )*} };
}
pub(crate) use real;

const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;
const SIGKILL: c_int = 9;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn __errno_location() -> *mut c_int;
    fn getpid() -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
}

/// The next function of this name behind ours.
pub(crate) fn find(address: &std::sync::atomic::AtomicPtr<c_void>, name: &str) -> *mut c_void {
    use std::sync::atomic::Ordering::Relaxed;
    let known = address.load(Relaxed);
    if !known.is_null() {
        return known;
    }
    // SAFETY: the name ends in a zero.
    let found = unsafe { dlsym(RTLD_NEXT, name.as_ptr().cast()) };
    if found.is_null() {
        std::process::abort();
    }
    address.store(found, Relaxed);
    found
}

pub(crate) fn set_errno(errno: c_int) {
    // SAFETY: it is this thread's own.
    unsafe { *__errno_location() = errno };
}

pub(crate) fn errno() -> c_int {
    // SAFETY: it is this thread's own.
    unsafe { *__errno_location() }
}

/// The end of the process, as `kill -9` is.
pub(crate) fn die() -> ! {
    // SAFETY: it is about ourselves.
    unsafe { kill(getpid(), SIGKILL) };
    loop {
        std::thread::park();
    }
}

/// A path that the program has handed over.
pub(crate) fn text(path: *const c_char) -> String {
    if path.is_null() {
        return String::new();
    }
    // SAFETY: the contract of the replaced function demands a text that ends in a NUL.
    unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned()
}

/// Bytes that the program has handed over.
pub(crate) fn bytes<'a>(start: *const c_void, count: usize) -> &'a [u8] {
    if start.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: the contract of the replaced function demands memory of this length that lives as
    // long as the call.
    unsafe { std::slice::from_raw_parts(start.cast(), count) }
}
