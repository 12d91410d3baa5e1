//! Records of a TLS connection: text in both directions, and its ends.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::rc::Rc;

use super::{Backlog, TlsPhase, TlsStream, Wire};
use crate::limits::tls::{
    AROUND_TEXT_BYTES, NO_TEXT_BYTES_MAX, TEXT_BYTES_BLOCKED, TEXT_BYTES_MAX, TEXT_BYTES_PER_OTHER,
    WAITING_BYTES_MAX, WRITE_RECORDS_MAX,
};
use crate::net::tls::TlsError;
use crate::net::tls::gather::Unsealed;
use crate::net::tls::session::{Processed, Step};

impl<W: Wire> TlsStream<W> {
    /// Returns true if a record waits for the socket. The end of our side waits behind a record.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// Seals a `close_notify`, and closes our side behind it.
    ///
    /// # Errors
    ///
    /// The error of the socket. If the socket has no room, [`Write::flush`] goes on.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        if let TlsPhase::Open(_) = self.phase
            && !self.ends.is_output_closed
        {
            let context = Rc::clone(&self.context);
            let memory = &mut *context.scratch.borrow_mut().sealed;
            let length = self.session.seal_close(&mut self.partial, memory)?;
            self.sealed.bytes.extend_from_slice(memory.get(..length).unwrap_or_default());
        }
        self.ends.is_output_closed = true;
        match self.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            flushed => flushed,
        }
    }

    /// Reads bytes behind the partial record, which moves to the front of `memory`. Returns the
    /// number of bytes there, and `None` at the end of the stream.
    pub(super) fn receive(&mut self, memory: &mut [u8]) -> io::Result<Option<usize>> {
        let before = self.partial.len();
        let Some((partial, room)) = memory.split_at_mut_checked(before) else {
            return Err(self.fail(TlsError::TooLong));
        };
        if room.is_empty() {
            return Err(self.fail(TlsError::TooLong));
        }
        partial.copy_from_slice(&self.partial);
        let read = self.wire.read(room)?;
        Ok((read > 0).then_some(before.saturating_add(read)))
    }

    /// Processes the first `filled` bytes of `memory`, and keeps the partial record at their end.
    /// Copies text to `buffer`, and keeps the rest of it. Returns the number of bytes copied.
    pub(super) fn take_records(
        &mut self,
        memory: &mut [u8],
        filled: usize,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let (mut start, mut copied) = (0, 0);
        let (mut texts, mut text_bytes) = (0_usize, 0_usize);
        let end = loop {
            let records = memory.get_mut(start..filled).unwrap_or_default();
            let text = &mut self.text.bytes;
            let mut take = |bytes: &[u8]| {
                texts = texts.saturating_add(usize::from(!bytes.is_empty()));
                text_bytes = text_bytes.saturating_add(bytes.len());
                let room = buffer.get_mut(copied..).unwrap_or_default();
                let (now, later) = bytes.split_at(bytes.len().min(room.len()));
                let (room, _) = room.split_at_mut(now.len());
                room.copy_from_slice(now);
                copied = copied.saturating_add(now.len());
                text.extend_from_slice(later);
            };
            let Processed { used, step } =
                self.session.process(records, &mut take, &mut self.sealed.bytes);
            start = start.saturating_add(used).min(filled);
            match step {
                Ok(Step::Again) => {}
                end => break end,
            }
        };
        let of_text = texts.saturating_mul(AROUND_TEXT_BYTES).saturating_add(text_bytes);
        let without_text = start.saturating_sub(of_text);
        let end =
            end.and_then(|end| self.count_without_text(without_text, text_bytes).map(|()| end));
        match end {
            Ok(Step::Closed) => {
                self.ends.is_input_closed = true;
                self.partial = Vec::new();
            }
            Ok(Step::Idle | Step::Again) => {
                self.keep_partial(memory.get(start..filled).unwrap_or_default());
            }
            // Text came before the error. The next read returns the error.
            Err(error) if copied > 0 => drop(self.fail(error)),
            Err(error) => return Err(self.fail(error)),
        }
        Ok(copied)
    }

    fn keep_partial(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.partial = Vec::new();
        } else {
            self.partial.clear();
            self.partial.extend_from_slice(bytes);
        }
    }

    /// Counts bytes of records without text: tickets, and changes of keys, of which each one costs
    /// as much as many requests. Text counts against them, but much less.
    fn count_without_text(&mut self, bytes: usize, text_bytes: usize) -> Result<(), TlsError> {
        let TlsPhase::Open(count) = &mut self.phase else { return Ok(()) };
        *count = count.saturating_add(bytes).saturating_sub(text_bytes / TEXT_BYTES_PER_OTHER);
        if *count > NO_TEXT_BYTES_MAX { Err(TlsError::TooLong) } else { Ok(()) }
    }

    /// Ends the connection with `error`, which the peer gets as an alert if the socket has room.
    pub(super) fn fail(&mut self, error: TlsError) -> io::Error {
        self.phase = TlsPhase::Failed(error.clone());
        self.partial = Vec::new();
        let alert = self.session.encode_due(&mut self.sealed.bytes);
        if alert.is_ok() && !self.ends.is_output_closed {
            let _ = self.flush_sealed();
        }
        self.sealed = Backlog::default();
        self.count_waiting();
        error.into()
    }

    /// Writes the waiting records. Fails with `WouldBlock` if some are left.
    pub(super) fn flush_sealed(&mut self) -> io::Result<()> {
        if self.sealed.is_empty() {
            return Ok(());
        }
        let flushed = self.write_sealed();
        self.count_waiting();
        flushed
    }

    fn write_sealed(&mut self) -> io::Result<()> {
        while !self.sealed.is_empty() {
            match self.wire.write(self.sealed.waiting()) {
                Ok(0) => return Err(self.end_output(ErrorKind::WriteZero.into())),
                Ok(written) => self.sealed.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(error),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.end_output(error)),
            }
        }
        Ok(())
    }

    /// Ends our side after a failed write: a record is lost.
    fn end_output(&mut self, error: io::Error) -> io::Error {
        self.ends.is_output_closed = true;
        self.ends.is_wire_closed = true;
        self.sealed = Backlog::default();
        self.count_waiting();
        error
    }

    /// Writes records, and keeps the bytes that the socket does not take. Returns true if it took
    /// all of them. If other records follow, these may wait for them in the kernel: a run wakes the
    /// peer once.
    fn send(&mut self, records: &[u8], is_last: bool) -> io::Result<bool> {
        let written = loop {
            let wire = &mut self.wire;
            match if is_last { wire.write(records) } else { wire.write_more(records) } {
                Ok(0) => return Err(self.end_output(ErrorKind::WriteZero.into())),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break 0,
                Err(error) => return Err(self.end_output(error)),
                Ok(written) => break written,
            }
        };
        let rest = records.get(written..).unwrap_or_default();
        if rest.is_empty() {
            self.text_bytes_max = TEXT_BYTES_MAX;
        } else {
            self.text_bytes_max = TEXT_BYTES_BLOCKED;
            self.sealed.bytes.extend_from_slice(rest);
            self.count_waiting();
        }
        Ok(rest.is_empty())
    }

    /// Returns the number of records in the next write.
    fn records_max(&self) -> usize {
        let is_blocked = self.text_bytes_max < TEXT_BYTES_MAX;
        let are_many_waiting = self.context.waiting_bytes.get() > WAITING_BYTES_MAX;
        if is_blocked || are_many_waiting { 1 } else { WRITE_RECORDS_MAX }
    }

    /// Seals slices as records, a few at a time, and writes these before the next ones are sealed.
    fn write_records(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush_sealed()?;
        let context = Rc::clone(&self.context);
        let scratch = &mut *context.scratch.borrow_mut();
        let (mut unsealed, mut written) = (Unsealed::new(slices), 0_usize);
        loop {
            let mut length = 0_usize;
            for _ in 0..self.records_max() {
                let text = unsealed.next(&mut scratch.first, self.text_bytes_max);
                if text.is_empty() {
                    break;
                }
                let room = scratch.sealed.get_mut(length..).unwrap_or_default();
                let sealed = self.session.seal(&mut self.partial, text, room)?;
                length = length.saturating_add(sealed);
                written = written.saturating_add(text.len());
            }
            let records = scratch.sealed.get(..length).unwrap_or_default();
            if length == 0 || !self.send(records, unsealed.is_empty())? {
                return Ok(written);
            }
        }
    }
}

