//! Every bound of the project, in one place, related to each other by assertions at compile time.
//!
//! A bound that an operator may move has a config key of the same name and is a *default* here;
//! the others are fixed. Sizes are bytes unless the name says otherwise, times are milliseconds.

mod choices;
mod relations;

pub use choices::{Overflow, Sync};

/// Longest participant id.
pub const ID_BYTES_MAX: usize = 64;
/// Longest nonce.
pub const NONCE_BYTES_MAX: usize = 64;
/// Lowest port that a participant may listen on; those below are the system's.
pub const LISTEN_PORT_MIN: u16 = 1024;

/// `max_line`: longest request line, LF included.
pub const LINE_BYTES_DEFAULT: usize = 64 * 1024;
/// Smallest `max_line` that can be asked for: every request without a text fits.
pub const LINE_BYTES_LOWEST: usize = 512;
/// Largest `max_line` that can be asked for.
pub const LINE_BYTES_HIGHEST: usize = 16 * 1024 * 1024;
/// By how much a delivery may be longer than the request that brought it.
pub const DELIVERY_EXTRA_BYTES: usize = 64;
/// Longest `ack` line, CR and LF included.
pub const ACK_LINE_BYTES_MAX: usize = "ack 18446744073709551615\r\n".len();
/// Longest `gap` line, LF included.
pub const GAP_LINE_BYTES_MAX: usize =
    "gap#18446744073709551615#18446744073709551615#18446744073709551615\n".len();
/// Longest reason of a `bye` line: an address and a few words.
pub const BYE_REASON_BYTES_MAX: usize = 128;
/// Longest `hello` line, LF included.
pub const HELLO_LINE_BYTES_MAX: usize = "hello##0123456789abcdef\n".len() + NONCE_BYTES_MAX;

/// The last number that is given to a message: the highest that signed 64-bit integers can hold. At
/// a million messages a second it takes 290,000 years to the end.
pub const SEQ_MAX: u64 = i64::MAX as u64;
/// The latest time that a record of a journal can say, in milliseconds of the group. What says a
/// later one is damage.
pub const RECORD_TIME_MS_MAX: u64 = i64::MAX as u64;
/// The latest time that a group can go on at after a start: what a journal says of later times
/// counts as this. So it is 146 million years to the end of the range, and to damage.
pub const GROUP_TIME_MS_MAX: u64 = RECORD_TIME_MS_MAX / 2;
/// Numbers that can be lost at once, or between messages that are kept: more than a backlog of the
/// default size has room for. Each takes some memory until it has expired.
pub const LOST_NUMBERS_MAX: u64 = 4 * 1024 * 1024;

/// Longest time to live of a message: one year.
pub const TTL_SECONDS_MAX: u64 = 31_536_000;
/// `max_backlog`: bytes of kept lines.
pub const BACKLOG_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// Largest `max_backlog` that can be asked for: one tebibyte.
pub const BACKLOG_BYTES_HIGHEST: u64 = 1 << 40;
/// Bytes of one block of the history; a line longer than this has a block of its own.
pub const BLOCK_BYTES: usize = 64 * 1024;
/// Bytes of one run: what is offered to a member's socket in one call.
pub const RUN_BYTES_MAX: usize = 256 * 1024;
/// Slices of one run. The operating system takes at least 1024 (`IOV_MAX`), on POSIX at least 16.
pub const RUN_SLICES_MAX: usize = 64;
/// Gaps told to a member and not yet acknowledged, of which the numbers inside are remembered.
pub const SENT_GAPS_MAX: usize = 1024;
/// Runs of a member's own numbers above its place: what it may publish without acknowledging.
pub const OWN_RANGES_MAX: usize = 256 * 1024;
/// Runs in one record of the journal; a member with more has several.
pub const RECORD_RANGES_MAX: usize = 2048;

