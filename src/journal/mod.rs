//! The journal: records on the coordinator's disk, and their recovery.

#![deny(clippy::arithmetic_side_effects)]

mod record;
mod segment;

pub use record::{BODY_BYTES_MAX, Kind, Record, Salt, delivery, encode};
pub use segment::{BadHeader, BootId, Found, HEADER_BYTES, Header, Records, SyncMode, read};
