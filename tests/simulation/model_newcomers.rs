//! The conversation so far, in the simple coordinator.

use groupcast::facts::Recorded as _;
use groupcast::group::Group;
use groupcast::limits::KEEP_BYTES_MAX;
use groupcast::protocol::Seq;

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
    /// Panics if the group has freed a message that a newcomer may ask for.
    pub(crate) fn check_newcomers(&self, group: &Group, now: u64) {
        let oldest = group.lines(Seq::ZERO).next().map(|(seq, ..)| seq.as_u64());
        let oldest = oldest.unwrap_or(self.life().last() + 1);
        if oldest > self.front {
            let first = self.start_of_newcomer(u64::MAX, now) + 1;
            assert!(oldest <= first, "{first} is for newcomers, and {oldest} is the oldest one");
        }
    }
}