/// Time after the last refused or dropped message until the backlog no longer counts as full.
pub const BACKLOG_CALM_MS: u64 = 10_000;
/// `forget_after`: time that a member may be offline; 0 stands for any time.
pub const FORGET_AFTER_MS_DEFAULT: u64 = 0;
/// Longest `forget_after` that can be asked for: ten years.
pub const FORGET_AFTER_MS_HIGHEST: u64 = 10 * 31_536_000_000;
/// Members forgotten in one turn before requests have theirs.
pub const TURN_FORGETS_MAX: usize = 64;

/// `max_connections`: command sockets.
pub const CONNECTIONS_DEFAULT: usize = 10_000;
/// Largest `max_connections` that can be asked for: half the keys of a token name sockets.
pub const CONNECTIONS_HIGHEST: usize = if usize::BITS < 64 { 20_000 } else { 1_000_000 };
/// Command sockets over that bound, held open just long enough to be told so.
pub const REFUSED_CONNECTIONS_MAX: usize = 64;
/// `max_connections_per_address`: command sockets from one IPv4 address or IPv6 /64 network.
pub const CONNECTIONS_PER_ADDRESS_DEFAULT: usize = 256;
/// `max_members`: members, and registrations under way.
pub const MEMBERS_DEFAULT: usize = 10_000;
/// Largest `max_members` that can be asked for.
pub const MEMBERS_HIGHEST: usize = CONNECTIONS_HIGHEST;
/// `max_members_per_address`: members at one IPv4 address or IPv6 /64 network.
pub const MEMBERS_PER_ADDRESS_DEFAULT: usize = 256;

/// `line_timeout`: a line begun must be finished within it.
pub const LINE_TIMEOUT_MS_DEFAULT: u64 = 10_000;
/// `connect_timeout`: a connect-back must succeed within it.
pub const CONNECT_TIMEOUT_MS_DEFAULT: u64 = 5_000;
/// `stall_timeout`: a message socket with bytes due must take one within it.
pub const STALL_TIMEOUT_MS_DEFAULT: u64 = 60_000;
/// Shortest of the three timeouts that can be asked for: the smallest fraction of a second.
pub const TIMEOUT_MS_LOWEST: u64 = 1;
/// Longest of the three timeouts that can be asked for: one day.
pub const TIMEOUT_MS_HIGHEST: u64 = 86_400_000;

/// How long a connection being refused is still read from, so that its peer gets to see the reply.
pub const LINGER_MS: u64 = 1_000;
/// How much a connection being refused may still send.
pub const LINGER_BYTES_MAX: usize = 1024 * 1024;
/// How long a shutdown takes at most: for replies and deliveries to leave, and for the journal.
pub const DRAIN_MS: u64 = 2_000;
/// How long it then waits for its peers to end their sides.
pub const PEER_CLOSE_MS: u64 = 250;
/// How long accepting rests, at most, once the process has run out of files.
pub const ACCEPT_PAUSE_MS: u64 = 100;
/// How long a command socket is silent before it gives way because no file is left: its first
/// request may be on its way.
pub const SILENT_MS_MIN: u64 = 1_000;
/// Connections that may wait to be accepted; the system cuts it to its own bound.
pub const ACCEPT_QUEUE: i32 = 4096;
/// Connections accepted in one turn before others have theirs.
pub const TURN_ACCEPTS_MAX: usize = 64;
/// Shortest pause between two new epochs that numbers named by members cause.
pub const NEW_EPOCH_PAUSE_MS: u64 = 10_000;
/// Files held in reserve, so that members can be connected back when clients hold all the others.
pub const RESERVE_FILES: usize = 4;

