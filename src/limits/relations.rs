//! Relations between the limits, checked by the compiler.

use super::*;

const _: () = assert!(HELLO_LINE_BYTES_MAX < LINE_BYTES_LOWEST, "a greeting is a line");
const _: () = assert!(GAP_LINE_BYTES_MAX < LINE_BYTES_LOWEST, "a gap is a line");
const _: () = assert!(LINE_BYTES_DEFAULT >= LINE_BYTES_LOWEST);
const _: () = assert!(LINE_BYTES_DEFAULT <= LINE_BYTES_HIGHEST);
const _: () = assert!(
    BACKLOG_BYTES_DEFAULT >= 2 * LINE_BYTES_DEFAULT as u64,
    "the longest message must always find room in an empty history"
);
const _: () = assert!(
    BACKLOG_BYTES_DEFAULT >= 2 * LINE_BYTES_HIGHEST as u64,
    "whoever asks for a larger `max_line` alone need not think of `max_backlog`"
);
const _: () = assert!(BACKLOG_BYTES_DEFAULT <= BACKLOG_BYTES_HIGHEST);
const _: () = assert!(
    LOG_WRITE_BYTES_MAX >= UNWRITTEN_BYTES_MAX + UNWRITTEN_ENTRIES_MAX * 32,
    "a line of the log has at most so much more than its delivery, in which no text is escaped: \
     coordinators refuse what would have to be"
);
const _: () = assert!(CONNECTIONS_DEFAULT <= CONNECTIONS_HIGHEST);
const _: () = assert!(JOURNAL_CLOSE_MS + PEER_CLOSE_MS < DRAIN_MS, "others have their time too");
const _: () = assert!(
    2 * LINE_BYTES_HIGHEST <= JOURNAL_WAITING_BYTES_MAX,
    "one message can be written while another one waits"
);
const _: () = assert!(
    // A member has a message socket and, coming back, a connect-back beside it.
    CONNECTIONS_HIGHEST + REFUSED_CONNECTIONS_MAX + 2 * MEMBERS_HIGHEST < 1 << (usize::BITS / 2),
    "every socket has a key"
);
const _: () = assert!(MEMBERS_DEFAULT <= MEMBERS_HIGHEST);
const _: () = assert!(STALL_TIMEOUT_MS_DEFAULT <= TIMEOUT_MS_HIGHEST);
const _: () = assert!(RESERVE_FILES <= 8, "files in reserve are files that clients do not get");
const _: () = assert!(
    (KEEPALIVE.idle_s + KEEPALIVE.interval_s * KEEPALIVE.probes as u64) * 1000
        == PEER_TIMEOUT_MS as u64,
    "a machine that has gone is noticed as soon whatever was on its way"
);
const _: () = assert!(
    PEER_CHECK_FIRST_MS + PEER_CHECK_MS < 5_000,
    "and 5 s late at most, even where something was sent just before the probes gave up"
);
const _: () = assert!(PEER_CHECK_MS < PEER_TIMEOUT_MS as u64, "two checks come before the end");
const _: () = assert!(READ_BYTES <= TURN_BYTES_MAX, "one read must fit into a turn");
const _: () = assert!(FRESH_REQUESTS_MAX <= SHARE_REQUESTS_MAX);
const _: () = assert!(SHARE_REQUESTS_MAX < TURN_WORK_MAX, "more than one has its share");
const _: () = assert!(FRESH_ACK_BYTES_MAX <= TURN_ACK_BYTES_MAX);
const _: () = assert!(TURN_BYTES_MAX <= TURN_REPLY_BYTES_MAX, "one client's share must fit");
const _: () = assert!(
    CONNECTIONS_DEFAULT * CLIENT_BYTES_SHARE <= INPUT_BYTES_ALL,
    "no share has to give way"
);
const _: () =
    assert!(INPUT_BYTES_ALL < CLIENT_BYTES_ALL, "unfinished lines alone leave room for replies");
const _: () = assert!(CLIENT_BYTES_SHARE <= OUTBOX_BYTES_MAX && CLIENT_BYTES_SHARE <= READ_BYTES);
const _: () = assert!(
    128 * (OUTBOX_BYTES_MAX + TURN_BYTES_MAX) <= CLIENT_BYTES_ALL,
    "a few who do not read leave the others more than their share"
);
const _: () = assert!(
    CONNECTIONS_DEFAULT * CLIENT_BYTES_SHARE <= CLIENT_BYTES_ALL,
    "the shares of all are no more than what is kept without regard to them"
);
const _: () = assert!(TURN_BYTES_MAX <= TURN_DELIVERY_BYTES_MAX, "one member's share must fit");
const _: () = assert!(
    LINE_BYTES_DEFAULT < USER_LINE_BYTES_MAX,
    "what is too long for the coordinator is refused by the coordinator"
);
const _: () = assert!(
    CONNECT_TIMEOUT_MS_DEFAULT < REPLY_TIMEOUT_MS,
    "the reply to a connect-back that fails must be waited for"
);
const _: () = assert!(
    WAITING_MS_MAX >= 2 * RETRY_MS_HIGHEST + REPLY_TIMEOUT_MS,
    "what waits sees the longest pause, a try that fails, and the next one"
);
const _: () = assert!(
    RESOLVING_MS_MAX < CONNECTING_MS_MAX && CONNECTING_MS_MAX < DIAL_TIMEOUT_MS,
    "who tries the addresses says what came of each"
);
const _: () = assert!(2 * RETRY_MS_LOWEST <= RETRY_MS_HIGHEST, "pauses have room to grow");
const _: () = assert!(
    UNPRINTED_MESSAGES_BYTES_MAX < UNPRINTED_COMMANDS_BYTES_MAX
        && UNPRINTED_COMMANDS_BYTES_MAX < UNPRINTED_LINES_BYTES_MAX,
    "messages are dropped before commands wait, and replies are dropped last"
);
const _: () = assert!(RUN_SLICES_MAX <= 1024, "more slices than one call takes");
