//! The conversation so far, in the simple coordinator.

use groupcast::limits::KEEP_BYTES_MAX;

use crate::model::Model;

impl Model {
    /// Returns the number before the first message of a newcomer that asks for `past` messages:
    /// the newest ones, as long as they are there, and within the limits.
    pub(crate) fn start_of_newcomer(&self, past: u64, now: u64) -> u64 {
        let (life, last) = (self.life(), self.life().last());
        let most = past.min(self.rules.keep as u64);
        let bytes_max = KEEP_BYTES_MAX.min(self.rules.backlog_bytes_max / 2);
        let (mut start, mut bytes) = (last, 0);
        while self.rules.ttl_ms > 0 && start >= self.front && start > 0 && last - start < most {
            let message = life.message(start);
            bytes += message.line.len() as u64;
            if message.is_lost || self.is_over(start, now) || bytes > bytes_max {
                break;
            }
            start -= 1;
        }
        start
    }
}
