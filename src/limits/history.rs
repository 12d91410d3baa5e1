//! Limits of kept messages, and of their way to one member.

/// Bytes of one block of the history. A longer line has its own block.
pub const BLOCK_BYTES: usize = 64 * 1024;
/// Most bytes of a run, which is written to a message socket with one call.
pub const RUN_BYTES_MAX: usize = 256 * 1024;
/// Most slices of a run. One call takes 1024 slices on Linux (`IOV_MAX`), and at least 16 on any
/// POSIX system.
pub const RUN_SLICES_MAX: usize = 64;
/// Bytes of a line from which on all message sockets that were sent a part of the line share one
/// copy of it. For a shorter line each of them has its own copy.
pub const SHARED_LINE_BYTES_MIN: usize = 4096;
/// Most unacknowledged gaps of a member that are kept to check acks: an ack may not name a seq
/// inside a gap. At the limit the oldest gap is forgotten, and an ack may name a seq inside it.
pub const SENT_GAPS_MAX: usize = 1024;
/// Most ranges of a member's own seqs above its cursor. At the limit its texts get `ERR 507` until
/// it acknowledges more.
pub const OWN_RANGES_MAX: usize = 256 * 1024;
/// Most ranges in one record of the journal. A member with more ranges has several records.
pub const RECORD_RANGES_MAX: usize = 2048;
