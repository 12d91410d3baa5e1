//! Limits of the log.

/// Most log lines that wait for the log worker. Further ones are dropped and counted, and the log
/// says so.
pub const DIAGNOSTICS_QUEUE_MAX: usize = 1024;
/// Most bytes of diagnostics in one write, if a single line is not longer. A pipe takes a write of
/// this size whole (`PIPE_BUF` on Linux), so no other output splits a line.
pub const DIAGNOSTICS_WRITE_BYTES_MAX: usize = 4096;
/// Milliseconds over which log lines of level `info` and above are counted.
pub const LOG_WINDOW_MS: u64 = 60_000;
/// Most lines about one subject (a member, an address) in this time.
pub const LOG_SUBJECT_LINES_MAX: usize = 20;
/// Most lines of one level in this time, for all subjects.
pub const LOG_LEVEL_LINES_MAX: usize = 1000;
