//! Lines of the message socket: `hello`, deliveries, `gap` and `bye` to the member, `ack` from it.

use std::fmt;

use super::number::{digits, parse_number, take_number};
use super::request::{is_id_byte, is_nonce};
use super::{ANNOUNCER, Epoch, Gap, Seq};
use crate::limits::{BYE_REASON_BYTES_MAX, ID_BYTES_MAX};
use crate::time::UnixMillis;

/// A message on its way to a member: `<seq>#<sender>#<unix_ms>#<text>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery<'a, T = &'a str> {
    /// Seq of the message.
    pub seq: Seq,
    /// Id of the sender, or [`ANNOUNCER`].
    pub sender: &'a str,
    /// Time at which the coordinator accepted the message.
    pub accepted: UnixMillis,
    /// Text of the message.
    pub text: T,
}

impl<'a> Delivery<'a> {
    /// Parses a line without its LF in one pass: a recovery parses every line of a journal. The
    /// text may contain control characters.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let mut rest = line.as_bytes();
        let seq = take_number(&mut rest).map(Seq::new).filter(|seq| *seq != Seq::ZERO)?;
        let sender_at = line.len().checked_sub(rest.len())?;
        let sender_bytes = match rest.iter().position(|byte| !is_id_byte(*byte))? {
            0 if rest.starts_with(ANNOUNCER.as_bytes()) => ANNOUNCER.len(),
            sender_bytes => sender_bytes,
        };
        let (sender, behind) = line.get(sender_at..)?.split_at_checked(sender_bytes)?;
        rest = behind.as_bytes().strip_prefix(b"#")?;
        let accepted = take_number(&mut rest).map(UnixMillis)?;
        let text = line.get(line.len().checked_sub(rest.len())?..)?;
        let is_fine = (1..=ID_BYTES_MAX).contains(&sender_bytes) && !text.is_empty();
        is_fine.then_some(Self { seq, sender, accepted, text })
    }
}

impl<T: AsRef<[u8]>> Delivery<'_, T> {
    /// Appends the line with its LF. `time` has the text of the time of the line before.
    pub fn encode(&self, time: &mut TimeText, line: &mut Vec<u8>) {
        let Self { seq, sender, accepted, text } = self;
        line.extend_from_slice(itoa::Buffer::new().format(seq.as_u64()).as_bytes());
        line.push(b'#');
        line.extend_from_slice(sender.as_bytes());
        line.extend_from_slice(time.between_marks(*accepted));
        line.extend_from_slice(text.as_ref());
        line.push(b'\n');
    }

    /// Returns an upper bound of [`Delivery::encoded_bytes`], without counting digits.
    #[must_use]
    #[inline]
    pub fn encoded_bytes_max(&self) -> usize {
        const NUMBERS_AND_MARKS: usize = 2 * (u64::MAX.ilog10() as usize + 1) + "###\n".len();
        NUMBERS_AND_MARKS.saturating_add(self.sender.len()).saturating_add(self.text.as_ref().len())
    }

    /// Returns the bytes that [`Delivery::encode`] appends.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        let digits = [self.seq.as_u64(), self.accepted.0].map(digits);
        let parts =
            [digits[0], digits[1], self.sender.len(), self.text.as_ref().len(), "###\n".len()];
        parts.into_iter().fold(0, usize::saturating_add)
    }
}

/// A time as text. Consecutive messages mostly have the same time.
#[derive(Debug, Default)]
pub struct TimeText {
    time: UnixMillis,
    /// `#<time>#`; empty before the first use.
    text: Vec<u8>,
}

impl TimeText {
    fn between_marks(&mut self, time: UnixMillis) -> &[u8] {
        if self.time != time || self.text.is_empty() {
            self.text.clear();
            self.text.push(b'#');
            self.text.extend_from_slice(itoa::Buffer::new().format(time.0).as_bytes());
            self.text.push(b'#');
            self.time = time;
        }
        &self.text
    }
}

impl fmt::Display for Delivery<'_> {
    /// Writes the line without its LF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}#{}#{}", self.seq, self.sender, self.accepted, self.text)
    }
}