/// What one connection may be read, or written, in one turn before the others have theirs.
pub const TURN_BYTES_MAX: usize = 256 * 1024;
/// What all message sockets together are written in one turn, before requests have theirs: some
/// milliseconds' worth, however many members are owed however much.
pub const TURN_DELIVERY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Message sockets that are written to in one turn, before requests have theirs: a write costs
/// several microseconds, however short it is.
pub const TURN_DELIVERY_SOCKETS_MAX: usize = 384;
/// Work for requests in one turn, one quarter of it at least for those who used up their share. A
/// unit is about a quarter of a microsecond, so this is about 2 ms.
pub const TURN_WORK_MAX: usize = 8192;
/// Work for what members write on their message sockets in one turn: about 2 ms, too.
pub const TURN_ACK_WORK_MAX: usize = 8192;
/// Work of a command socket that is served: one read, one write of its replies.
pub const WORK_REQUEST_SOCKET: usize = 16;
/// Work of a message socket that is read.
pub const WORK_ACK_SOCKET: usize = 4;
/// Work of a connect-back, at its begin and at its end: several calls each.
pub const WORK_CONNECT: usize = 64;
/// Bytes of requests that count as much as one request.
pub const WORK_BYTES: usize = 1024;
/// Bytes of acknowledgements that count as much as one request.
pub const WORK_ACK_BYTES: usize = 16;
/// Requests that a client with new ones may have carried out before all others had theirs.
pub const FRESH_REQUESTS_MAX: usize = 64;
/// Requests that a client with more than that may have carried out at once.
pub const SHARE_REQUESTS_MAX: usize = 256;
/// Bytes read from a message socket with something new before all others have their turn.
pub const FRESH_ACK_BYTES_MAX: usize = 1024;
/// Clients whose replies are written in one turn.
pub const TURN_REPLIES_MAX: usize = 1024;
/// Bytes of replies that are written to all clients in one turn.
pub const TURN_REPLY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Members in a list that is made at once when it is asked for. A longer one is made in pieces.
pub const LIST_LINES_MAX: usize = 256;
/// Lines of a long list that are made in one turn: less than a millisecond's worth.
pub const TURN_LIST_LINES_MAX: usize = 1024;
/// Bytes of a long list that are copied for one client at once.
pub const LIST_PIECE_BYTES: usize = 64 * 1024;
/// Work of a line in a list of members.
pub const WORK_LIST_LINES: usize = 2;
/// Work of `stats`, and further work for the members that it counts.
pub const WORK_STATS: usize = 16;
/// A turn that begins later than this after its time follows a standstill.
pub const SUSPEND_MS_MIN: u64 = 1_000;
/// Extra time for timeouts of peers after a standstill: bytes that they sent may be under way.
pub const SUSPEND_GRACE_MS: u64 = 1_000;
/// What one message socket may be read at once. No bytes cost more than acknowledgements: these
/// are thousands of them.
pub const TURN_ACK_BYTES_MAX: usize = 4 * 1024;
/// What one `read` asks for.
pub const READ_BYTES: usize = 64 * 1024;
/// Replies waiting for a client that does not read them; from here on it is not read from either.
pub const OUTBOX_BYTES_MAX: usize = 256 * 1024;
/// Replies that clients have not taken and requests not carried out, of all clients together; from
/// here on each may have no more than a share, and a list that is longer waits.
pub const CLIENT_BYTES_ALL: usize = 64 * 1024 * 1024;
/// Of these, unfinished lines and requests not carried out, of all clients together. Above it the
/// longest unfinished lines are refused. A larger `max_connections` or `max_line` raises it.
pub const INPUT_BYTES_ALL: usize = 48 * 1024 * 1024;
/// Unfinished lines of the greatest length for which there is room in any case.
pub const UNFINISHED_LINES_MIN: usize = 8;
/// Replies that wait for a client, and what is read from it at once, when that much is kept: it
/// holds hundreds of confirmations, so who reads notices next to nothing of who does not.
pub const CLIENT_BYTES_SHARE: usize = 4 * 1024;

/// Probes of a peer that is silent while nothing is on its way to it, on all sockets.
pub const KEEPALIVE: Keepalive = Keepalive { idle_s: 15, interval_s: 5, probes: 3 };
/// A peer whose machine acknowledges nothing of what is on its way for this long has gone. Probes
/// take as long to find that out, so that it makes no difference whether something was on its way.
pub const PEER_TIMEOUT_MS: u32 = 30_000;
/// Interval at which the coordinator checks sockets with bytes that the peer has not acknowledged.
pub const PEER_CHECK_MS: u64 = 4_000;
/// Delay of the first such check after a write, if the last check is longer ago than the interval.
pub const PEER_CHECK_FIRST_MS: u64 = 500;
/// Sockets that it looks at in one turn.
pub const TURN_PEER_CHECKS_MAX: usize = 256;

