//! All limits of the project. Assertions in `relations` compare them at compile time.
//!
//! A `..._DEFAULT` can be changed by the config key of its doc comment, and by the option of the
//! same name. All other limits are fixed. Sizes are in bytes and times are in milliseconds, unless
//! the name says otherwise.

mod access;
mod announcements;
mod choices;
#[cfg(feature = "engine")]
pub mod engine;
mod history;
pub mod http;
#[cfg(feature = "engine")]
pub mod list;
mod logging;
mod outbox;
mod peers;
mod relations;
pub mod tls;

pub use access::{
    ACCESS_FILE_BYTES_MAX, CA_FILE_BYTES_MAX, CERTIFICATES_MAX, COORDINATOR_KEYS_MAX,
    KEYS_FILE_BYTES_MAX, KEYS_FILE_TRIES_MAX, RATE_HIGHEST, RATED_IDS_MAX,
};
pub use announcements::{
    ANNOUNCEMENT_RETRY_MS, FORMER_IDS_MAX, PRESENCE_DELAY_MS_HIGHEST, TURN_ANNOUNCEMENTS_MAX,
};
pub use choices::{Overflow, SyncPolicy};
pub use history::{
    BLOCK_BYTES, OWN_RANGES_MAX, RECORD_RANGES_MAX, RUN_BYTES_MAX, RUN_SLICES_MAX, SENT_GAPS_MAX,
    SHARED_LINE_BYTES_MIN,
};
pub use logging::{
    DIAGNOSTICS_QUEUE_MAX, DIAGNOSTICS_WRITE_BYTES_MAX, LOG_LEVEL_LINES_MAX, LOG_SUBJECT_LINES_MAX,
    LOG_WINDOW_MS,
};
pub use outbox::{
    CLOCK_SET_AFTER_MS, FILE_OPEN_TRIES, OUTBOX_AHEAD_MAX, OUTBOX_BYTES_MAX,
    OUTBOX_COMPACTION_RATIO, OUTBOX_DAMAGED_MAX, OUTBOX_DONE_BYTES_MAX, OUTBOX_EMPTY_BYTES_MAX,
    OUTBOX_FILE_BYTES_MAX, OUTBOX_LINE_BYTES_MAX, OUTBOX_MAX, OUTBOX_MS_MAX, QUEUED_NOTICE_MS,
    WAITING_BYTES_MAX, WAITING_MAX, WAITING_MS_MAX,
};
pub use peers::{
    KEEPALIVE_PROBES, KEEPALIVE_S_HIGHEST, Keepalive, PEER_CHECK_FIRST_MS, PEER_CHECK_MS,
    TURN_PEER_CHECKS_MAX, USER_TIMEOUT_MS_HIGHEST, USER_TIMEOUT_MS_LOWEST,
};

/// Most bytes of a participant id.
pub const ID_BYTES_MAX: usize = 64;
/// Most bytes of a nonce.
pub const NONCE_BYTES_MAX: usize = 64;
/// Lowest port for a participant's listener. Lower ports are reserved for the system.
pub const LISTEN_PORT_MIN: u16 = 1024;

/// `max_line`: most bytes of a request line, LF included.
pub const LINE_BYTES_DEFAULT: usize = 64 * 1024;
/// Lowest `max_line`: every request without a text fits.
pub const LINE_BYTES_LOWEST: usize = 512;
/// Highest `max_line`: 16 MiB.
pub const LINE_BYTES_HIGHEST: usize = 16 * 1024 * 1024;
/// Most bytes by which a delivery line can be longer than its request line.
pub const DELIVERY_EXTRA_BYTES: usize = 64;
/// Bytes of the longest `ack` line, CR and LF included.
pub const ACK_LINE_BYTES_MAX: usize = "ack 18446744073709551615\r\n".len();
/// Bytes of the longest `gap` line, LF included.
pub const GAP_LINE_BYTES_MAX: usize =
    "gap#18446744073709551615#18446744073709551615#18446744073709551615\n".len();