/// A line that the coordinator writes on a message socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageLine<'a> {
    /// First line, if the request has a nonce: `hello#<nonce>#<epoch>`.
    Hello {
        /// Nonce of the request.
        nonce: &'a str,
        /// Epoch of the seqs that follow.
        epoch: Epoch,
    },
    /// Delivery of a message.
    Delivery(Delivery<'a>),
    /// Gap of lost messages.
    Gap(Gap),
    /// Last line, `bye#<reason>`. [`super::Bye`] parses the reason.
    Bye(&'a str),
}

impl<'a> MessageLine<'a> {
    /// Parses a line without its LF. The text may contain control characters: the caller must
    /// escape them.
    ///
    /// # Errors
    ///
    /// [`BadLine`] if it is no line of the message socket.
    pub fn parse(line: &'a str) -> Result<Self, BadLine> {
        if line.as_bytes().first().is_some_and(u8::is_ascii_digit) {
            return Delivery::parse(line).map(Self::Delivery).ok_or(BadLine);
        }
        let (first, rest) = line.split_once('#').ok_or(BadLine)?;
        match first {
            "hello" => {
                let (nonce, epoch) = rest.split_once('#').ok_or(BadLine)?;
                let epoch = Epoch::parse(epoch).ok_or(BadLine)?;
                if !is_nonce(nonce) {
                    return Err(BadLine);
                }
                Ok(Self::Hello { nonce, epoch })
            }
            "gap" => Self::parse_gap(rest).map(Self::Gap),
            "bye" => {
                let is_printable = rest.bytes().all(|byte| matches!(byte, b' '..=b'~'));
                let is_reason = (1..=BYE_REASON_BYTES_MAX).contains(&rest.len()) && is_printable;
                if is_reason { Ok(Self::Bye(rest)) } else { Err(BadLine) }
            }
            _ => Err(BadLine),
        }
    }

    fn parse_gap(fields: &str) -> Result<Gap, BadLine> {
        let mut numbers = fields.split('#').map(parse_number);
        let mut number = || numbers.next().flatten().ok_or(BadLine);
        let (count, first, last) = (number()?, Seq::new(number()?), Seq::new(number()?));
        let spanned = last.above(first.before());
        if numbers.next().is_some() || count == 0 || first == Seq::ZERO || count > spanned {
            return Err(BadLine);
        }
        Ok(Gap { count, first, last })
    }
}

impl fmt::Display for MessageLine<'_> {
    /// Writes the line without its LF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello { nonce, epoch } => write!(f, "hello#{nonce}#{epoch}"),
            Self::Delivery(delivery) => delivery.fmt(f),
            Self::Gap(gap) => gap.fmt(f),
            Self::Bye(reason) => write!(f, "bye#{reason}"),
        }
    }
}

/// A line that a member writes on its message socket: all messages up to `seq` are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Last received seq.
    pub seq: Seq,
}

impl Ack {
    /// Parses a line without its LF.
    ///
    /// # Errors
    ///
    /// [`BadLine`] if it is not an ack.
    pub fn parse(line: &[u8]) -> Result<Self, BadLine> {
        let number = line.strip_prefix(b"ack ").ok_or(BadLine)?;
        Seq::parse_bytes(number).map(|seq| Self { seq }).ok_or(BadLine)
    }
}

impl fmt::Display for Ack {
    /// Writes the line without its LF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ack {}", self.seq)
    }
}

