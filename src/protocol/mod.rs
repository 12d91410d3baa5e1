#![doc = include_str!("PROTOCOL.md")]
#![deny(clippy::arithmetic_side_effects)]
#![warn(missing_docs)]

mod access_error;
mod announcement;
mod bye;
mod counted_text;
mod error;
mod gap;
mod ip;
mod key_name;
mod last_request;
mod limit_reached;
mod line;
mod malformed;
mod member_line;
mod message;
mod number;
mod query;
mod reply;
mod request;
mod secret;
mod text;

pub use access_error::{Forbidden, PeerName, Right, Unauthorized};
pub use announcement::{ANNOUNCER, Announcement, PresenceChange};
pub use bye::Bye;
pub use error::{BacklogHolder, Conflict, RequestError};
pub use gap::Gap;
pub use key_name::{BadKeyName, KeyName};
pub use last_request::LastRequest;
pub use limit_reached::LimitReached;
pub use line::{LineBuffer, TooLong};
pub use malformed::Malformed;
pub use member_line::MemberLine;
#[cfg(feature = "engine")]
pub use member_line::SiteMemberLine;
pub use message::{Ack, BadLine, Delivery, MessageLine, TimeText};
pub use number::{Epoch, Seq};
pub use query::{Listing, Query};
pub use reply::{Fields, Reply, ReplyEncoder, ReplyLine};
pub use request::{Command, DeliverTo, Options, Request, Since, is_id};
pub use secret::{Secret, SecretName, SecretText};
pub use text::Text;
