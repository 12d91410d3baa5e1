//! Calls on sockets.

use std::ffi::{c_int, c_uint, c_void};

use crate::descriptors::{Class, class, set_class};
use crate::page::{call, is_on, transfer};
use crate::real::{bytes, real};
use crate::shared::{Kind, Operation};
use crate::trace::{Record, record_call};

real! {
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn bind(fd: c_int, address: *const c_void, length: c_uint) -> c_int;
    fn listen(fd: c_int, backlog: c_int) -> c_int;
    fn accept4(fd: c_int, address: *mut c_void, length: *mut c_uint, flags: c_int) -> c_int;
    fn connect(fd: c_int, address: *const c_void, length: c_uint) -> c_int;
    fn recv(fd: c_int, to: *mut c_void, count: usize, flags: c_int) -> isize;
    fn send(fd: c_int, from: *const c_void, count: usize, flags: c_int) -> isize;
    fn writev(fd: c_int, pieces: *const Piece, count: c_int) -> isize;
    fn shutdown(fd: c_int, how: c_int) -> c_int;
    fn setsockopt(fd: c_int, l: c_int, name: c_int, from: *const c_void, length: c_uint) -> c_int;
    fn epoll_ctl(poll: c_int, operation: c_int, fd: c_int, event: *mut c_void) -> c_int;
}

#[repr(C)]
struct Piece {
    start: *const c_void,
    count: usize,
}

/// As the C library has it: a signal handler sends too, on a socket of another kind, which is
/// never looked at.
fn is_ours(fd: c_int) -> bool {
    class(fd) == Class::Socket && is_on()
}

fn opened(fd: c_int) -> c_int {
    set_class(fd, Class::Socket)
}

/// A call that sends the `pieces`, `count` bytes in all.
pub(crate) fn sent(
    fd: c_int,
    count: usize,
    pieces: &[&[u8]],
    real: impl FnOnce(usize) -> isize,
) -> isize {
    transfer(Kind::Send, count, |count| recorded(Operation::Send, fd, pieces, || real(count)))
}

/// A call that prints `text`.
pub(crate) fn said(fd: c_int, text: &[u8], real: impl FnOnce(usize) -> isize) -> isize {
    let transferred = |count| recorded(Operation::Say, fd, &[text], || real(count));
    transfer(Kind::Say, text.len(), transferred)
}

/// Writes down the first bytes of `pieces`, as many as the call has transferred.
fn recorded(
    operation: Operation,
    fd: c_int,
    pieces: &[&[u8]],
    real: impl FnOnce() -> isize,
) -> isize {
    record_call(real, |done| {
        let done = usize::try_from(*done).ok()?;
        Some(Record::of_socket(operation, fd, pieces.concat().get(..done)?))
    })
}

/// A call that receives up to `count` bytes.
pub(crate) fn received(
    fd: c_int,
    to: *mut c_void,
    count: usize,
    real: impl FnOnce(usize) -> isize,
) -> isize {
    transfer(Kind::Receive, count, |count| {
        record_call(
            || real(count),
            |received| {
                let received = usize::try_from(*received).ok()?;
                Some(Record::of_socket(Operation::Receive, fd, bytes(to, received)))
            },
        )
    })
}

#[unsafe(no_mangle)]
extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    let real = || opened(self::real::socket(domain, kind, protocol));
    if is_on() { call(Kind::Socket, real) } else { self::real::socket(domain, kind, protocol) }
}

#[unsafe(no_mangle)]
extern "C" fn bind(fd: c_int, address: *const c_void, length: c_uint) -> c_int {
    let real = || self::real::bind(fd, address, length);
    if is_ours(fd) { call(Kind::Bind, real) } else { real() }
}

#[unsafe(no_mangle)]
extern "C" fn listen(fd: c_int, backlog: c_int) -> c_int {
    let real = || self::real::listen(fd, backlog);
    if is_ours(fd) { call(Kind::Listen, real) } else { real() }
}

#[unsafe(no_mangle)]
extern "C" fn accept4(fd: c_int, address: *mut c_void, length: *mut c_uint, flags: c_int) -> c_int {
    let real = || self::real::accept4(fd, address, length, flags);
    if is_ours(fd) { call(Kind::Accept, || opened(real())) } else { real() }
}

#[unsafe(no_mangle)]
extern "C" fn connect(fd: c_int, address: *const c_void, length: c_uint) -> c_int {
    let real = || self::real::connect(fd, address, length);
    if is_ours(fd) { call(Kind::Connect, real) } else { real() }
}

#[unsafe(no_mangle)]
extern "C" fn recv(fd: c_int, to: *mut c_void, count: usize, flags: c_int) -> isize {
    let real = |count| self::real::recv(fd, to, count, flags);
    if is_ours(fd) { received(fd, to, count, real) } else { real(count) }
}

#[unsafe(no_mangle)]
extern "C" fn send(fd: c_int, from: *const c_void, count: usize, flags: c_int) -> isize {
    let real = |count| self::real::send(fd, from, count, flags);
    if is_ours(fd) { sent(fd, count, &[bytes(from, count)], real) } else { real(count) }
}

#[unsafe(no_mangle)]
extern "C" fn writev(fd: c_int, pieces: *const Piece, count: c_int) -> isize {
    if !is_ours(fd) {
        return self::real::writev(fd, pieces, count);
    }
    let count = usize::try_from(count).unwrap_or_default();
    // SAFETY: the program passes this number of pieces.
    let list = unsafe { std::slice::from_raw_parts(pieces, count) };
    let all: Vec<&[u8]> = list.iter().map(|piece| bytes(piece.start, piece.count)).collect();
    let total = all.iter().map(|piece| piece.len()).sum();
    sent(fd, total, &all, |most| {
        if most == total {
            return self::real::writev(fd, pieces, count as c_int);
        }
        let part = all.concat(); // Less than all of it: as one piece.
        self::real::send(fd, part.as_ptr().cast(), most, 0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn shutdown(fd: c_int, how: c_int) -> c_int {
    let real = || self::real::shutdown(fd, how);
    if is_ours(fd) { call(Kind::Shutdown, real) } else { real() }
}

#[unsafe(no_mangle)]
extern "C" fn setsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    from: *const c_void,
    length: c_uint,
) -> c_int {
    let real = || self::real::setsockopt(fd, level, name, from, length);
    if is_ours(fd) { call(Kind::Option, real) } else { real() }
}

#[unsafe(no_mangle)]
extern "C" fn epoll_ctl(poll: c_int, operation: c_int, fd: c_int, event: *mut c_void) -> c_int {
    let real = || self::real::epoll_ctl(poll, operation, fd, event);
    if is_ours(fd) { call(Kind::Watch, real) } else { real() }
}
