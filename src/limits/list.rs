//! Limits of a group of several sites.

use super::KEEP_HIGHEST;

/// Most reports of the engine that are handled in a turn.
pub const TURN_REPORTS_MAX: usize = 256;
/// Most messages of one client that are not decided.
pub const CLIENT_UNDECIDED_MAX: usize = 1024;
/// Most sites of a group, those included that have ended or are dead.
pub const SITES_MAX: usize = 64;
/// Longest batch, in bytes. The engine takes messages of 1 MiB.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of a batch before and after its records.
pub const BATCH_OVERHEAD_BYTES: usize = 256;
/// Longest request line at a site, in bytes: a batch has room for it.
pub const SITE_LINE_BYTES_HIGHEST: usize = 128 * 1024;
/// Chain values that are kept. A batch whose site has not read the last 4096 entries is void, so no
/// more entries may come while a batch is on its way to the leader. All sites need the same number.
pub const CHAIN_VALUES_MAX: usize = 4096;
/// Milliseconds without a batch after which a site makes an empty one.
pub const PULSE_MS: u64 = 2000;
/// Milliseconds by which the clock of a site counts at most, if it is ahead of the engine's clock.
pub const LIST_CLOCK_AHEAD_MS: u64 = 30_000;
/// Milliseconds of the list's time without a batch after which a site counts as dead.
pub const SITE_DEAD_MS: u64 = 15_000;
/// Milliseconds of the list's time without a batch after which a new site may replace a dead one
/// that has no members.
pub const SITE_FORGOTTEN_MS: u64 = 86_400_000;
/// Milliseconds without an entry after which a start subscribes again.
pub const START_SILENCE_MS: u64 = 5000;
/// Milliseconds after which an entry that is stored must have been read.
pub const READ_BACK_MS: u64 = 1500;
/// Milliseconds without an answer after which a batch is sent again.
pub const PUBLISH_AGAIN_MS: u64 = 1000;
/// Milliseconds after a refusal by the engine until the batch is sent again.
pub const PUBLISH_PAUSE_MS: u64 = 250;
/// Milliseconds between proposals of moved cursors.
pub const LIST_CURSORS_MS: u64 = 250;
/// Milliseconds that a starting process watches for batches of another process of its name.
pub const RIVAL_WATCH_MS: u64 = 5000;
/// Milliseconds that `engine_timeout` means by default: longer than an election of the engine.
pub const ENGINE_TIMEOUT_MS_DEFAULT: u64 = 10_000;
/// Bytes of messages after which an import begins the next batch. A batch has room for one more
/// message, and for the fields of all.
pub const IMPORT_RECORDS_BYTES_MAX: usize = 32 * 1024;
/// Tries to remove the first entry of an imported list.
pub const PURGE_TRIES_MAX: usize = 20;
/// Milliseconds without an entry after which `--inspect` gives up.
pub const INSPECT_SILENCE_MS: u64 = 15_000;
/// Milliseconds that the founding of a group waits for the engine.
pub const FOUND_WAIT_MS: u64 = 15_000;
/// Milliseconds that a start waits for a report of the engine at a time.
pub const START_POLL_MS: u64 = 100;
/// Milliseconds between two tries of a site to open its list again, if something in it is missing.
pub const REOPEN_MS: u64 = 1000;
/// Most bytes of a file of credentials.
pub const CREDENTIALS_BYTES_MAX: usize = 64 * 1024;
/// `engine_bytes`: most bytes of the list of a new group. If the list is full, requests get
/// `ERR 506`.
pub const ENGINE_BYTES_DEFAULT: u64 = 4 * 1024 * 1024 * 1024;
/// Bytes of the lowest `engine_bytes`; the config refuses a lower value. The list must have room
/// for a snapshot behind the entries after which it is due, or no entry could be removed.
pub const ENGINE_BYTES_LOWEST: u64 = 4 * SNAPSHOT_AFTER_BYTES;
/// Milliseconds that the end of a site may take.
pub const LIST_CLOSE_MS: u64 = 1000;
/// Milliseconds between two snapshots, at least. With a long time to live they are a quarter of it.
pub const SNAPSHOT_MS_MIN: u64 = 60_000;
/// Bytes of entries after which a snapshot is due.
pub const SNAPSHOT_AFTER_BYTES: u64 = 64 * 1024 * 1024;
/// Milliseconds until the next try after a snapshot that the engine has refused.
pub const SNAPSHOT_AGAIN_MS: u64 = 5000;
/// Longest content of a piece of a snapshot, in bytes.
pub const PIECE_BYTES_MAX: usize = 192 * 1024;
/// Most bytes of a piece before and after its content.
pub const PIECE_OVERHEAD_BYTES: usize = 512;
/// Milliseconds without a stored piece after which a snapshot that is not whole is given up.
pub const SNAPSHOT_GIVE_UP_MS: u64 = 30_000;
/// Milliseconds that own seqs are kept above the time to live: sites apply an entry at different
/// times.
pub const HORIZON_SLACK_MS: u64 = 60_000;
/// Newest messages whose own seqs are kept although all members have them: each site may keep that
/// many for newcomers.
pub const HORIZON_SLACK_MESSAGES: u64 = KEEP_HIGHEST as u64;
/// Entries after which the cursors of all members are looked at for own seqs to forget.
pub const HORIZON_ENTRIES: u64 = 64;
/// Most snapshots whose positions are kept.
pub const SNAPSHOT_MARKS_MAX: usize = 64;
/// Most pieces of a snapshot that are on their way at once.
pub const SNAPSHOT_PIECES_AT_ONCE: usize = 4;
/// Most pieces of a snapshot.
pub const SNAPSHOT_PIECES_MAX: u32 = 4096;

const _: () = assert!(
    SITE_LINE_BYTES_HIGHEST + BATCH_OVERHEAD_BYTES < BATCH_BYTES_MAX,
    "a batch has room for every message"
);
#[cfg(feature = "engine")]
const _: () = assert!(
    PIECE_BYTES_MAX + PIECE_OVERHEAD_BYTES <= super::engine::ENTRY_BYTES_MAX
        && BATCH_BYTES_MAX <= super::engine::ENTRY_BYTES_MAX,
    "the engine takes every piece of a snapshot, and every batch"
);
const _: () = assert!(LIST_CLOCK_AHEAD_MS < HORIZON_SLACK_MS, "no message goes before its time");
const _: () = assert!(PULSE_MS * 2 < RIVAL_WATCH_MS, "a rival pulses while it is watched for");
const _: () = assert!(PULSE_MS + READ_BACK_MS < SITE_DEAD_MS, "a pulse may come late");
