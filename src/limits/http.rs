//! Limits of the HTTP server for metrics and the status page.

/// Most HTTP connections. A further one takes the place of the one that has been without a request
/// for the longest time, or is closed if all have one.
pub const HTTP_CONNECTIONS_MAX: usize = 64;
/// Most readers of `/events`. A further one gets 503, so that health checks always find room.
pub const HTTP_READERS_MAX: usize = 32;
/// File descriptors in reserve for HTTP connections, for the case that clients use all others. So
/// health checks are answered at any time.
pub const HTTP_RESERVE_FILES: usize = 4;
/// Most HTTP connections that are accepted in a turn.
pub const TURN_HTTP_ACCEPTS_MAX: usize = 8;
/// Most HTTP connections that are served in a turn.
pub const TURN_HTTP_SERVED_MAX: usize = 8;
/// Requests of one HTTP connection that are answered in a turn.
pub const TURN_HTTP_REQUESTS_MAX: usize = 4;
/// Bytes that are read from, and written to, one HTTP connection in a turn.
pub const TURN_HTTP_BYTES_MAX: usize = 64 * 1024;
/// Members whose state is written into a response in a turn.
pub const TURN_HTTP_MEMBERS_MAX: usize = 100;

/// Most bytes of the head of a request, its empty line included.
pub const HTTP_HEAD_BYTES_MAX: usize = 8 * 1024;
/// Most header fields of a request.
pub const HTTP_FIELDS_MAX: usize = 64;
/// Most bytes of responses that wait to be sent on all connections. A further request gets 503.
pub const HTTP_RESPONSES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes that the system keeps for one HTTP connection until its client takes them. Linux keeps
/// twice as many. A reader that has stopped is noticed when this is full.
pub const HTTP_SEND_BUFFER_BYTES: usize = 32 * 1024;
/// Most bytes that wait for a reader of `/events`. Above this its connection is closed.
pub const HTTP_EVENTS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most milliseconds from the first byte of a request to the end of its head.
pub const HTTP_HEAD_MS: u64 = 10_000;
/// Most milliseconds without a request on an open connection.
pub const HTTP_IDLE_MS: u64 = 60_000;
/// Most milliseconds until the head of the request has come on a connection that has a file
/// descriptor of the reserve.
pub const HTTP_RESERVE_HEAD_MS: u64 = 1_000;
/// Most milliseconds of a connection that has a file descriptor of the reserve.
pub const HTTP_RESERVE_MS: u64 = 5_000;
/// Most milliseconds without progress while bytes of a response wait.
pub const HTTP_STALL_MS: u64 = 10_000;
/// Milliseconds of responses without a pause after which a connection may be closed, if a new one
/// has no room. A client that reads a little now and then would otherwise keep its place for ever.
pub const HTTP_SLOW_MS: u64 = 10_000;
/// Most milliseconds from the last byte of the last response until the client closes.
pub const HTTP_LINGER_MS: u64 = 2_000;

/// Milliseconds between two updates of `/events`, and two values of the rates.
pub const HTTP_TICK_MS: u64 = 1_000;
/// Values of the rates that the status page shows: ten minutes.
pub const HTTP_RATES_MAX: usize = 600;
/// Most members with a row on the status page. Their JSON is built at once.
pub const HTTP_ROWS_MAX: usize = 1000;
/// Changes of members that the status page shows.
pub const HTTP_CHANGES_MAX: usize = 50;

/// Members with series of their own in `/metrics` and rows on the status page.
pub const METRICS_MEMBERS_DEFAULT: usize = 1000;
/// Highest value of `metrics_members`.
pub const METRICS_MEMBERS_HIGHEST: usize = 100_000;
/// Bytes of the shortest token in the file of `http_token_file`. The config refuses a shorter one.
pub const HTTP_TOKEN_BYTES_MIN: usize = 16;
/// Milliseconds between two looks at the free space of the disk.
pub const DISK_SPACE_MS: u64 = 10_000;