/// Longest line of the user, LF included. Longer than a default request, which is the
/// coordinator's to refuse.
pub const USER_LINE_BYTES_MAX: usize = 1024 * 1024;
/// Commands of the user waiting for their turn; from here on the user is not read from.
pub const USER_COMMANDS_MAX: usize = 256;
/// Bytes of those commands; the one that passes it is still taken.
pub const USER_COMMANDS_BYTES_MAX: usize = 256 * 1024;
/// Requests sent and not answered.
pub const IN_FLIGHT_MAX: usize = 256;
/// Bytes of those requests; the one that passes it is still sent.
pub const IN_FLIGHT_BYTES_MAX: usize = 256 * 1024;
/// Requests of the user that wait while the coordinator is away; a further one is given up. Those
/// that were in flight come on top.
pub const WAITING_MAX: usize = 1000;
/// Bytes of those requests; the one that passes it is still taken.
pub const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// Time that such a request waits before it is given up.
pub const WAITING_MS_MAX: u64 = 120_000;
/// How long the participant waits for its command socket.
pub const DIAL_TIMEOUT_MS: u64 = 10_000;
/// Timeout of a lookup of the coordinator's name.
pub const RESOLVING_MS_MAX: u64 = 5_000;
/// Addresses of one name that are tried in turn.
pub const RESOLVED_ADDRESSES_MAX: usize = 8;
/// Timeout of the lookup and of all addresses together. Each address has an equal share of the time
/// that is left.
pub const CONNECTING_MS_MAX: u64 = 9_000;
/// Pause between two reports of one kind of connection that was dropped at the listener.
pub const DROPPED_REPORT_MS: u64 = 10_000;
/// How long it waits for the next reply: longer than a connect-back may take by default.
pub const REPLY_TIMEOUT_MS: u64 = 30_000;
/// How long a connection to its listener may go without greeting, and how long after the reply.
pub const GREETING_TIMEOUT_MS: u64 = 5_000;
/// Connections to its listener that have not greeted; one more displaces the oldest.
pub const CANDIDATES_MAX: usize = 8;
/// Shortest pause before a reconnect.
pub const RETRY_MS_LOWEST: u64 = 200;
/// Longest pause before a reconnect.
pub const RETRY_MS_HIGHEST: u64 = 30_000;
/// A message socket that lived as long as this was a success: the pauses begin anew.
pub const RETRY_RESET_MS: u64 = 10_000;
/// Addresses of tries to become online that are remembered, to know a takeover of one's own.
pub const OWN_ADDRESSES_MAX: usize = 16;
/// How often a `register` or `reconnect` of the user is tried whose replies get lost.
pub const LOST_REPLIES_MAX: u32 = 5;
/// Entries handed to the message log and not written; from here on no message is read.
pub const UNWRITTEN_ENTRIES_MAX: usize = 4096;
/// Bytes of those entries; the one that passes it is still taken.
pub const UNWRITTEN_BYTES_MAX: usize = 1024 * 1024;
/// All lines of one write of the message log but the last: entries, longer by a time in words.
pub const LOG_WRITE_BYTES_MAX: usize = 2 * UNWRITTEN_BYTES_MAX;
/// Tries of one write of the message log whose file is deleted or truncated meanwhile.
pub const LOG_WRITE_TRIES: usize = 3;
/// Pause before a failed write of the message log is tried again.
pub const LOG_RETRY_MS: u64 = 1_000;
/// How long a participant that quits waits for its log and for the coordinator.
pub const QUIT_MS: u64 = 5_000;