/// Most bytes of the reason in a `bye` line: an address and a few words.
pub const BYE_REASON_BYTES_MAX: usize = 128;
/// Bytes of the longest `hello` line, LF included.
pub const HELLO_LINE_BYTES_MAX: usize = "hello##0123456789abcdef\n".len() + NONCE_BYTES_MAX;

/// Highest seq of a message: the highest number in a signed 64-bit integer. At a million messages
/// per second it is reached after 290,000 years.
pub const SEQ_MAX: u64 = i64::MAX as u64;
/// Highest group time of a journal record, in milliseconds. A record with a later time is damaged.
pub const RECORD_TIME_MS_MAX: u64 = i64::MAX as u64;
/// Highest group time after a start, in milliseconds. A later time in a journal counts as this one.
/// So the highest time of a record is always 146 million years away.
pub const GROUP_TIME_MS_MAX: u64 = RECORD_TIME_MS_MAX / 2;
/// Most lost seqs at once, or between kept messages: more than a backlog of the default size can
/// hold. Each lost seq takes memory until it expires.
pub const LOST_NUMBERS_MAX: u64 = 4 * 1024 * 1024;

/// Highest time to live of a message, in seconds: one year.
pub const TTL_SECONDS_MAX: u64 = 31_536_000;
/// `max_backlog`: most bytes of delivery lines that members still need.
pub const BACKLOG_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// Highest `max_backlog`: one tebibyte.
pub const BACKLOG_BYTES_HIGHEST: u64 = 1 << 40;
/// `keep`: number of newest messages that are kept for newcomers until they expire.
pub const KEEP_DEFAULT: usize = 100;
/// Highest `keep`: at this number [`KEEP_BYTES_MAX`] allows 41 bytes a message.
pub const KEEP_HIGHEST: usize = 100_000;
/// Most bytes of delivery lines that are kept for newcomers. Also at most half of `max_backlog`, so
/// that they never fill the backlog.
pub const KEEP_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Milliseconds without a refused or dropped message after which the backlog counts as calm.
pub const BACKLOG_CALM_MS: u64 = 10_000;
/// `forget_after`: milliseconds that a member may be offline. 0: no limit.
pub const FORGET_AFTER_MS_DEFAULT: u64 = 0;
/// Highest `forget_after`: ten years.
pub const FORGET_AFTER_MS_HIGHEST: u64 = 10 * 31_536_000_000;
/// Most members forgotten in one turn.
pub const TURN_FORGETS_MAX: usize = 64;

/// `presence_delay`: milliseconds that a member must be offline before this is announced, and from
/// one announcement about an id to the next.
pub const PRESENCE_DELAY_MS_DEFAULT: u64 = 5_000;

/// `max_connections`: most command sockets.
pub const CONNECTIONS_DEFAULT: usize = 10_000;
/// Highest `max_connections`: half of the keys of a token are for sockets.
pub const CONNECTIONS_HIGHEST: usize = if usize::BITS < 64 { 20_000 } else { 1_000_000 };
/// Most command sockets above `max_connections` that wait for their `ERR` line.
pub const REFUSED_CONNECTIONS_MAX: usize = 64;
/// `max_connections_per_address`: most command sockets from one IPv4 address or IPv6 /64 network.
pub const CONNECTIONS_PER_ADDRESS_DEFAULT: usize = 256;
/// `max_members`: most members, with registrations under way.
pub const MEMBERS_DEFAULT: usize = 10_000;
/// Highest `max_members`, as for `max_connections`.
pub const MEMBERS_HIGHEST: usize = CONNECTIONS_HIGHEST;
/// `max_members_per_address`: most members at one IPv4 address or IPv6 /64 network.
pub const MEMBERS_PER_ADDRESS_DEFAULT: usize = 256;