impl<W: Wire> Read for TlsStream<W> {
    /// Returns text. The end is `Ok(0)` after a `close_notify` of the peer, and an error else.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.text.is_empty() {
                let read = self.text.waiting().read(buffer)?;
                self.text.advance(read);
                return Ok(read);
            }
            match &self.phase {
                TlsPhase::Open(_) => {}
                TlsPhase::Handshake(_) => return Err(ErrorKind::NotConnected.into()),
                TlsPhase::Failed(error) => return Err(error.clone().into()),
                TlsPhase::PlainText => return self.wire.read(buffer),
            }
            if self.ends.is_input_closed || buffer.is_empty() {
                return Ok(0);
            }
            let context = Rc::clone(&self.context);
            let memory = &mut *context.scratch.borrow_mut().first;
            let Some(filled) = self.receive(memory)? else {
                return Err(self.fail(TlsError::Truncated));
            };
            let copied = self.take_records(memory, filled, buffer)?;
            if copied > 0 {
                return Ok(copied);
            }
        }
    }
}

impl<W: Wire> Write for TlsStream<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    /// Seals text, and returns the number of bytes sealed. Fails with `WouldBlock` while an earlier
    /// record waits.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.phase {
            TlsPhase::Open(_) if self.ends.is_output_closed => Err(ErrorKind::BrokenPipe.into()),
            TlsPhase::Open(_) => self.write_records(slices),
            TlsPhase::Handshake(_) => Err(ErrorKind::NotConnected.into()),
            TlsPhase::Failed(error) => Err(error.clone().into()),
            TlsPhase::PlainText => self.wire.write_vectored(slices),
        }
    }

    /// Writes the waiting records, and then the end of our side if it is due.
    fn flush(&mut self) -> io::Result<()> {
        self.flush_sealed()?;
        if self.ends.is_output_closed && !self.ends.is_wire_closed {
            self.ends.is_wire_closed = true;
            self.wire.shutdown_write()?;
        }
        Ok(())
    }
}
