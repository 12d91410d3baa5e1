//! Relations between the limits, checked by the compiler.

use super::*;

const _: () = assert!(HELLO_LINE_BYTES_MAX < LINE_BYTES_LOWEST, "a `hello` line fits into a line");
const _: () = assert!(GAP_LINE_BYTES_MAX < LINE_BYTES_LOWEST, "a `gap` line fits into a line");
const _: () = assert!(LINE_BYTES_DEFAULT >= LINE_BYTES_LOWEST);
const _: () = assert!(LINE_BYTES_DEFAULT <= LINE_BYTES_HIGHEST);
const _: () = assert!(
    BACKLOG_BYTES_DEFAULT >= 2 * LINE_BYTES_DEFAULT as u64,
    "the longest message must always find room in an empty history"
);
const _: () = assert!(
    BACKLOG_BYTES_DEFAULT >= 2 * LINE_BYTES_HIGHEST as u64,
    "the default `max_backlog` suits every `max_line`"
);
const _: () = assert!(BACKLOG_BYTES_DEFAULT <= BACKLOG_BYTES_HIGHEST);
const _: () = assert!(KEEP_DEFAULT <= KEEP_HIGHEST);
const _: () = assert!(
    KEEP_BYTES_MAX <= BACKLOG_BYTES_DEFAULT / 2,
    "with the default `max_backlog`, newcomers get as much as with a larger one"
);
const _: () = assert!(
    KEEP_BYTES_MAX <= SEGMENT_BYTES_MAX,
    "messages that are kept for newcomers fit into one segment of the journal"
);
const _: () = assert!(
    LOG_WRITE_BYTES_MAX >= UNWRITTEN_BYTES_MAX + UNWRITTEN_ENTRIES_MAX * 32,
    "a line of the message log is at most 32 bytes longer than its delivery: no text needs \
     escapes, because coordinators refuse control characters"
);
const _: () = assert!(CONNECTIONS_DEFAULT <= CONNECTIONS_HIGHEST);
const _: () =
    assert!(JOURNAL_CLOSE_MS + PEER_CLOSE_MS < DRAIN_MS, "replies and deliveries have time left");
const _: () = assert!(
    2 * LINE_BYTES_HIGHEST <= JOURNAL_WAITING_BYTES_MAX,
    "one message can be written while another one waits"
);
const _: () = assert!(
    // A member has a message socket, and during a reconnect also a connect-back.
    CONNECTIONS_HIGHEST + REFUSED_CONNECTIONS_MAX + 2 * MEMBERS_HIGHEST < 1 << (usize::BITS / 2),
    "every socket has a key"
);
const _: () = assert!(MEMBERS_DEFAULT <= MEMBERS_HIGHEST);
const _: () = assert!(STALL_TIMEOUT_MS_DEFAULT <= TIMEOUT_MS_HIGHEST);
const _: () = assert!(RESERVE_FILES <= 8, "clients cannot use the reserve");
const _: () = assert!(http::HTTP_RESERVE_FILES <= 8, "clients cannot use the reserve");
const _: () = assert!(
    2 * KEEPALIVE_S_DEFAULT * 1000 == USER_TIMEOUT_MS_DEFAULT as u64,
    "a lost machine is noticed equally fast with and without bytes on their way"
);
const _: () = assert!(KEEPALIVE_S_DEFAULT <= KEEPALIVE_S_HIGHEST);
const _: () = assert!(
    USER_TIMEOUT_MS_LOWEST <= USER_TIMEOUT_MS_DEFAULT as u64
        && USER_TIMEOUT_MS_HIGHEST <= u32::MAX as u64
);
const _: () = assert!(
    PEER_CHECK_FIRST_MS + PEER_CHECK_MS < 5_000,
    "a check comes at most 5 s late, even if bytes were sent just before the last probe"
);
const _: () = assert!(PEER_CHECK_MS < USER_TIMEOUT_MS_LOWEST, "two checks come before the end");
const _: () = assert!(READ_BYTES <= TURN_BYTES_MAX, "one read must fit into a turn");
const _: () = assert!(FRESH_REQUESTS_MAX <= SHARE_REQUESTS_MAX);
const _: () =
    assert!(SHARE_REQUESTS_MAX < TURN_WORK_MAX, "several clients have a share in one turn");
const _: () = assert!(FRESH_ACK_BYTES_MAX <= TURN_ACK_BYTES_MAX);
const _: () = assert!(TURN_BYTES_MAX <= TURN_REPLY_BYTES_MAX, "one client's share must fit");
const _: () =
    assert!(CONNECTIONS_DEFAULT * CLIENT_BYTES_SHARE <= INPUT_BYTES_ALL, "all shares fit");
const _: () =
    assert!(INPUT_BYTES_ALL < CLIENT_BYTES_ALL, "unfinished lines alone leave room for replies");
const _: () =
    assert!(CLIENT_BYTES_SHARE <= UNREAD_REPLIES_BYTES_MAX && CLIENT_BYTES_SHARE <= READ_BYTES);
const _: () = assert!(
    128 * (UNREAD_REPLIES_BYTES_MAX + TURN_BYTES_MAX) <= CLIENT_BYTES_ALL,
    "a few clients that do not read leave the others more than their share"
);
const _: () = assert!(
    CONNECTIONS_DEFAULT * CLIENT_BYTES_SHARE <= CLIENT_BYTES_ALL,
    "all shares fit into the memory for all clients"
);
const _: () = assert!(TURN_BYTES_MAX <= TURN_DELIVERY_BYTES_MAX, "one member's share must fit");
const _: () = assert!(
    LINE_BYTES_DEFAULT < USER_LINE_BYTES_MAX,
    "the coordinator refuses a request that is too long for it"
);
const _: () = assert!(
    CONNECT_TIMEOUT_MS_DEFAULT < REPLY_TIMEOUT_MS,
    "a participant waits for the reply to a failed connect-back"
);
const _: () = assert!(
    WAITING_MS_MAX >= 2 * RETRY_MS_HIGHEST + REPLY_TIMEOUT_MS,
    "a waiting request lasts for the longest pause, a failed try, and the next try"
);
const _: () = assert!(
    RESOLVING_MS_MAX < CONNECTING_MS_MAX && CONNECTING_MS_MAX < DIAL_TIMEOUT_MS,
    "the result of each address is reported before the timeout"
);
const _: () = assert!(2 * RETRY_MS_LOWEST <= RETRY_MS_HIGHEST, "pauses have room to grow");
const _: () = assert!(
    UNPRINTED_MESSAGES_BYTES_MAX < UNPRINTED_COMMANDS_BYTES_MAX
        && UNPRINTED_COMMANDS_BYTES_MAX < UNPRINTED_LINES_BYTES_MAX,
    "messages are dropped before commands wait, and replies are dropped last"
);
const _: () = assert!(RUN_SLICES_MAX <= 1024, "one call takes 1024 slices");
const _: () = assert!(USER_LINE_BYTES_MAX < OUTBOX_LINE_BYTES_MAX, "each text of the user fits");
const _: () = assert!(
    OUTBOX_EMPTY_BYTES_MAX < OUTBOX_DONE_BYTES_MAX
        && OUTBOX_DONE_BYTES_MAX < OUTBOX_FILE_BYTES_MAX
        && (OUTBOX_LINE_BYTES_MAX as u64) < OUTBOX_FILE_BYTES_MAX,
    "an outbox file is compacted long before it is full"
);
