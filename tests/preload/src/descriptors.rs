//! Files and sockets behind the program's descriptors.

use std::ffi::c_int;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    Other,
    File,
    Directory,
    Socket,
}

static CLASSES: [AtomicU8; 1 << 16] = [const { AtomicU8::new(Class::Other as u8) }; 1 << 16];

fn slot(fd: c_int) -> Option<&'static AtomicU8> {
    CLASSES.get(usize::try_from(fd).ok()?)
}

/// Notes what a call has opened, if it has; answers what the call did.
pub(crate) fn set_class(fd: c_int, class: Class) -> c_int {
    if let Some(slot) = slot(fd) {
        slot.store(class as u8, Relaxed);
    }
    fd
}

pub(crate) fn class(fd: c_int) -> Class {
    match slot(fd).map_or(0, |slot| slot.load(Relaxed)) {
        1 => Class::File,
        2 => Class::Directory,
        3 => Class::Socket,
        _ => Class::Other,
    }
}