/// Lines that the user's thread has read and the loop has not.
pub const USER_LINES_WAITING_MAX: usize = 64;
/// Turns whose output waits for the terminal, or for whoever reads standard output.
pub const PRINT_QUEUE_MAX: usize = 4;
/// Bytes of output that waits to be printed; from here on messages are counted and not shown.
pub const UNPRINTED_MESSAGES_BYTES_MAX: usize = 1024 * 1024;
/// From here on no command of the user is carried out: its reply would wait too.
pub const UNPRINTED_COMMANDS_BYTES_MAX: usize = 2 * 1024 * 1024;
/// From here on replies and notices are counted and not shown. One list of a hundred thousand
/// members fits.
pub const UNPRINTED_LINES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long an ending participant waits for its last output to be printed.
pub const PRINT_CLOSE_MS: u64 = 1_000;
/// Turns whose entries wait for the thread of the message log.
pub const LOG_QUEUE_MAX: usize = 4;
/// What is read of a message log at once when it is searched for what it remembers.
pub const LOG_SEARCH_BYTES: usize = 64 * 1024;

/// Largest config file; what is larger is something else.
pub const CONFIG_BYTES_MAX: usize = 64 * 1024;

/// Events taken from the poll at once.
pub const EVENTS_MAX: usize = 16 * 1024;
/// How long an ending program waits for its last diagnostics to be printed.
pub const DIAGNOSTICS_CLOSE_MS: u64 = 500;
/// From here on a segment of the journal is closed and another one begun.
pub const SEGMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Or when it is so many times as long as what it says of the members at its beginning: where they
/// are hundreds of thousands that is more, and most of what is written is to be news.
pub const SEGMENT_SNAPSHOTS_MIN: u64 = 4;
/// Jobs waiting for the journal's worker: a commit for each turn that it is behind.
pub const JOURNAL_QUEUE_MAX: usize = 1024;
/// Commits on their way; a few jobs beside them find room too.
pub const JOURNAL_COMMITS_MAX: u64 = JOURNAL_QUEUE_MAX as u64 - 8;
/// Bytes of records that wait for the disk; from here on nothing is accepted that makes more.
pub const JOURNAL_WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The pause between a place that moves and the record that says so, and what moved meanwhile.
pub const CURSOR_FLUSH_MS: u64 = 100;
/// The pause before a journal that cannot be written is tried again.
pub const JOURNAL_RETRY_MS: u64 = 1_000;
/// Shortest interval between two checks that a journal is still where it was: files and directories
/// can be moved away while they are written.
pub const JOURNAL_CHECK_MS: u64 = 30_000;
/// Losses of a journal that are told one by one: a disk can have any number of them.
pub const LOSSES_REPORTED_MAX: usize = 100;
/// Records that a start reads before it looks for a signal to end.
pub const STOP_RECORDS_MAX: usize = 64;
/// The end of [`DRAIN_MS`] that is kept for the end of the journal.
pub const JOURNAL_CLOSE_MS: u64 = 500;
/// How often a journal is read to print what it holds, while its segments change meanwhile.
pub const INSPECTIONS_MAX: usize = 4;
/// Interval at which a loop looks at its clocks if the system does not report that one was set.
pub const CLOCK_CHECK_MS: u64 = 60_000;
/// By how much the wall clock must have moved against the steady one to be worth a record.
pub const CLOCK_DRIFT_MS: u64 = 100;
/// Longest pause between two syncs of the journal that can be asked for: one hour.
pub const SYNC_PAUSE_MS_HIGHEST: u64 = 3_600_000;
/// Records waiting for the log worker. Further ones are dropped and counted, and the log says so.
pub const DIAGNOSTICS_QUEUE_MAX: usize = 1024;
/// Window over which lines of level `info` and above are counted.
pub const LOG_WINDOW_MS: u64 = 60_000;
/// Lines about one subject (a member, an address) that are printed in this time.
pub const LOG_SUBJECT_LINES_MAX: usize = 20;
/// Lines of one level that are printed in this time, whatever their subjects.
pub const LOG_LEVEL_LINES_MAX: usize = 1000;

/// When TCP asks a silent peer whether it is still there, and gives it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Seconds of silence before the first probe.
    pub idle_s: u64,
    /// Seconds from each probe to the next.
    pub interval_s: u64,
    /// Probes, none of them answered, after which the connection is at its end.
    pub probes: u32,
}
