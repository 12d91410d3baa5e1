//! Fuzz targets: functions that take arbitrary bytes and check properties of the code that reads
//! them. libFuzzer and the tests on stable call the same functions.
//!
//! | target | property |
//! | --- | --- |
//! | `request` | a parsed request encodes to a line that parses equal; simple parsers agree |
//! | `message_line` | a parsed line encodes to the same bytes; a simple parser agrees |
//! | `ack` | a parsed ack encodes to the same bytes; a simple parser agrees |
//! | `line_buffer` | the lines do not depend on the pieces in which the bytes arrive |
//! | `segment` | each byte is of a record, damaged or torn; no message is invented |
//! | `segment`, `journal` | a group starts from the files, and again as it was |
//! | `journal` | damage of a good journal is reported, and costs nothing else |
//! | `message_log` | a log continues after its last whole line; no text can forge a line |
//! | `coordinator_config` | an error names its line; a valid config is the same written and read |
//! | `participant_config` | the same |
//! | `access_file` | the same; no error shows a key; the order of lines has no effect |
//! | `keys_files` | the same as `participant_config`; no error shows a key |
//! | `tls_handshake` | no bytes make a handshake without the keys; no side names a wrong key |

pub mod access_file;
pub mod ack;
pub mod coordinator_config;
pub mod journal;
pub mod keys_files;
pub mod line_buffer;
pub mod message_line;
pub mod message_log;
pub mod participant_config;
pub mod request;
pub mod segment;
pub mod tls_handshake;

mod config_file;
mod memory_disk;
mod recovery;
mod start;

/// A fuzz target.
pub struct FuzzTarget {
    /// Name of the target, of its corpus and of its program.
    pub name: &'static str,
    /// Panics if a property does not hold for the bytes.
    pub check: fn(&[u8]),
    /// Number of mutated inputs that the test on stable tries.
    pub runs: u64,
}

/// All fuzz targets.
pub const ALL: [FuzzTarget; 12] = [
    FuzzTarget { name: "access_file", check: access_file::check, runs: 3_000 },
    FuzzTarget { name: "ack", check: ack::check, runs: 20_000 },
    FuzzTarget { name: "coordinator_config", check: coordinator_config::check, runs: 1_000 },
    FuzzTarget { name: "journal", check: journal::check, runs: 1_500 },
    FuzzTarget { name: "keys_files", check: keys_files::check, runs: 3_000 },
    FuzzTarget { name: "line_buffer", check: line_buffer::check, runs: 20_000 },
    FuzzTarget { name: "message_line", check: message_line::check, runs: 20_000 },
    FuzzTarget { name: "message_log", check: message_log::check, runs: 2_000 },
    FuzzTarget { name: "participant_config", check: participant_config::check, runs: 3_000 },
    FuzzTarget { name: "request", check: request::check, runs: 20_000 },
    FuzzTarget { name: "segment", check: segment::check, runs: 3_000 },
    FuzzTarget { name: "tls_handshake", check: tls_handshake::check, runs: 2_000 },
];

/// Parses a number as simply as possible: it has no other text than this one.
fn simple_number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// Returns true for an id, by the words of PROTOCOL.md.
fn simple_id(text: &str) -> bool {
    let all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    !text.is_empty() && text.len() <= 64 && text.chars().all(|char| all.contains(char))
}
