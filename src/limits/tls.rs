//! Limits of TLS.

/// Most milliseconds of a client's handshake.
pub const HANDSHAKE_MS: u64 = 5000;
/// Most unfinished handshakes of clients. One more closes the oldest one.
pub const HANDSHAKES_MAX: usize = 256;
/// Most milliseconds of a turn for steps of handshakes. The step under way is finished.
pub const TURN_HANDSHAKES_MS: u64 = 1;

/// Most milliseconds between two looks at the wall clock while a certificate counts.
pub const CERTIFICATE_CHECK_MS: u64 = 60_000;

/// Most bytes of text in a record.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Most records of one write, which go to the system with one call.
pub const WRITE_RECORDS_MAX: usize = 8;
/// While more bytes of records than this wait for sockets, of all connections of a loop, a write
/// has one record. So many connections that cannot send at once keep one record each.
pub const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// Most bytes of text in a record after a record that the system did not take whole.
pub const TEXT_BYTES_BLOCKED: usize = 4 * 1024;
/// Most bytes of a record: header, text, type, padding and tag (RFC 8446). This is also the limit
/// of a handshake message.
pub const RECORD_BYTES_MAX: usize = 5 + TEXT_BYTES_MAX + 256;
/// Most bytes of a record that is sent, with a change of keys before it.
pub const SEALED_BYTES_MAX: usize = RECORD_BYTES_MAX + 256;
/// Most bytes without text that a peer may send at a time: tickets and changes of keys.
pub const NO_TEXT_BYTES_MAX: usize = 16 * 1024;
/// Bytes of text for which a peer may send one byte without text, beyond the limit above. A change
/// of keys has 27 bytes, so that 216 bytes of text allow one more.
pub const TEXT_BYTES_PER_OTHER: usize = 8;
/// Bytes around the text of a record: header, type and tag.
pub const AROUND_TEXT_BYTES: usize = 5 + 1 + 16;
/// Most bytes of the own certificates. A peer with the same limits accepts them.
pub const CERTIFICATE_BYTES_MAX: usize = 12 * 1024;

const _: () =
    assert!(CERTIFICATE_BYTES_MAX + 2048 < RECORD_BYTES_MAX, "certificates fit into a message");
