//! Open files that stand for nothing, so that there is one to close when one is needed.

use std::fs::File;

/// Files held back from clients: with all others taken, a member can still be connected back.
#[derive(Debug, Default)]
pub struct FileReserve {
    files: Vec<File>,
    files_max: usize,
}

impl FileReserve {
    /// A reserve of `files_max`, as far as there are files for it.
    #[must_use]
    pub fn new(files_max: usize) -> Self {
        let mut reserve = Self { files: Vec::with_capacity(files_max), files_max };
        reserve.refill();
        reserve
    }

    /// Closes one file, so that the next call that needs one finds it. `false`: there was none.
    pub fn release_one(&mut self) -> bool {
        self.files.pop().is_some()
    }

    /// Opens what is missing; whether it is whole now.
    pub fn refill(&mut self) -> bool {
        while self.files.len() < self.files_max {
            match File::open("/dev/null") {
                Ok(file) => self.files.push(file),
                Err(_) => return false, // Whatever the reason, there is no file to hold.
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_gives_what_it_holds_and_takes_it_back() {
        let mut reserve = FileReserve::new(2);
        assert!(reserve.release_one());
        assert!(reserve.release_one());
        assert!(!reserve.release_one());
        assert!(reserve.refill());
        assert_eq!(reserve.files.len(), 2);
    }
}
