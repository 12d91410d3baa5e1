//! Calls on files. Only those below the root count.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::fs::{self, File, Metadata};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::OnceLock;
use std::{env, io};

use crate::descriptors::{Class, class, set_class};
use crate::inside;
use crate::page::{call, is_on, transfer};
use crate::real::{bytes, real, text};
use crate::shared::{Kind, Operation};
use crate::trace::{Record, record_call, records};

const O_CREAT: c_int = 0o100;
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

real! {
    fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int;
    fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int;
    fn opendir(path: *const c_char) -> *mut c_void;
    fn mkdir(path: *const c_char, mode: c_uint) -> c_int;
    fn statx(at: c_int, path: *const c_char, flags: c_int, mask: c_uint, to: *mut c_void) -> c_int;
    fn flock(fd: c_int, operation: c_int) -> c_int;
    fn read(fd: c_int, to: *mut c_void, count: usize) -> isize;
    fn pread64(fd: c_int, to: *mut c_void, count: usize, from: i64) -> isize;
    fn write(fd: c_int, from: *const c_void, count: usize) -> isize;
    fn ftruncate64(fd: c_int, length: i64) -> c_int;
    fn fsync(fd: c_int) -> c_int;
    fn fdatasync(fd: c_int) -> c_int;
    fn rename(from: *const c_char, to: *const c_char) -> c_int;
    fn unlink(path: *const c_char) -> c_int;
    fn close(fd: c_int) -> c_int;
}

/// Directory of the program's files.
static ROOT: OnceLock<String> = OnceLock::new();
/// Path of a file that replaces the boot id; ends in a NUL.
static BOOT_INSTEAD: OnceLock<String> = OnceLock::new();

pub(crate) fn begin() {
    if let Ok(root) = env::var("FAULTS_ROOT") {
        ROOT.get_or_init(|| root);
    }
    if let Ok(path) = env::var("FAULTS_BOOT") {
        BOOT_INSTEAD.get_or_init(|| path + "\0");
    }
}

/// The path, if it is of one of the program's files.
fn ours(path: *const c_char) -> Option<String> {
    let root = ROOT.get().filter(|_| is_on())?;
    let path = inside(|| text(path));
    path.starts_with(root.as_str()).then_some(path)
}

fn is_there(path: &str) -> bool {
    inside(|| fs::symlink_metadata(path).is_ok())
}

/// Returns the metadata of an open descriptor, without closing it.
fn metadata(fd: c_int) -> io::Result<Metadata> {
    // SAFETY: the program has it open, and it is not closed here.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    inside(|| file.metadata())
}

fn number(fd: c_int) -> u64 {
    metadata(fd).map_or(0, |it| it.ino())
}

fn opened(path: *const c_char, flags: c_int, real: impl Fn(*const c_char) -> c_int) -> c_int {
    let Some(name) = ours(path) else {
        let boot = BOOT_INSTEAD.get().filter(|_| is_on() && inside(|| text(path) == BOOT));
        let fd = real(boot.map_or(path, |boot| boot.as_ptr().cast()));
        return if is_on() { set_class(fd, Class::Other) } else { fd };
    };
    let is_new = flags & O_CREAT != 0 && !is_there(&name);
    let kind = if is_new { Kind::Create } else { Kind::Open };
    let fd = call(kind, || {
        record_call(
            || real(path),
            |fd| {
                (is_new && *fd >= 0)
                    .then(|| Record::new(Operation::Create, number(*fd), 0, name.as_bytes()))
            },
        )
    });
    if fd < 0 {
        return fd;
    }
    let is_directory = metadata(fd).is_ok_and(|it| it.is_dir());
    set_class(fd, if is_directory { Class::Directory } else { Class::File })
}

#[unsafe(no_mangle)]
extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    opened(path, flags, |path| self::real::open(path, flags, mode))
}

#[unsafe(no_mangle)]
extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    opened(path, flags, |path| self::real::open64(path, flags, mode))
}

#[unsafe(no_mangle)]
extern "C" fn opendir(path: *const c_char) -> *mut c_void {
    match ours(path) {
        Some(_) => call(Kind::List, || self::real::opendir(path)),
        None => self::real::opendir(path),
    }
}

#[unsafe(no_mangle)]
extern "C" fn mkdir(path: *const c_char, mode: c_uint) -> c_int {
    let Some(name) = ours(path) else { return self::real::mkdir(path, mode) };
    call(Kind::MakeDirectory, || {
        record_call(
            || self::real::mkdir(path, mode),
            |done| {
                (*done == 0).then(|| Record::new(Operation::MakeDirectory, 0, 0, name.as_bytes()))
            },
        )
    })
}

