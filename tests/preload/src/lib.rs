//! Preloaded under a program, this library counts its calls of the C library on files and
//! sockets, and makes one of them fail, do half, or be the last thing that the program does.
//!
//! ```text
//!   program ─► write(7, ..) ─► hooks ─► libc
//!                               │ ▲
//!                               │ └── page: what to do at which call; counts, and what was done
//!                               └──── trace: what became of files, what was said to whom
//! ```
//!
//! `FAULTS_ROOT` is the directory that the program's files are in: no other file counts.
//! `FAULTS_PAGE` is the page (see [`page`]), `FAULTS_TRACE` the trace (see [`trace`]), if there is
//! to be one, and `FAULTS_BOOT` a file to be read for the one that says which life of the machine
//! this is. The page also says how far the machine's clocks are set; `FAULTS_BELL` is a FIFO from
//! which the program hears of it. Without a page nothing is done.
//!
//! Calls that do not go through the C library are not seen: of the two programs those are a few
//! options of sockets.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod clocks;
mod descriptors;
mod files;
mod page;
mod real;
#[expect(unreachable_pub, reason = "the tests include this file, too")]
mod shared;
mod sockets;
mod trace;

use std::cell::Cell;
use std::env;

thread_local! {
    /// True while this thread runs code of this library: its calls are not the program's.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Does something that is not the program's doing.
fn inside<T>(work: impl FnOnce() -> T) -> T {
    let before = INSIDE.replace(true);
    let result = work();
    INSIDE.set(before);
    result
}

fn is_inside() -> bool {
    INSIDE.get()
}

#[unsafe(link_section = ".init_array")]
#[used]
static BEGIN: extern "C" fn() = begin;

/// Before `main`, so that no signal handler is the first to come here.
extern "C" fn begin() {
    inside(|| {
        let Ok(path) = env::var("FAULTS_PAGE") else { return };
        files::begin();
        clocks::begin();
        if let Ok(path) = env::var("FAULTS_TRACE") {
            trace::begin(&path);
        }
        page::begin(&path);
    });
}