/// `line_timeout`: milliseconds in which a started line must be finished.
pub const LINE_TIMEOUT_MS_DEFAULT: u64 = 10_000;
/// `connect_timeout`: milliseconds in which a connect-back must succeed.
pub const CONNECT_TIMEOUT_MS_DEFAULT: u64 = 5_000;
/// `stall_timeout`: milliseconds in which a message socket with due bytes must take one.
pub const STALL_TIMEOUT_MS_DEFAULT: u64 = 60_000;
/// Lowest of the three timeouts above.
pub const TIMEOUT_MS_LOWEST: u64 = 1;
/// Highest of the three timeouts above: one day.
pub const TIMEOUT_MS_HIGHEST: u64 = 86_400_000;

/// `keepalive`: seconds of silence of a peer before the first probe of TCP keepalive. 0: no probes.
pub const KEEPALIVE_S_DEFAULT: u64 = 15;
/// `user_timeout`: milliseconds without a TCP acknowledgement of written bytes after which a peer
/// is lost. 0: the operating system decides.
pub const USER_TIMEOUT_MS_DEFAULT: u32 = 30_000;
/// Milliseconds in which `--health` must have its answer.
pub const HEALTH_MS: u64 = 5_000;

/// Milliseconds that a refused connection is still read from, so that its client receives the
/// reply.
pub const LINGER_MS: u64 = 1_000;
/// Most bytes that a refused connection may still send.
pub const LINGER_BYTES_MAX: usize = 1024 * 1024;
/// Most milliseconds of a shutdown: for replies, deliveries and the journal.
pub const DRAIN_MS: u64 = 2_000;
/// Milliseconds at the end of a shutdown in which the peers may close their sides.
pub const PEER_CLOSE_MS: u64 = 250;
/// Most milliseconds without accepting after the process ran out of file descriptors.
pub const ACCEPT_PAUSE_MS: u64 = 100;
/// Milliseconds before a command socket without a request is closed for lack of file descriptors.
/// Its first request may be on its way.
pub const SILENT_MS_MIN: u64 = 1_000;
/// Most connections that wait to be accepted. The system may have a lower limit.
pub const ACCEPT_QUEUE: i32 = 4096;
/// Most connections accepted in one turn.
pub const TURN_ACCEPTS_MAX: usize = 64;
/// Milliseconds between two new epochs that members cause. Within them a `since` that is too high
/// gets `ERR 400`.
pub const NEW_EPOCH_PAUSE_MS: u64 = 10_000;
/// File descriptors in reserve for connect-backs, for the case that clients use all others.
pub const RESERVE_FILES: usize = 4;
/// Entries of the coordinator's table of file descriptors from the start on. They take 32 KiB of
/// the kernel's memory. Each doubling beyond them stops the loop once, for 8 to 27 ms.
pub const FILE_TABLE_FILES: u64 = 4096;

