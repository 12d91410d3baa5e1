//! Open files without a purpose. One of them is closed when a file is needed.

use std::os::unix::net::UnixDatagram;

/// Files that clients cannot take. A connect-back still gets a file when all others are in use.
#[derive(Debug, Default)]
pub struct FileReserve {
    files: Vec<UnixDatagram>,
    files_max: usize,
}

impl FileReserve {
    /// Opens `files_max` files, or fewer if no more are free.
    #[must_use]
    pub fn new(files_max: usize) -> Self {
        let mut reserve = Self { files: Vec::with_capacity(files_max), files_max };
        reserve.refill();
        reserve
    }

    /// Closes one file, so that the next call that needs a file gets it. Returns false if none is
    /// left.
    pub fn release_one(&mut self) -> bool {
        self.files.pop().is_some()
    }

    /// Opens the missing files. Returns true if the reserve is complete.
    pub fn refill(&mut self) -> bool {
        while self.files.len() < self.files_max {
            // A file without a path: a container need not have /dev/null.
            match UnixDatagram::unbound() {
                Ok(file) => self.files.push(file),
                Err(_) => return false, // For every reason, no file is free.
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_releases_its_files_and_opens_them_again() {
        let mut reserve = FileReserve::new(2);
        assert!(reserve.release_one());
        assert!(reserve.release_one());
        assert!(!reserve.release_one());
        assert!(reserve.refill());
        assert_eq!(reserve.files.len(), 2);
    }
}
