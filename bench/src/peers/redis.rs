//! Redis as a peer: `PUBLISH` and `SUBSCRIBE`, in RESP.

use memchr::memchr;

use super::stage::{Plan, Stage};
use super::wire::{Frame, Wire, decimal, unexpected};
use crate::failure::Result;
use crate::redis::Redis;

/// Sets the stage for a plan.
///
/// # Errors
///
/// Those of the sockets.
pub fn stage(redis: Redis, plan: Plan) -> Result<Stage> {
    let mut stage = Stage::new(plan);
    for _ in 0..plan.receivers {
        stage.receiver(redis.subscribe()?, Box::new(Subscriber::new(plan.text_bytes)))?;
    }
    for _ in 0..plan.publishers {
        stage.publisher(redis.connect()?, Box::new(Publisher::new(plan)))?;
    }
    Ok(stage.served_by(redis.server))
}

/// Who is subscribed: arrays of three come in.
#[derive(Debug)]
pub struct Subscriber {
    head: Vec<u8>,
    text_bytes: usize,
}

impl Subscriber {
    /// Of texts so long.
    #[must_use]
    pub fn new(text_bytes: usize) -> Self {
        let head = format!("*3\r\n$7\r\nmessage\r\n$5\r\ngroup\r\n${text_bytes}\r\n");
        Self { head: head.into_bytes(), text_bytes }
    }
}

impl Wire for Subscriber {
    fn publish(&mut self, _text: &[u8], _output: &mut Vec<u8>) {}

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> std::result::Result<Frame<'a>, String> {
        let (begin, end) = (self.head.len(), self.head.len() + self.text_bytes);
        let Some(frame) = bytes.get(..end + 2) else { return Ok(Frame::Part) };
        match frame.get(begin..end) {
            Some(text) if frame.starts_with(&self.head) && frame.ends_with(b"\r\n") => {
                Ok(Frame::Text(text, frame.len()))
            }
            Some(_) | None => Err(unexpected("a message", frame)),
        }
    }
}

/// Who publishes: the number of receivers comes in.
#[derive(Debug)]
pub struct Publisher {
    head: Vec<u8>,
    receivers: u64,
}

impl Publisher {
    /// For as many receivers as planned, of texts so long.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let head = format!("*3\r\n$7\r\nPUBLISH\r\n$5\r\ngroup\r\n${}\r\n", plan.text_bytes);
        Self { head: head.into_bytes(), receivers: plan.receivers as u64 }
    }
}

impl Wire for Publisher {
    fn publish(&mut self, text: &[u8], output: &mut Vec<u8>) {
        output.extend_from_slice(&self.head);
        output.extend_from_slice(text);
        output.extend_from_slice(b"\r\n");
    }

    fn frame<'a>(&mut self, bytes: &'a [u8]) -> std::result::Result<Frame<'a>, String> {
        let Some(end) = memchr(b'\n', bytes) else { return Ok(Frame::Part) };
        let line = bytes.get(..=end).unwrap_or_default();
        let number = line.strip_prefix(b":").and_then(|rest| rest.strip_suffix(b"\r\n"));
        if number.and_then(decimal) == Some(self.receivers) {
            Ok(Frame::Reply(line.len()))
        } else {
            Err(unexpected(&format!(":{}", self.receivers), line))
        }
    }

    fn replies(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::tests::check;
    use super::*;

    const PLAN: Plan = Plan { publishers: 1, receivers: 100, text_bytes: 4, are_same: false };

    #[test]
    fn messages_are_found_wherever_the_bytes_are_split() {
        let bytes = b"*3\r\n$7\r\nmessage\r\n$5\r\ngroup\r\n$4\r\none\n\r\n\
                      *3\r\n$7\r\nmessage\r\n$5\r\ngroup\r\n$4\r\n\rtwo\r\n";
        check(&|| Box::new(Subscriber::new(4)), bytes, &[b"one\n", b"\rtwo"], 0);
        for at in [0, 5, 20, bytes.len() / 2 - 1] {
            let mut wrong = bytes.to_vec();
            wrong[at] ^= 1;
            assert!(Subscriber::new(4).frame(&wrong).is_err(), "byte {at}");
        }
    }

    #[test]
    fn each_message_must_reach_all() {
        check(&|| Box::new(Publisher::new(PLAN)), b":100\r\n:100\r\n", &[], 2);
        for wrong in [&b":99\r\n"[..], b"-ERR\r\n", b":100\n"] {
            assert!(Publisher::new(PLAN).frame(wrong).is_err());
        }
        let mut output = Vec::new();
        Publisher::new(PLAN).publish(b"four", &mut output);
        assert_eq!(output, b"*3\r\n$7\r\nPUBLISH\r\n$5\r\ngroup\r\n$4\r\nfour\r\n");
    }
}