/// Most bytes that one connection reads, or writes, in one turn.
pub const TURN_BYTES_MAX: usize = 256 * 1024;
/// Most bytes written to all message sockets in one turn: a few milliseconds of work. Requests come
/// next.
pub const TURN_DELIVERY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most message sockets written to in one turn. Each write costs several microseconds. Requests
/// come next.
pub const TURN_DELIVERY_SOCKETS_MAX: usize = 384;
/// Most units of work for requests in one turn. At least one quarter is for clients that have used
/// up their share. A unit is about a quarter of a microsecond, so this is about 2 ms.
pub const TURN_WORK_MAX: usize = 8192;
/// Most units of work for acks in one turn: about 2 ms.
pub const TURN_ACK_WORK_MAX: usize = 8192;
/// Work units of serving a command socket: one read, and one write of its replies.
pub const WORK_REQUEST_SOCKET: usize = 16;
/// Work units of reading a message socket.
pub const WORK_ACK_SOCKET: usize = 4;
/// Work units of starting or ending a connect-back: several system calls.
pub const WORK_CONNECT: usize = 64;
/// Bytes of requests that cost as much as one request.
pub const WORK_BYTES: usize = 1024;
/// Bytes of acks that cost as much as one request.
pub const WORK_ACK_BYTES: usize = 16;
/// Most requests of one client that are served before all other clients with new requests.
pub const FRESH_REQUESTS_MAX: usize = 64;
/// Most requests of one client that are served at once.
pub const SHARE_REQUESTS_MAX: usize = 256;
/// Most bytes read from one message socket before all others with new bytes.
pub const FRESH_ACK_BYTES_MAX: usize = 1024;
/// Most clients whose replies are written in one turn.
pub const TURN_REPLIES_MAX: usize = 1024;
/// Most bytes of replies written to all clients in one turn.
pub const TURN_REPLY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most members in a list that is built at once. A longer list is built in pieces.
pub const LIST_LINES_MAX: usize = 256;
/// Most lines of long lists that are built in one turn: less than a millisecond of work.
pub const TURN_LIST_LINES_MAX: usize = 1024;
/// Bytes of a long list that are copied for one client at once.
pub const LIST_PIECE_BYTES: usize = 64 * 1024;
/// Work units of a line in a list of members.
pub const WORK_LIST_LINES: usize = 2;
/// Work units of `stats`. Each group of this many members costs one more unit.
pub const WORK_STATS: usize = 16;
/// Milliseconds of delay of a turn after which the machine counts as suspended.
pub const SUSPEND_MS_MIN: u64 = 1_000;
/// Milliseconds added to the timeouts of peers after a suspend. Their bytes may be on the way.
pub const SUSPEND_GRACE_MS: u64 = 1_000;
/// Most bytes read from one message socket at once. No other bytes cost as much as acks, and these
/// are thousands of them.
pub const TURN_ACK_BYTES_MAX: usize = 4 * 1024;
/// Most bytes of one `read` call.
pub const READ_BYTES: usize = 64 * 1024;
/// Bytes of waiting replies above which a client is throttled: it is not read from until it takes
/// its replies.
pub const UNREAD_REPLIES_BYTES_MAX: usize = 256 * 1024;
/// Bytes of waiting replies and requests of all clients above which each client has only a share,
/// and long lists wait.
pub const CLIENT_BYTES_ALL: usize = 64 * 1024 * 1024;
/// Part of [`CLIENT_BYTES_ALL`] for unfinished lines and waiting requests. Above it the longest
/// unfinished lines are refused. A larger `max_connections` or `max_line` raises it.
pub const INPUT_BYTES_ALL: usize = 48 * 1024 * 1024;
/// Number of unfinished lines of full length for which there is always room.
pub const UNFINISHED_LINES_MIN: usize = 8;
/// Bytes of replies and requests per client while [`CLIENT_BYTES_ALL`] is exceeded. They hold
/// hundreds of confirmations, so that a client that reads its replies is hardly slowed down.
pub const CLIENT_BYTES_SHARE: usize = 4 * 1024;

