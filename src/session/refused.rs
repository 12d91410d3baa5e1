//! Explains a refused automatic reconnect to the user. After a 403 the pauses become the longest.

use super::{Reason, Session};

impl Session {
    /// Returns the reason of a refusal, for the user. A refusal because of the address (403) lasts
    /// until an operator acts, so the pauses between the attempts become the longest ones.
    pub(super) fn why_refused(&mut self, code: u16, line: &str) -> Reason {
        let line = line.into();
        if code != 403 {
            return Reason::Refused(line);
        }
        self.automatic_join.slow_down();
        match self.requests.own_ip().filter(|_| is_about_id(&line)) {
            Some(ip) => Reason::IdElsewhere { id: self.settings.id.clone(), ip, line },
            None => Reason::Refused(line),
        }
    }
}

/// Returns true if the id belongs to another address: the reason of a 403 begins with the part that
/// is wrong.
fn is_about_id(line: &str) -> bool {
    line.starts_with("ERR 403 id: ")
}
