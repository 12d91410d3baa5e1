//! What recovery finds that somebody must look at, in words.

use std::fmt;
use std::io;
use std::ops::Range;

use super::store::Rejected;
use crate::protocol::Seq;

/// Something that is not as it should be.
#[derive(Debug)]
pub enum Trouble {
    /// A file that bears the name of a segment and cannot be read as one.
    Rejected(Rejected),
    /// A segment is damaged; what is whole in it is used.
    Damaged {
        /// Which.
        serial: u64,
        /// In how many places.
        places: u64,
        /// How many bytes.
        bytes: u64,
        /// The first place.
        first: Range<u64>,
    },
    /// A segment ends in the beginning of a record.
    Torn {
        /// Which.
        serial: u64,
        /// Where.
        bytes: Range<u64>,
        /// Whether it was cut off; `None`: nothing was to be changed.
        cut: Option<io::Result<()>>,
    },
    /// A segment begins numbers anew that others go on with; what it says of them is not used.
    NumbersTwice {
        /// Which.
        serial: u64,
        /// How many messages.
        messages: u64,
    },
    /// The newest segments, or the end of the newest, are not there.
    NewestMissing,
    /// A member has taken a number above the last one that is found.
    PlaceAboveLast(Seq),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(Rejected { name, reason, aside }) => {
                write!(f, "{name} cannot be used: {reason}")?;
                match aside {
                    Some(Ok(aside)) => write!(f, "; it is {aside} now"),
                    Some(Err(error)) => write!(f, "; it cannot be set aside: {error}"),
                    None => Ok(()),
                }
            }
            Self::Damaged { serial, places, bytes, first } => {
                let Range { start, end } = first;
                write!(
                    f,
                    "segment {serial:016x} is damaged in {places} places, {bytes} bytes in "
                )?;
                write!(f, "all, the first from {start} to {end}")
            }
            Self::Torn { serial, bytes: Range { start, end }, cut } => {
                write!(f, "segment {serial:016x} ends in a torn record from {start} to {end}")?;
                match cut {
                    Some(Ok(())) => f.write_str(", which was cut off"),
                    Some(Err(error)) => write!(f, ", which cannot be cut off: {error}"),
                    None => Ok(()),
                }
            }
            Self::NumbersTwice { serial, messages } => {
                write!(f, "segment {serial:016x} begins numbers anew: {messages} messages not used")
            }
            Self::NewestMissing => f.write_str("the newest records are missing"),
            Self::PlaceAboveLast(place) => {
                write!(f, "a member has taken message {place}, which is not there")
            }
        }
    }
}
