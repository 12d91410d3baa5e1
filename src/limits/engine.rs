//! Limits of the client of NATS JetStream.

/// Most bytes of one entry of the list.
pub const ENTRY_BYTES_MAX: usize = 256 * 1024;
/// Lowest `max_payload` of a server: the answer with the longest entry, in base64, and 4 KiB of
/// JSON around it.
pub const PAYLOAD_BYTES_LOWEST: usize = ENTRY_BYTES_MAX / 3 * 4 + 4 * 1024;
/// Most jobs that wait for the client.
pub const JOBS_MAX: usize = 64;
/// Most jobs that wait for an answer of a server. Further jobs stay in the queue.
pub const JOBS_UNANSWERED_MAX: usize = 16;
/// Most entries that the client asks the leader for at a time.
pub const ASKS_MAX: usize = 64;
/// Most entries of the feed that wait until a hole before them is filled.
pub const AHEAD_MAX: usize = 1024;
/// Bytes of entries that wait for a hole above which the client asks for no more than one entry,
/// and drops entries of the feed. They become a hole.
pub const AHEAD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most messages of one subscription that the client has not read. Further ones are dropped.
pub const MESSAGES_MAX: usize = 128;
/// Most reports that the reader has not taken. Then the client stops reading.
pub const REPORTS_MAX: usize = 4096;
/// Bytes of entries in reports that the reader has not taken, above which the client stops reading.
pub const REPORT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Time limit of a connection with other credentials, while the present one goes on.
pub const LOGIN_MS: u64 = 10_000;
/// Most reasons of failed attempts to connect that are reported in one outage.
pub const FAILURES_MAX: usize = 8;
/// Most bytes of a reason of a server in a report.
pub const REASON_BYTES_MAX: usize = 512;
/// Number of last positions whose time stamps are compared with what the feed repeats.
pub const STAMPS_MAX: usize = 1024;
/// Time limit of an answer of a server.
pub const ANSWER_MS: u64 = 2_000;
/// Interval of the question for the end of the stream, at rest.
pub const CHECK_MS: u64 = 1_000;
/// Pause before a question is repeated that a server could not answer.
pub const RETRY_MS: u64 = 100;
/// Time for which the leader must say that the stream ends earlier than entries that were read.
/// A new leader says so for a moment, while it applies what it has.
pub const REWOUND_MS: u64 = 2_000;
/// Time for which the leader must say that no entry follows, though the stream goes on.
pub const ABSENT_MS: u64 = 3_000;
/// Interval of pings. Two pings without an answer end a connection.
pub const PING_MS: u64 = 1_000;
/// Time limit of one attempt to connect, with TLS and login.
pub const CONNECT_MS: u64 = 2_000;
/// Longest pause between two attempts to connect.
pub const RECONNECT_MS_MAX: u64 = 500;
/// Time limit of a start: servers and their leaders may be starting, too.
pub const START_MS: u64 = 15_000;
/// Most bytes of an answer of a monitor.
pub const MONITOR_BYTES_MAX: u64 = 1024 * 1024;
/// Most bytes of a group's name.
pub const GROUP_BYTES_MAX: usize = 64;

// Answers of all questions, and answers that come too late, fit into one subscription.
const _: () = assert!(ASKS_MAX + JOBS_UNANSWERED_MAX < MESSAGES_MAX);
