//! A spare file descriptor, to start a segment while clients use all the others.
//!
//! ```text
//!   spare ──► closed ──► segment 8 is created       one more descriptor is open
//!                        segment 7 is closed ──► its descriptor becomes the spare one
//! ```
//!
//! The descriptor of a closed file becomes the spare one in one step (dup2), so that no other
//! thread can take it in between.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::{Errno, FdFlags, dup2, fcntl_setfd};

/// A descriptor in reserve, if one was available.
#[derive(Debug, Default)]
pub(super) struct SpareDescriptor(Option<OwnedFd>);

impl SpareDescriptor {
    /// Opens a file. If no descriptor is left, closes the spare one and tries again.
    pub(super) fn open(&mut self, open: impl Fn() -> io::Result<File>) -> io::Result<File> {
        match open() {
            Err(error) if is_out_of_files(&error) && self.0.take().is_some() => open(),
            opened @ (Ok(_) | Err(_)) => opened,
        }
    }

    /// Closes a file. If there is no spare descriptor, the file's descriptor becomes it.
    pub(super) fn close(&mut self, file: File, of: impl AsFd) {
        let mut fd = OwnedFd::from(file);
        let is_kept = self.0.is_none()
            && dup2(of, &mut fd).is_ok()
            && fcntl_setfd(&fd, FdFlags::CLOEXEC).is_ok();
        if is_kept {
            self.0 = Some(fd);
        }
    }

    /// Opens a spare descriptor, if there is none and one is available.
    pub(super) fn refill(&mut self, of: impl AsFd) {
        if self.0.is_none() {
            self.0 = of.as_fd().try_clone_to_owned().ok();
        }
    }
}

fn is_out_of_files(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn null() -> File {
        File::open("/dev/null").unwrap()
    }

    /// Opens a file with a first attempt that fails, as if another thread took the descriptor.
    /// Returns the number of attempts.
    fn attempts(spare: &mut SpareDescriptor) -> (u32, bool) {
        let count = Cell::new(0_u32);
        let opened = spare.open(|| {
            count.set(count.get().saturating_add(1));
            if count.get() == 1 { Err(Errno::MFILE.into()) } else { Ok(null()) }
        });
        (count.get(), opened.is_ok())
    }

    #[test]
    fn a_spare_descriptor_is_given_up_once_and_comes_back_with_the_next_file_that_is_closed() {
        let mut spare = SpareDescriptor::default();
        assert_eq!(attempts(&mut spare), (1, false), "there is none");
        spare.refill(null());
        assert_eq!(attempts(&mut spare), (2, true));
        assert_eq!(attempts(&mut spare), (1, false), "it was given up");
        spare.close(null(), null());
        assert_eq!(attempts(&mut spare), (2, true));
    }

    #[test]
    fn another_error_costs_no_spare_descriptor() {
        let mut spare = SpareDescriptor::default();
        spare.refill(null());
        assert!(spare.open(|| Err(Errno::NOSPC.into())).is_err());
        assert_eq!(attempts(&mut spare), (2, true));
    }
}
