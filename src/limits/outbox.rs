//! Limits of the participant's texts that wait, in memory and in an outbox file.

use super::LINE_BYTES_HIGHEST;

/// Most bytes of a line of the outbox file: a text of any coordinator, and the fields before it.
pub const OUTBOX_LINE_BYTES_MAX: usize = LINE_BYTES_HIGHEST + 128;
/// Most bytes of an outbox file. An entry that would exceed this limit stays unwritten.
pub const OUTBOX_FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes of an outbox file without waiting texts above which a new file replaces it.
pub const OUTBOX_EMPTY_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of an outbox file above which a new file replaces it, if few texts in it still wait.
pub const OUTBOX_DONE_BYTES_MAX: u64 = 1024 * 1024;
/// Ratio of an outbox file to the texts that wait in it, above which these are few texts.
pub const OUTBOX_COMPACTION_RATIO: u64 = 4;
/// Most damaged outbox files that are kept beside one outbox file.
pub const OUTBOX_DAMAGED_MAX: u32 = 100;
/// Most tries to open an outbox file or a message log that is replaced at the same time.
pub const FILE_OPEN_TRIES: usize = 10;
/// Most texts that wait in an outbox file, without those in flight. A further text is refused.
pub const OUTBOX_MAX: usize = 100_000;
/// Bytes of texts that wait in an outbox file. The text that exceeds this limit is still taken.
pub const OUTBOX_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Milliseconds after which a text in an outbox file is given up: 7 days.
pub const OUTBOX_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;
/// Milliseconds from 1970 to the begin of 2026, before any release. A clock that shows an earlier
/// time was not set yet, and the age of a text that was stored then is unknown.
pub const CLOCK_SET_AFTER_MS: u64 = 1_767_225_600_000;
/// Most texts that an online participant takes into its outbox file before it has sent them.
pub const OUTBOX_AHEAD_MAX: usize = 1024;
/// Milliseconds after which a text in the outbox file is shown as queued although a `join` is under
/// way.
pub const QUEUED_NOTICE_MS: u64 = 1_000;
/// Most requests of the user that wait while the coordinator is away, without those in flight. A
/// further request is given up.
pub const WAITING_MAX: usize = 1000;
/// Bytes of waiting requests. The request that exceeds this limit is still taken.
pub const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// Milliseconds after which a waiting request is given up.
pub const WAITING_MS_MAX: u64 = 120_000;