/// Most bytes of a line of the user, LF included. Longer than a default request, so that the
/// coordinator refuses a long request.
pub const USER_LINE_BYTES_MAX: usize = 1024 * 1024;
/// Highest value of `--count`.
pub const COUNT_MAX: u64 = i64::MAX.cast_unsigned();
/// Highest value of `--timeout`, in milliseconds: a year.
pub const TIMEOUT_MS_MAX: u64 = 365 * 24 * 3600 * 1000;
/// Bytes of an `msend` around its text, the id and the address apart.
pub const TEXT_FRAME_BYTES: usize = "#msend #\n".len();
/// Commands of the user that may wait. From this number on the input is not read.
pub const USER_COMMANDS_MAX: usize = 256;
/// Bytes of commands that may wait. The command that exceeds this limit is still taken.
pub const USER_COMMANDS_BYTES_MAX: usize = 256 * 1024;
/// Most requests without a reply.
pub const IN_FLIGHT_MAX: usize = 256;
/// Bytes of requests without a reply. The request that exceeds this limit is still sent.
pub const IN_FLIGHT_BYTES_MAX: usize = 256 * 1024;
/// Most coordinators of a participant.
pub const COORDINATORS_MAX: usize = 16;
/// Milliseconds in which a participant must connect its command socket.
pub const DIAL_TIMEOUT_MS: u64 = 10_000;
/// Milliseconds in which the coordinator's name must be resolved.
pub const RESOLVING_MS_MAX: u64 = 5_000;
/// Most addresses of one name that are tried.
pub const RESOLVED_ADDRESSES_MAX: usize = 8;
/// Milliseconds for the lookup and all addresses. The remaining addresses have equal shares of the
/// remaining time.
pub const CONNECTING_MS_MAX: u64 = 9_000;
/// Milliseconds between two reports of one kind of connection dropped at the listener.
pub const DROPPED_REPORT_MS: u64 = 10_000;
/// Milliseconds that a participant waits for the next reply: longer than the default
/// `connect_timeout`.
pub const REPLY_TIMEOUT_MS: u64 = 30_000;
/// Replies in a row that do not come in time, after which a participant that is online goes on with
/// its next coordinator.
pub const MISSED_REPLIES_MAX: u32 = 2;
/// Milliseconds for which the result of a command of `--exec` that a signal has ended is held: the
/// same signal may come to the participant.
pub const GROUP_SIGNAL_MS: u64 = 500;
/// Milliseconds after which a prompt in the background checks if it is in the foreground again.
pub const FOREGROUND_LOOK_MS: u64 = 250;
/// Milliseconds between two samples of `--top`.
pub const TOP_INTERVAL_MS: u64 = 1_000;
/// Milliseconds in which a coordinator must be connected, and answer, for a sample of `--top`.
pub const TOP_REPLY_MS: u64 = 5_000;
/// Milliseconds in which a connection to the listener must send its `hello` line. Also the
/// milliseconds from the reply to `register` or `reconnect` until such a connection must have come.
pub const HELLO_TIMEOUT_MS: u64 = 5_000;
/// Most connections to the listener without a `hello` line. A further one replaces the oldest.
pub const CANDIDATES_MAX: usize = 8;
/// Milliseconds of the shortest pause before a reconnect.
pub const RETRY_MS_LOWEST: u64 = 200;
/// Milliseconds of the longest pause before a reconnect.
pub const RETRY_MS_HIGHEST: u64 = 30_000;
/// Lifetime of a message socket, in milliseconds, after which the pauses before a reconnect start
/// again from the shortest one.
pub const RETRY_RESET_MS: u64 = 10_000;
/// Most own addresses that a participant remembers, to recognize a takeover by itself.
pub const OWN_ADDRESSES_MAX: usize = 16;
/// Most tries of a `register` or `reconnect` of the user whose replies get lost.
pub const LOST_REPLIES_MAX: u32 = 5;
/// Unwritten entries of the message log. From this number on no message is read.
pub const UNWRITTEN_ENTRIES_MAX: usize = 4096;
/// Bytes of unwritten entries. The entry that exceeds this limit is still taken.
pub const UNWRITTEN_BYTES_MAX: usize = 1024 * 1024;
/// Most bytes of one write of the message log without its last line. Entries are longer than their
/// deliveries by a readable time.
pub const LOG_WRITE_BYTES_MAX: usize = 2 * UNWRITTEN_BYTES_MAX;
/// Most tries of one write of the message log whose file is deleted or truncated at the same time.
pub const LOG_WRITE_TRIES: usize = 3;
/// Milliseconds before a failed write of the message log is tried again.
pub const LOG_RETRY_MS: u64 = 1_000;
/// Most milliseconds that a participant that quits waits for its message log and the coordinator.
pub const QUIT_MS: u64 = 5_000;

