//! Limits of the participant's outbox file.

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
/// Most tries to open an outbox file that is replaced at the same time.
pub const OUTBOX_OPEN_TRIES: usize = 10;
