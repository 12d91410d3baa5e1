//! What it means for a session that comes back by itself when it is refused.

use super::{Session, Why};

impl Session {
    /// Why the coordinator does not let us in. What is refused for our address stays so until
    /// somebody does something about it: from here on the pauses are the longest.
    pub(super) fn why_refused(&mut self, code: u16, line: &str) -> Why {
        let line = line.into();
        if code != 403 {
            return Why::Refused(line);
        }
        self.backoff.slow_down();
        match self.requests.own_ip().filter(|_| is_about_id(&line)) {
            Some(ip) => Why::IdElsewhere { id: self.settings.id.clone(), ip, line },
            None => Why::Refused(line),
        }
    }
}

/// The reason of a 403 begins with the part that is wrong: this one is the id, which belongs to
/// another address.
fn is_about_id(line: &str) -> bool {
    line.starts_with("ERR 403 id: ")
}
