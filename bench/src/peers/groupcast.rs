//! A coordinator as a peer.

use std::io::Write;

use anyhow::Result;

use super::Plan;
use crate::clients::{Clients, Pace, Until};
use crate::coordinator::Coordinator;
use crate::wire::{Frame, Framed, Wire, decimal, first_line, unexpected};

/// Registers and connects all members of a plan.
pub(crate) fn connect(coordinator: &Coordinator, plan: Plan, acks: bool) -> Result<Clients> {
    let listener = coordinator.connect_back()?;
    let mut clients = Clients::new(plan.text_bytes)?;
    let deliveries = || Box::new(Deliveries::new(plan.text_bytes, acks));
    let mut setup = coordinator.command()?;
    for index in (0..plan.receivers).take_while(|_| !plan.are_same) {
        let stream = listener.register(&mut setup, &format!("receiver{index}"), acks)?;
        clients.add_receiver(stream, deliveries(), plan.publishers, 0..0)?;
    }
    for index in 0..plan.publishers {
        let id = format!("publisher{index}");
        let mut command = coordinator.command()?;
        // Only an online member may send, so every publisher has a message socket.
        let messages = listener.register(&mut command, &id, acks)?;
        if plan.are_same {
            clients.add_receiver(messages, deliveries(), plan.publishers, index..index + 1)?;
        } else {
            clients.keep(messages);
        }
        clients.add_publisher(command.into_stream(), Box::new(Requests::new(&id)))?;
    }
    Ok(clients)
}

/// Publishes messages of one member, at most `window` without a reply.
pub(crate) fn publish(
    coordinator: &Coordinator,
    text_bytes: usize,
    messages: u64,
    window: u64,
) -> Result<Clients> {
    let plan = Plan { publishers: 1, receivers: 0, text_bytes, are_same: false };
    let mut publisher = connect(coordinator, plan, false)?;
    publisher.run(Pace::Unanswered(window), Until::Messages(messages))?;
    publisher.settle()?;
    Ok(publisher)
}

/// A command socket: requests out, replies in.
#[derive(Debug)]
pub(crate) struct Requests {
    head: Vec<u8>,
    seq: u64,
}

impl Requests {
    pub(crate) fn new(id: &str) -> Self {
        Self { head: format!("{id}#msend ").into_bytes(), seq: 0 }
    }
}

impl Wire for Requests {
    fn publish(&mut self, text: &[u8], output: &mut Vec<u8>) {
        output.extend_from_slice(&self.head);
        output.extend_from_slice(text);
        output.extend_from_slice(b"#127.0.0.1\n");
    }

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Framed<'a> {
        let Some(line) = first_line(bytes) else { return Ok(None) };
        let seq = line.strip_prefix(b"OK msend seq=").and_then(|seq| seq.strip_suffix(b"\n"));
        match seq.and_then(decimal) {
            Some(seq) if seq > self.seq => self.seq = seq,
            Some(_) | None => return Err(unexpected("a higher seq", line)),
        }
        Ok(Some((Frame::Reply, line.len())))
    }
}

/// A message socket: deliveries in, acknowledgements out.
#[derive(Debug)]
pub(crate) struct Deliveries {
    text_bytes: usize,
    is_rising: bool,
    acks: bool,
    seq: u64,
    /// A delivery came since the last acknowledgement.
    is_ack_due: bool,
}

impl Deliveries {
    pub(crate) fn new(text_bytes: usize, acks: bool) -> Self {
        Self { text_bytes, is_rising: true, acks, seq: 0, is_ack_due: false }
    }

    /// Deliveries of the floor, which have no number of their own.
    pub(crate) fn copied(text_bytes: usize, acks: bool) -> Self {
        Self { is_rising: false, ..Self::new(text_bytes, acks) }
    }
}

impl Wire for Deliveries {
    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Framed<'a> {
        let mut head = memchr::memchr_iter(b'#', bytes);
        let (Some(first), Some(_), Some(third)) = (head.next(), head.next(), head.next()) else {
            return Ok(None);
        };
        let (begin, end) = (third + 1, third + 1 + self.text_bytes);
        let (Some(text), Some(last)) = (bytes.get(begin..end), bytes.get(end)) else {
            return Ok(None);
        };
        match bytes.get(..first).and_then(decimal) {
            Some(seq) if *last == b'\n' && (seq > self.seq || !self.is_rising) => self.seq = seq,
            Some(_) | None => return Err(unexpected("a delivery with a higher number", bytes)),
        }
        self.is_ack_due = self.acks;
        Ok(Some((Frame::Text(text), end + 1)))
    }

    fn acknowledge(&mut self, output: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_ack_due) {
            // Writing to a vector cannot fail.
            let _ = writeln!(output, "ack {}", self.seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::{check, published, refuses};

    #[test]
    fn deliveries_are_found_wherever_the_bytes_are_split() {
        let bytes = b"7#a#1700000000000#one#\n12#b.c#1700000000001##two\n";
        for acks in [false, true] {
            check(&|| Box::new(Deliveries::new(4, acks)), bytes, &[b"one#", b"#two"], 0);
        }
        let wrong = [&b"7#a#1#four!\n"[..], b"gap#1#2#three\n", b"x#a#1#four\n", b"-1#a#1#four\n"];
        refuses(&|| Box::new(Deliveries::new(4, false)), &wrong);
    }

    #[test]
    fn numbers_rise_and_the_last_one_is_acknowledged_once() {
        let (mut wire, mut output) = (Deliveries::new(1, true), Vec::new());
        for seq in [3, 7] {
            wire.frame(format!("{seq}#a#1#x\n").as_bytes()).unwrap();
        }
        wire.acknowledge(&mut output);
        wire.acknowledge(&mut output);
        assert_eq!(output, b"ack 7\n");
        assert!(wire.frame(b"7#a#1#x\n").is_err());
    }

    #[test]
    fn copies_with_the_same_number_are_acknowledged_after_each_read() {
        let (mut wire, mut output) = (Deliveries::copied(1, true), Vec::new());
        for _ in 0..2 {
            for _ in 0..3 {
                wire.frame(b"100000#publisher0#1#x\n").unwrap();
            }
            wire.acknowledge(&mut output);
            wire.acknowledge(&mut output);
        }
        assert_eq!(output, b"ack 100000\nack 100000\n");
    }

    #[test]
    fn replies_are_found_and_refusals_are_errors() {
        let bytes = b"OK msend seq=1\nOK msend seq=12\n";
        check(&|| Box::new(Requests::new("a")), bytes, &[], 2);
        let wrong = [&b"ERR 507 the backlog is full\n"[..], b"OK msend seq=0\n", b"\n"];
        refuses(&|| Box::new(Requests::new("a")), &wrong);
        assert_eq!(published(Requests::new("a")), b"a#msend four#127.0.0.1\n");
    }
}
