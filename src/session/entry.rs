//! What stands in the message log: messages, gaps, and where the numbers begin anew.

use std::fmt::Write as _;

use crate::protocol::{Delivery, Epoch, Gap, Seq, push_number};
use crate::text::{self, Safe};
use crate::time::UnixMillis;

/// One entry of the message log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEntry {
    /// A message.
    Message(Message),
    /// Messages lost.
    Gap(Gap),
    /// The numbers behind this belong to another life than those before.
    Epoch(Epoch),
}

/// A message as it is kept until it is written: in one piece of memory, and looked through once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    seq: Seq,
    accepted: UnixMillis,
    /// The sender, and right behind it the text.
    sender_and_text: Box<str>,
    sender_bytes: u8,
    /// The text needs no guard, wherever it is written.
    is_plain: bool,
}

impl Message {
    /// Its number.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// When the coordinator accepted it.
    #[must_use]
    pub fn accepted(&self) -> UnixMillis {
        self.accepted
    }

    /// Who sent it: an id, harmless everywhere.
    #[must_use]
    pub fn sender(&self) -> &str {
        self.split().0
    }

    /// What was sent, as it came.
    #[must_use]
    pub fn text(&self) -> &str {
        self.split().1
    }

    fn split(&self) -> (&str, &str) {
        self.sender_and_text.split_at_checked(self.sender_bytes.into()).unwrap_or_default()
    }

    /// Appends the text, made harmless by `guard`.
    pub fn push_text(&self, written: &mut String, guard: fn(&str) -> Safe<'_>) {
        match self.is_plain {
            true => written.push_str(self.text()),
            false => {
                // A string takes everything.
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
    /// About what it costs to keep.
    pub(super) fn bytes(&self) -> usize {
        let texts = match self {
            Self::Message(message) => message.sender_and_text.len(),
            Self::Gap(_) | Self::Epoch(_) => 0,
        };
        texts.saturating_add(size_of::<Self>())
    }

    /// Appends what the user sees, safe for a terminal. Not as a `Display`: of what a message
    /// costs, that would be a good part.
    pub fn push_to(&self, shown: &mut String) {
        // A string takes everything.
        let _ = match self {
            Self::Message(message) => {
                push_number(shown, message.seq.as_u64());
                shown.push(' ');
                shown.push_str(message.sender());
                shown.push_str(": ");
                message.push_text(shown, text::for_terminal);
                Ok(())
            }
            Self::Gap(Gap { count, first, last }) => {
                write!(shown, "* gap: {count} lost, from {first} to {last}")
            }
            Self::Epoch(epoch) => write!(shown, "* epoch {epoch}: numbers begin anew"),
        };
    }
}