#[unsafe(no_mangle)]
extern "C" fn statx(
    at: c_int,
    path: *const c_char,
    flags: c_int,
    mask: c_uint,
    to: *mut c_void,
) -> c_int {
    let is_ours = is_on() && (at >= 0 && class(at) != Class::Other || ours(path).is_some());
    let real = || self::real::statx(at, path, flags, mask, to);
    if is_ours { call(Kind::State, real) } else { real() }
}

#[unsafe(no_mangle)]
extern "C" fn flock(fd: c_int, operation: c_int) -> c_int {
    match class(fd) {
        Class::File => call(Kind::Lock, || self::real::flock(fd, operation)),
        _ => self::real::flock(fd, operation),
    }
}

#[unsafe(no_mangle)]
extern "C" fn read(fd: c_int, to: *mut c_void, count: usize) -> isize {
    match class(fd) {
        Class::File => transfer(Kind::Read, count, |count| self::real::read(fd, to, count)),
        Class::Socket => crate::sockets::received(fd, to, count, |count| {
            self::real::read(fd, to, count) //.
        }),
        Class::Directory | Class::Other => self::real::read(fd, to, count),
    }
}

#[unsafe(no_mangle)]
extern "C" fn pread64(fd: c_int, to: *mut c_void, count: usize, from: i64) -> isize {
    let real = |count| self::real::pread64(fd, to, count, from);
    match class(fd) {
        Class::File => transfer(Kind::Read, count, real),
        _ => real(count),
    }
}

#[unsafe(no_mangle)]
extern "C" fn write(fd: c_int, from: *const c_void, count: usize) -> isize {
    let real = |count| self::real::write(fd, from, count);
    match class(fd) {
        Class::File => transfer(Kind::Write, count, |count| {
            record_call(|| real(count), |written| written_record(fd, bytes(from, count), *written))
        }),
        Class::Socket => crate::sockets::sent(fd, count, &[bytes(from, count)], real),
        Class::Directory | Class::Other if fd == 1 || fd == 2 => {
            crate::sockets::said(fd, bytes(from, count), real)
        }
        Class::Directory | Class::Other => real(count),
    }
}

/// All files are appended to: what was written is at the end.
fn written_record(fd: c_int, bytes: &[u8], written: isize) -> Option<Record> {
    let count = usize::try_from(written).ok().filter(|count| *count > 0)?;
    let it = metadata(fd).ok()?;
    Some(Record::new(Operation::Write, it.ino(), it.len() - count as u64, &bytes[..count]))
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(fd: c_int, length: i64) -> c_int {
    let real = || self::real::ftruncate64(fd, length);
    let Class::File = class(fd) else { return real() };
    call(Kind::Truncate, || {
        let record = || Record::new(Operation::Truncate, number(fd), length as u64, b"");
        record_call(real, |done| (*done == 0).then(record))
    })
}

fn synced(fd: c_int, real: impl Fn() -> c_int) -> c_int {
    let kind = match class(fd) {
        Class::File => Kind::Sync,
        Class::Directory => Kind::SyncDirectory,
        Class::Socket | Class::Other => return real(),
    };
    call(kind, || {
        let covered = records();
        // Without a trace nobody asks what outlives the machine, and the disk is spared.
        let done = if crate::trace::is_on() { real() } else { 0 };
        record_call(
            || done,
            |done| {
                let path = fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
                let path = path.to_string_lossy();
                (*done == 0)
                    .then(|| Record::new(Operation::Sync, number(fd), covered, path.as_bytes()))
            },
        )
    })
}

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    synced(fd, || self::real::fsync(fd))
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    synced(fd, || self::real::fdatasync(fd))
}

#[unsafe(no_mangle)]
extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let real = || self::real::rename(from, to);
    let (Some(old), Some(new)) = (ours(from), ours(to)) else { return real() };
    let names = format!("{old}\0{new}");
    call(Kind::Rename, || {
        record_call(real, |done| {
            (*done == 0).then(|| Record::new(Operation::Rename, 0, 0, names.as_bytes()))
        })
    })
}

#[unsafe(no_mangle)]
extern "C" fn unlink(path: *const c_char) -> c_int {
    let real = || self::real::unlink(path);
    let Some(name) = ours(path) else { return real() };
    call(Kind::Remove, || {
        record_call(real, |done| {
            (*done == 0).then(|| Record::new(Operation::Remove, 0, 0, name.as_bytes()))
        })
    })
}

#[unsafe(no_mangle)]
extern "C" fn close(fd: c_int) -> c_int {
    if !is_on() {
        return self::real::close(fd); // Of our own files, whose class was never noted.
    }
    let kind = match class(fd) {
        Class::File | Class::Directory => Kind::Close,
        Class::Socket => Kind::CloseSocket,
        Class::Other => return self::real::close(fd),
    };
    call(kind, || {
        set_class(fd, Class::Other);
        self::real::close(fd)
    })
}
