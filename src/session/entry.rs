//! Entries of the message log (messages, gaps, epochs), and the position at the end of the log.

use std::fmt::Write as _;

use crate::protocol::{Delivery, Epoch, Gap, Seq};
use crate::text::{self, Counted, Escaped};
use crate::time::UnixMillis;

/// The last number of the message log, and its epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogPosition {
    /// Epoch of the last number; `None` before the first hello ever.
    pub epoch: Option<Epoch>,
    /// Last number taken in the epoch.
    pub last: Seq,
}

/// One entry of the message log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEntry {
    Message(Message),
    /// Messages of others that are lost to this member.
    Gap(Gap),
    /// Start of an epoch: the numbers after this entry are not comparable with those before.
    Epoch(Epoch),
}

/// A message on its way into the log: one allocation, and its text is checked once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    seq: Seq,
    accepted: UnixMillis,
    /// The sender's id, followed by the text.
    sender_and_text: Box<str>,
    sender_bytes: u8,
    /// True if the text needs no escaping.
    is_plain: bool,
}

impl Message {
    /// Returns the message's number.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Returns the time at which the coordinator accepted the message.
    #[must_use]
    pub fn accepted(&self) -> UnixMillis {
        self.accepted
    }

    /// Returns the sender's id, which never needs escaping.
    #[must_use]
    pub fn sender(&self) -> &str {
        self.split().0
    }

    /// Returns the text as it was received, not escaped.
    #[must_use]
    pub fn text(&self) -> &str {
        self.split().1
    }

    fn split(&self) -> (&str, &str) {
        self.sender_and_text.split_at_checked(self.sender_bytes.into()).unwrap_or_default()
    }

    /// Appends the text to `written`, escaped by `guard`.
    pub fn push_text(&self, written: &mut String, guard: fn(&str) -> Escaped<'_>) {
        match self.is_plain {
            true => written.push_str(self.text()),
            false => {
                // Writing to a string cannot fail.
                let _ = write!(written, "{}", guard(self.text()));
            }
        }
    }
}

impl From<Delivery<'_>> for Message {
    fn from(delivery: Delivery<'_>) -> Self {
        let Delivery { seq, sender, accepted, text } = delivery;
        debug_assert!(u8::try_from(sender.len()).is_ok(), "ids are bounded below that");
        let sender_bytes = u8::try_from(sender.len()).unwrap_or_default();
        let mut sender_and_text = String::with_capacity(sender.len().saturating_add(text.len()));
        sender_and_text.push_str(sender);
        sender_and_text.push_str(text);
        let (sender_and_text, is_plain) = (sender_and_text.into_boxed_str(), text::is_plain(text));
        Self { seq, accepted, sender_and_text, sender_bytes, is_plain }
    }
}

impl LogEntry {
    /// Returns the approximate number of bytes of memory that the entry takes.
    pub(super) fn bytes(&self) -> usize {
        let texts = match self {
            Self::Message(message) => message.sender_and_text.len(),
            Self::Gap(_) | Self::Epoch(_) => 0,
        };
        texts.saturating_add(size_of::<Self>())
    }

    /// Appends the line for the user, escaped for a terminal. This is no `Display`, whose cost
    /// would be a large part of the cost of a message.
    pub fn push_to(&self, shown: &mut String) {
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Message(message) => {
                shown.push_str(itoa::Buffer::new().format(message.seq.as_u64()));
                shown.push(' ');
                shown.push_str(message.sender());
                shown.push_str(": ");
                message.push_text(shown, text::for_terminal);
                Ok(())
            }
            Self::Gap(Gap { count, first, last }) => {
                let lost = Counted(*count, "message", "messages");
                write!(shown, "* gap: {lost} lost, from {first} to {last}")
            }
            Self::Epoch(epoch) => write!(shown, "* new epoch {epoch}"),
        };
    }
}
