//! Bounds of the announcements of members that come and go.

/// Highest `presence_delay`: one day.
pub const PRESENCE_DELAY_MS_HIGHEST: u64 = 86_400_000;
/// Most announcements in one turn.
pub const TURN_ANNOUNCEMENTS_MAX: usize = 64;
/// Former members whose last announcement waits, above which the announcements of new ids wait.
pub const FORMER_IDS_MAX: usize = 4096;
/// Milliseconds before an announcement without room is tried again.
pub const ANNOUNCEMENT_RETRY_MS: u64 = 1_000;
