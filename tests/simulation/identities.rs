//! Identities of clients: what each connection shows, as after a handshake.
//!
//! In a share of the runs the coordinator has TLS. TLS itself is not simulated: a handshake ends
//! when the client knows that it is connected, and the coordinator then learns the key of the
//! client. All participants have keys. Some keys are in certificates of the operator's CA, and two
//! clients may have the same key. An id belongs to a key, so members keep it at another address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use groupcast::protocol::{KeyName, Secret};
use groupcast::session::JoinCredentials;

use crate::access::SECRET;
use crate::access::model::{Client, Shown};
use crate::environment::{Environment, Node};
use crate::net::{Conn, End};
use crate::participant::SimParticipant;
use support::rng::Rng;

/// Most ids of a run that certificates can name.
pub(crate) const IDS: [&str; 10] = ["p0", "p1", "p2", "p3", "v0", "r0", "r1", "r2", "x0", "x1"];
/// A key that no member has.
pub(crate) const STRANGER: u8 = 99;

/// Credentials that the connections of each process show.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    pub(crate) has_tls: bool,
    shown: BTreeMap<Node, Shown>,
    /// Key of each id.
    keys: BTreeMap<&'static str, u8>,
}

impl Identities {
    /// Draws the keys of a run, from an own seed, so that runs without keys do not change.
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed.rotate_left(19));
        let has_tls = rng.percent(40);
        Self { has_tls, ..Self::default() }
    }

    /// Gives a process a key, which is that of the id.
    pub(crate) fn add(&mut self, node: Node, id: &str, seed: u64) {
        let at = IDS.iter().position(|known| *known == id).expect("an id of a run");
        let own = u8::try_from(at).unwrap() + 1;
        let mut rng = Rng::new(seed.rotate_left(23) ^ u64::from(own));
        let is_second = ["p1", "r1"].contains(&id);
        let key = if is_second && rng.percent(25) { own - 1 } else { own };
        let certificate = Shown::Certificate { key, id: IDS[at], is_valid: rng.percent(70) };
        self.keys.insert(IDS[at], key);
        self.shown.insert(node, if rng.percent(40) { certificate } else { Shown::Key(key) });
    }

    /// Returns what the connections of a process show. Strangers show what they like.
    pub(crate) fn of(&self, node: Node, rng: &mut Rng) -> Shown {
        if !self.has_tls {
            return Shown::Plain;
        }
        let strangers = [Shown::Nothing, Shown::Key(STRANGER), Shown::Plain];
        self.shown.get(&node).copied().unwrap_or_else(|| rng.pick(&strangers))
    }

    /// Returns the key of each id in a run with keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&'static str, u8)> {
        self.keys.iter().filter(|_| self.has_tls).map(|(id, key)| (*id, *key))
    }

    /// Returns what the connections of each process with a key show.
    pub(crate) fn known(&self) -> Vec<Shown> {
        self.shown.values().copied().collect()
    }

    /// Returns the key of a process in a run with keys.
    pub(crate) fn key(&self, node: Node) -> Option<KeyName> {
        match self.shown.get(&node).filter(|_| self.has_tls)? {
            Shown::Key(key) | Shown::Certificate { key, .. } => Some(KeyName([*key; 32])),
            Shown::Plain | Shown::Nothing => None,
        }
    }

    /// Returns true if a client may show the key of this id.
    pub(crate) fn is_of(&self, client: Client, id: &str) -> bool {
        client.key().is_some() && client.key().as_ref() == self.keys.get(id)
    }

    /// Returns the credentials of a participant. Some have a secret, which access files may name.
    pub(crate) fn join_credentials(&self, node: Node) -> JoinCredentials {
        let key = self.key(node);
        let secret = key.map(|KeyName([key, ..])| key).filter(|key| key % 2 == 1);
        let secret = secret.and_then(|key| Secret::parse(&format!("{SECRET}{}", key % 3 + 1)));
        JoinCredentials { key, secret }
    }
}

impl SimParticipant {
    /// The machine gets another address, perhaps.
    pub(crate) fn move_house(&mut self, rng: &mut Rng) {
        if let IpAddr::V4(ip) = self.ip
            && rng.percent(40)
        {
            let [.., net, last] = ip.octets();
            self.ip = IpAddr::from([10, 0, net ^ 4, last]);
        }
    }
}

impl Environment {
    /// Returns the client at the other end of an end that was dialed.
    pub(crate) fn client(&self, end: End) -> Client {
        let Conn { from: ip, shown, .. } = self.conns[end.conn];
        Client { ip, shown }
    }

    /// Returns true if a handshake at an end that was dialed has succeeded, and false if it has
    /// failed. `None` while it is in progress.
    pub(crate) fn handshake(&self, end: End) -> Option<bool> {
        let is_plain = self.conns[end.conn].shown == Shown::Plain;
        let has_ended = self.readiness(end).is_special;
        match () {
            () if self.dialed(end) == Some(true) && !is_plain => Some(true),
            () if has_ended || is_plain && self.has_unread(end) => Some(false),
            () => None,
        }
    }
}
