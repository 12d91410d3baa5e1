//! Limits of what an id may send: its rate, and the backlog of all.

use super::*;

impl World {
    /// Takes a token, which comes back after a second's share.
    pub(super) fn take_token(&mut self, id: &str) -> bool {
        let rate = u64::from(RATE);
        let id = IDS.into_iter().find(|it| *it == id).unwrap();
        let (missing, at) = self.buckets.get(id).copied().unwrap_or_default();
        let missing = missing.saturating_sub((self.now - at) * rate) + 1_000;
        let is_taken = missing <= rate * 1_000;
        if is_taken {
            self.buckets.insert(id, (missing, self.now));
        }
        is_taken
    }

    pub(super) fn line_bytes(&self, id: &str, text: &str) -> u64 {
        let seq = Seq::new(self.messages.len() as u64 + 1);
        format!("{seq}#{id}#{}#{text}\n", self.now).len() as u64
    }

    /// Returns true if members that may receive need too many bytes.
    pub(super) fn is_full(&self, id: &str, text: &str) -> bool {
        let receiving = self.members.values().filter(|member| member.receives);
        let lowest = receiving.map(|member| member.acked).min().unwrap_or(self.messages.len());
        let needed = self.messages[lowest..].iter().map(|sent| sent.line_bytes).sum::<u64>();
        needed + self.line_bytes(id, text) > BACKLOG_BYTES
    }
}
