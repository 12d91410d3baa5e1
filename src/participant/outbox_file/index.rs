//! The texts that wait, as locations in the outbox file. The texts themselves are only in the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;

use super::lines::OutboxLine;
use crate::limits::CLOCK_SET_AFTER_MS;
use crate::protocol::Epoch;
use crate::session::{StoredOutbox, StoredText};
use crate::time::UnixMillis;

/// Locations of the texts that wait, by the order of the texts, and the epoch of their numbers.
#[derive(Debug, Default)]
pub(super) struct OutboxIndex {
    epoch: Option<Epoch>,
    /// True if a `register` was asked for since: the numbers may be of an earlier registration.
    may_be_new: bool,
    locations: BTreeMap<u64, TextLocation>,
    /// Bytes of the lines of these texts.
    bytes: u64,
}

/// Location of a text's line in the file, and the text's last number.
#[derive(Clone, Copy, Debug)]
struct TextLocation {
    offset: u64,
    /// Length with the line feed.
    bytes: u64,
    number: Option<NonZeroU64>,
}

impl OutboxIndex {
    pub(super) fn is_empty(&self) -> bool {
        self.locations.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.locations.len()
    }

    /// Returns the number of lines of a file that has nothing more than is necessary.
    pub(super) fn lines(&self) -> usize {
        let marks = usize::from(self.epoch.is_some()).saturating_add(usize::from(self.may_be_new));
        self.locations.len().saturating_add(marks)
    }

    /// Returns the bytes of the lines of all texts that wait.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Applies a line of the file. A number or an end of an unknown text has no effect.
    pub(super) fn apply(&mut self, line: OutboxLine<'_>, offset: u64, bytes: u64) {
        match line {
            OutboxLine::Text { order, number, .. } => {
                let replaced = self.locations.insert(order, TextLocation { offset, bytes, number });
                self.bytes = self.bytes.saturating_add(bytes);
                self.forget(replaced);
            }
            OutboxLine::Number { order, number } => {
                if let Some(location) = self.locations.get_mut(&order) {
                    location.number = Some(number);
                }
            }
            OutboxLine::Done { order } => {
                let done = self.locations.remove(&order);
                self.forget(done);
            }
            OutboxLine::Epoch { epoch } => self.start_numbers(epoch),
            OutboxLine::Register { is_refused } => self.may_be_new = !is_refused,
        }
    }

    /// Starts the numbers of this epoch. The numbers so far are over, unless no line has named
    /// their epoch: a file of an earlier version names none. After a `register` they are over, too.
    fn start_numbers(&mut self, epoch: Option<Epoch>) {
        let before = std::mem::replace(&mut self.epoch, epoch);
        let may_be_new = std::mem::take(&mut self.may_be_new);
        if before.is_some() || epoch.is_none() || may_be_new {
            self.locations.values_mut().for_each(|location| location.number = None);
        }
    }

    /// Applies lines that were written at `offset`.
    pub(super) fn apply_lines(&mut self, lines: &str, mut offset: u64) {
        for line in lines.split_inclusive('\n') {
            let bytes = line.len() as u64;
            if let Some(line) = OutboxLine::parse(line.trim_end_matches('\n').as_bytes()) {
                self.apply(line, offset, bytes);
            }
            offset = offset.saturating_add(bytes);
        }
    }

    fn forget(&mut self, location: Option<TextLocation>) {
        let bytes = location.map_or(0, |location| location.bytes);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Passes the epoch and the `register`, if there are any, and the texts to `each`, in their
    /// order, one at a time from the file. Returns the number of texts that the file has lost.
    pub(super) fn read(
        &self,
        file: &File,
        mut each: impl FnMut(OutboxLine<'_>) -> io::Result<()>,
    ) -> io::Result<usize> {
        if let epoch @ Some(_) = self.epoch {
            each(OutboxLine::Epoch { epoch })?;
        }
        if self.may_be_new {
            each(OutboxLine::Register { is_refused: false })?;
        }
        let mut lost = 0_usize;
        let mut line = Vec::new();
        for (order, location) in &self.locations {
            line.resize(usize::try_from(location.bytes).map_err(io::Error::other)?, 0);
            match file.read_exact_at(&mut line, location.offset) {
                Ok(()) => (),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => line.clear(),
                Err(error) => return Err(error),
            }
            let found = line.strip_suffix(b"\n").and_then(OutboxLine::parse);
            match found {
                Some(OutboxLine::Text { order: found, stored, text, .. }) if found == *order => {
                    let (order, number) = (*order, location.number);
                    each(OutboxLine::Text { order, number, stored, text })?;
                }
                Some(_) | None => lost = lost.saturating_add(1),
            }
        }
        Ok(lost)
    }

    /// Returns the texts that wait, in their order, and the epoch of their numbers.
    pub(super) fn stored(&self, file: &File, now: UnixMillis) -> io::Result<StoredOutbox> {
        let mut texts = Vec::new();
        let lost = self.read(file, |line| {
            if let OutboxLine::Text { order, number, stored, text } = line {
                let is_known = stored.0 >= CLOCK_SET_AFTER_MS;
                let age_ms = if is_known { now.0.saturating_sub(stored.0) } else { 0 };
                texts.push(StoredText { order, number, text: text.into(), age_ms });
            }
            Ok(())
        })?;
        match lost {
            0 => Ok(StoredOutbox { epoch: self.epoch, may_be_new: self.may_be_new, texts }),
            _ => Err(io::Error::other("the file changes while it is read")),
        }
    }
}
