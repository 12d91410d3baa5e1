//! Clients of the two coordinators: some show keys. Each id has its own client.

use groupcast::access::{CaCheck, Credentials};
use groupcast::facts::Recorded as _;
use groupcast::protocol::{KeyName, PeerName};

use super::{HOME, IDS, World};

/// Ids whose clients show keys: the first ones.
const KEYED_IDS: usize = 2;

/// Returns the credentials of the client that uses an id.
pub(super) fn credentials_of(id: &str) -> Credentials {
    let number = IDS[..KEYED_IDS].iter().position(|keyed| *keyed == id);
    number.map_or(Credentials::Plain, |number| shown(number as u8))
}

fn shown(number: u8) -> Credentials {
    Credentials::of_key(KeyName([number; 32]), CaCheck::Unknown)
}

impl World {
    /// Lets a client without the key of an id use the id: it is refused at once.
    pub(super) fn intrude(&mut self, at: usize) {
        let id = self.rng.pick(&IDS[..KEYED_IDS]);
        let strangers = [Credentials::Plain, shown(99)];
        let stranger = &strangers[self.rng.index(strangers.len())];
        let verb = self.rng.pick(&["deregister", "disconnect", "msend x", "reconnect 9000"]);
        let is_member = self.sites[at].group.member_state(id).is_some();
        self.request_of(at, stranger, &format!("{id}#{verb}"));
        let expected = if is_member { "ERR 403 id: belongs to another" } else { "ERR 404 " };
        let reply = self.sites[at].replies.get(&self.requests);
        let is_refused = reply.as_ref().is_some_and(|reply| reply.starts_with(expected));
        assert!(is_refused, "seed={}: {id}#{verb} by {stranger:?}: {reply:?}", self.seed);
    }

    /// Checks that each member belongs to the client that uses its id.
    pub(super) fn check_owners(&self, at: usize) {
        for (member, _) in self.sites[at].group.member_states() {
            let expected = match credentials_of(member.id) {
                Credentials::Certificate { key, .. } => PeerName::Key(key),
                Credentials::Plain | Credentials::NoCertificate => PeerName::Address(HOME),
            };
            assert_eq!(member.owner, expected, "seed={}: {}", self.seed, member.id);
        }
    }
}
