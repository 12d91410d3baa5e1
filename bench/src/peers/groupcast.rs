//! A coordinator as a peer.

use memchr::memchr;

use super::stage::{Plan, Stage};
use super::wire::{Frame, Wire, decimal, unexpected};
use crate::command::Door;
use crate::coordinator::Coordinator;
use crate::failure::Result;

/// Sets the stage for a plan. With `are_same` receiver n is the member that publisher n is.
///
/// # Errors
///
/// A refusal, and those of the sockets.
pub fn stage(coordinator: Coordinator, plan: Plan, acks: bool) -> Result<Stage> {
    let door = Door::open()?;
    let mut stage = Stage::new(plan);
    stage.skips_own = plan.are_same;
    let mut setup = coordinator.command()?;
    if !plan.are_same {
        for index in 0..plan.receivers {
            let stream = door.register(&mut setup, &format!("receiver{index}"), acks)?;
            stage.receiver(stream, Box::new(Deliveries::new(plan.text_bytes, acks)))?;
        }
    }
    for index in 0..plan.publishers {
        let id = format!("publisher{index}");
        let mut command = coordinator.command()?;
        // Only who is online may send.
        let messages = door.register(&mut command, &id, acks)?;
        if plan.are_same {
            stage.receiver(messages, Box::new(Deliveries::new(plan.text_bytes, acks)))?;
        } else {
            stage.hold(messages)?;
        }
        stage.publisher(command.into_stream(), Box::new(Requests::new(&id)))?;
    }
    Ok(stage.served_by(coordinator.server))
}

/// A command socket: requests go out, replies come in.
#[derive(Debug)]
pub struct Requests {
    head: Vec<u8>,
    seq: u64,
}

impl Requests {
    /// Those of member `id`.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self { head: format!("{id}#msend ").into_bytes(), seq: 0 }
    }
}

impl Wire for Requests {
    fn publish(&mut self, text: &[u8], output: &mut Vec<u8>) {
        output.extend_from_slice(&self.head);
        output.extend_from_slice(text);
        output.extend_from_slice(b"#127.0.0.1\n");
    }

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> std::result::Result<Frame<'a>, String> {
        let Some(end) = memchr(b'\n', bytes) else { return Ok(Frame::Part) };
        let line = bytes.get(..end).unwrap_or_default();
        match line.strip_prefix(b"OK msend seq=").and_then(decimal) {
            Some(seq) if seq > self.seq => self.seq = seq,
            Some(_) | None => return Err(unexpected("a higher seq", line)),
        }
        Ok(Frame::Reply(end + 1))
    }

    fn replies(&self) -> bool {
        true
    }
}

/// A message socket: deliveries come in, acknowledgements go out.
#[derive(Debug)]
pub struct Deliveries {
    text_bytes: usize,
    rises: bool,
    acks: bool,
    seq: u64,
    acked: u64,
}

impl Deliveries {
    /// Of texts so long, by a coordinator.
    #[must_use]
    pub fn new(text_bytes: usize, acks: bool) -> Self {
        Self { text_bytes, rises: true, acks, seq: 0, acked: 0 }
    }

    /// Of texts so long, by the floor, which does not count.
    #[must_use]
    pub fn copied(text_bytes: usize) -> Self {
        Self { rises: false, ..Self::new(text_bytes, false) }
    }
}

impl Wire for Deliveries {
    fn publish(&mut self, _text: &[u8], _output: &mut Vec<u8>) {}

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> std::result::Result<Frame<'a>, String> {
        let mut head = memchr::memchr_iter(b'#', bytes);
        let (Some(first), Some(_), Some(third)) = (head.next(), head.next(), head.next()) else {
            return Ok(Frame::Part);
        };
        let (begin, end) = (third + 1, third + 1 + self.text_bytes);
        let Some(text) = bytes.get(begin..end) else { return Ok(Frame::Part) };
        let Some(last) = bytes.get(end) else { return Ok(Frame::Part) };
        let seq = bytes.get(..first).and_then(decimal);
        match seq {
            Some(seq) if *last == b'\n' && (seq > self.seq || !self.rises) => self.seq = seq,
            Some(_) | None => return Err(unexpected("a delivery with a higher number", bytes)),
        }
        Ok(Frame::Text(text, end + 1))
    }

    fn answer(&mut self, output: &mut Vec<u8>) {
        use std::io::Write;
        if self.acks && self.seq > self.acked {
            self.acked = self.seq;
            // Writing to a vector cannot fail.
            let _ = writeln!(output, "ack {}", self.seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::tests::check;
    use super::*;

    #[test]
    fn deliveries_are_found_wherever_the_bytes_are_split() {
        let bytes = b"7#a#1700000000000#one#\n12#b.c#1700000000001##two\n";
        for acks in [false, true] {
            check(&|| Box::new(Deliveries::new(4, acks)), bytes, &[b"one#", b"#two"], 0);
        }
        for wrong in [&b"7#a#1#four!\n"[..], b"gap#1#2#three\n", b"x#a#1#four\n", b"-1#a#1#four\n"]
        {
            assert!(Deliveries::new(4, false).frame(wrong).is_err());
        }
    }

    #[test]
    fn numbers_rise_and_the_last_one_is_acknowledged_once() {
        let (mut wire, mut output) = (Deliveries::new(1, true), Vec::new());
        for seq in [3, 7] {
            wire.frame(format!("{seq}#a#1#x\n").as_bytes()).unwrap();
        }
        wire.answer(&mut output);
        wire.answer(&mut output);
        assert_eq!(output, b"ack 7\n");
        assert!(wire.frame(b"7#a#1#x\n").is_err());
    }

    #[test]
    fn replies_are_found_and_refusals_are_errors() {
        let bytes = b"OK msend seq=1\nOK msend seq=12\n";
        check(&|| Box::new(Requests::new("a")), bytes, &[], 2);
        for wrong in [&b"ERR 507 the backlog is full\n"[..], b"OK msend seq=0\n", b"\n"] {
            assert!(Requests::new("a").frame(wrong).is_err());
        }
        let mut output = Vec::new();
        Requests::new("a").publish(b"hello#", &mut output);
        assert_eq!(output, b"a#msend hello##127.0.0.1\n");
    }
}
