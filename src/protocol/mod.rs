#![doc = include_str!("PROTOCOL.md")]
#![deny(clippy::arithmetic_side_effects)]

mod bye;
mod gap;
mod line;
mod message;
mod no_room;
mod number;
mod refusal;
mod reply;
mod request;

pub use bye::Bye;
pub use gap::Gap;
pub use line::{LineBuffer, TooLong};
pub use message::{Ack, BadLine, Delivery, MessageLine};
pub use no_room::NoRoom;
pub use number::{Epoch, Seq, push_number};
pub use refusal::{HeldBy, Misstep, Refusal};
pub use reply::{Fields, MemberLine, Reply, ReplyLine};
pub use request::{Command, Malformed, Options, Request, Since, is_id, is_text};