/// Most lines of the user between the input thread and the loop.
pub const USER_LINES_WAITING_MAX: usize = 64;
/// Most batches of output that wait for standard output.
pub const PRINT_QUEUE_MAX: usize = 4;
/// Bytes of waiting output above which messages are counted and not shown.
pub const UNPRINTED_MESSAGES_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of waiting output above which no command of the user is executed, because its reply would
/// wait, too.
pub const UNPRINTED_COMMANDS_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of waiting output above which replies and notices are counted and not shown. One list of a
/// hundred thousand members fits.
pub const UNPRINTED_LINES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most milliseconds that a participant waits at its end for its output to be printed.
pub const PRINT_CLOSE_MS: u64 = 1_000;
/// Most batches of entries that wait for the thread of the message log.
pub const LOG_QUEUE_MAX: usize = 4;
/// Lines of the prompt's history that are kept for the next start. The file has at most twice as
/// many for each program that uses it.
pub const HISTORY_LINES_MAX: usize = 1000;
/// Most bytes of a line that the history keeps.
pub const HISTORY_LINE_BYTES_MAX: usize = 4 * 1024;
/// Most bytes at the end of the history's file that are read.
pub const HISTORY_BYTES_MAX: usize = 1024 * 1024;
/// Most ids of other members that the prompt knows for completion.
pub const KNOWN_IDS_MAX: usize = 1000;
/// Most words that one completion offers: they fit on a screen.
pub const COMPLETIONS_MAX: usize = 32;
/// Messages that `last` shows without a number.
pub const LAST_MESSAGES_DEFAULT: usize = 10;
/// Most messages that `last` shows.
pub const LAST_MESSAGES_MAX: usize = 1000;
/// Most bytes at the end of a message log that `last` reads.
pub const LAST_BYTES_MAX: usize = 1024 * 1024;
/// Bytes read at once when the end of a message log is searched.
pub const LOG_SEARCH_BYTES: usize = 64 * 1024;

/// Most bytes of a config file. A larger file is not a config file.
pub const CONFIG_BYTES_MAX: usize = 64 * 1024;

/// Most events of one poll.
pub const EVENTS_MAX: usize = 16 * 1024;
/// Most milliseconds that a program waits at its end for its log lines to be printed.
pub const DIAGNOSTICS_CLOSE_MS: u64 = 500;
/// Bytes of a journal segment above which the next one is started.
pub const SEGMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// A segment is at least this many times as long as its snapshot before the next one is started.
/// With hundreds of thousands of members a snapshot is long, and most written bytes should be new
/// facts.
pub const SEGMENT_SNAPSHOTS_MIN: u64 = 4;
/// Most jobs that wait for the journal's worker: one commit for each turn that it is behind.
pub const JOURNAL_QUEUE_MAX: usize = 1024;
/// Most commits on their way. Some room in the queue is left for other jobs.
pub const JOURNAL_COMMITS_MAX: u64 = JOURNAL_QUEUE_MAX as u64 - 8;
/// Most bytes of records that wait for the disk. Above this the group accepts nothing that needs a
/// record.
pub const JOURNAL_WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Milliseconds from a change of a cursor to its record. All changes in between are recorded
/// together.
pub const CURSOR_FLUSH_MS: u64 = 100;
/// Milliseconds before a failed journal is tried again.
pub const JOURNAL_RETRY_MS: u64 = 1_000;
/// Milliseconds from one check that the files of the journal are in place to the next. Files and
/// directories can be moved while they are written.
pub const JOURNAL_CHECK_MS: u64 = 30_000;
/// Most losses of a journal that are reported one by one. A disk can have any number of them.
pub const LOSSES_REPORTED_MAX: usize = 100;
/// Records that a start reads between two checks for a signal.
pub const STOP_RECORDS_MAX: usize = 64;
/// Last part of [`DRAIN_MS`], reserved for closing the journal.
pub const JOURNAL_CLOSE_MS: u64 = 500;
/// Most tries to print a journal whose segments change at the same time.
pub const INSPECTIONS_MAX: usize = 4;
/// Milliseconds between two checks of the clocks, if the system does not report changes of them.
pub const CLOCK_CHECK_MS: u64 = 60_000;
/// Drift of the wall clock against the steady clock, in milliseconds, above which it is recorded.
pub const CLOCK_DRIFT_MS: u64 = 100;
/// Highest `sync` interval: one hour.
pub const SYNC_PAUSE_MS_HIGHEST: u64 = 3_600_000;
