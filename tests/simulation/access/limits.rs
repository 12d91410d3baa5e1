//! The limit of the backlog of all members.

use super::*;

impl World {
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