/// Error: not a line of the message socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine;

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a line of the message socket")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits;

    #[test]
    fn every_line_reads_as_it_was_written() {
        let epoch = Epoch::new(0xfeed);
        let delivery = Delivery {
            seq: Seq::new(7),
            sender: "bob",
            accepted: UnixMillis(1_700_000_000_123),
            text: "a#b # c",
        };
        for line in [
            MessageLine::Hello { nonce: "0aF", epoch },
            MessageLine::Delivery(delivery),
            MessageLine::Delivery(Delivery { sender: ANNOUNCER, text: "bob online", ..delivery }),
            MessageLine::Gap(Gap { count: 2, first: Seq::new(3), last: Seq::new(9) }),
            MessageLine::Bye("taken over by 10.0.0.7:40211"),
            MessageLine::Bye(&"x".repeat(limits::BYE_REASON_BYTES_MAX)),
        ] {
            assert_eq!(MessageLine::parse(&line.to_string()), Ok(line));
        }
        let ack = Ack { seq: Seq::new(12) };
        assert_eq!(Ack::parse(ack.to_string().as_bytes()), Ok(ack));
    }

    #[test]
    fn a_line_unknown_to_the_message_socket_is_refused() {
        for bad in [
            "",
            "#",
            "hello",
            "hello#",
            "hello#a#b",
            "hello##00000000000000ab",
            "hello#x#00000000000000ab",
            "hello#a#00000000000000AB",
            "hello#a#b#00000000000000ab",
            "gap#1#2",
            "gap#0#1#1",
            "gap#1#0#1",
            "gap#3#1#2",
            "gap#1#2#1",
            "gap#1#1#1#1",
            "bye",
            "bye#",
            "bye#tab\t",
            "bye#\u{fc}",
            &format!("bye#{}", "x".repeat(limits::BYE_REASON_BYTES_MAX.saturating_add(1))),
            "1#bob#2",
            "1#bob#2#",
            "1#bob#02#t",
            " 1#bob#2#t",
            "x#bob#2#t",
            "0#bob#2#t",
            "1#b b#2#t",
            "1##2#t",
            "1#@@#2#t",
            "1#@bob#2#t",
            "1#bob@#2#t",
            "1#@#2#",
            "1#@",
            "1#bob#x#t",
            "01#bob#2#t",
            "1",
            "1#",
            "1#bob",
            "1#bob#",
            "18446744073709551616#bob#2#t",
            "1#bob#100000000000000000000#t",
            "1#b\u{fc}b#2#t",
            &format!("1#{}#2#t", "b".repeat(limits::ID_BYTES_MAX.saturating_add(1))),
        ] {
            assert_eq!(MessageLine::parse(bad), Err(BadLine), "{bad:?}");
        }
        for bad in ["", "ack", "ack ", "ack  1", "ack 01", "ack -1", "ack 1 ", "ACK 1", "ack 1x"] {
            assert_eq!(Ack::parse(bad.as_bytes()), Err(BadLine), "{bad:?}");
        }
        assert_eq!(Ack::parse(b"ack \xff"), Err(BadLine));
        assert_eq!(Ack::parse(b"ack 18446744073709551616"), Err(BadLine));
    }
    proptest! {
        #[test]
        fn a_delivery_is_encoded_as_it_is_shown_and_read(
            seq in 1..=u64::MAX,
            sender in "[A-Za-z0-9._-]{1,64}|@",
            [before_ms, unix_ms] in any::<[u64; 2]>(),
            text in "[ -~\\t\u{a0}-\u{ffff}]{1,80}",
        ) {
            let (sender, text) = (sender.as_str(), text.as_str());
            let accepted = UnixMillis(unix_ms);
            let delivery = Delivery { seq: Seq::new(seq), sender, accepted, text };
            let shown = delivery.to_string();
            assert_eq!(MessageLine::parse(&shown), Ok(MessageLine::Delivery(delivery)));
            let mut time = TimeText::default();
            let before = Delivery { accepted: UnixMillis(before_ms), ..delivery };
            before.encode(&mut time, &mut Vec::new());
            for _ in 0..2 {
                let mut encoded = Vec::new();
                delivery.encode(&mut time, &mut encoded);
                assert_eq!(encoded, format!("{shown}\n").as_bytes());
                assert_eq!(encoded.len(), delivery.encoded_bytes());
            }
            // The shortest request that can contain this text.
            let request = format!("{sender}#msend {text}#::\n"); // One of `@` would be as long.
            let bytes_max = request.len().saturating_add(limits::DELIVERY_EXTRA_BYTES);
            assert!(delivery.encoded_bytes() <= bytes_max);
        }

        #[test]
        fn a_gap_reads_as_it_was_written(
            first in 1..=u64::MAX,
            span in 0..1000_u64,
            lost in 1..=1000_u64,
        ) {
            let last = first.saturating_add(span);
            let count = lost.min(last.saturating_sub(first).saturating_add(1));
            let gap = Gap { count, first: Seq::new(first), last: Seq::new(last) };
            assert_eq!(MessageLine::parse(&gap.to_string()), Ok(MessageLine::Gap(gap)));
            assert!(gap.to_string().len() < limits::GAP_LINE_BYTES_MAX);
        }

        #[test]
        fn a_hello_reads_as_it_was_written(nonce in "[0-9a-fA-F]{1,64}", epoch in any::<u64>()) {
            let hello = MessageLine::Hello { nonce: &nonce, epoch: Epoch::new(epoch) };
            assert_eq!(MessageLine::parse(&hello.to_string()), Ok(hello));
            assert!(hello.to_string().len() < limits::HELLO_LINE_BYTES_MAX);
        }
    }
}
