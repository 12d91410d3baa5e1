//! The access rules, too simple to be wrong: each question walks over all lines, in words.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use groupcast::access::{
    AccessRule, AccessTable, CaCheck, Credentials, Identity, Proof, Rights, Who,
};
use groupcast::protocol::{KeyName, PeerName, SecretName};
use groupcast::time::UnixMillis;
use support::rng::Rng;

/// Proof that a line asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum How {
    Key(u8),
    Secret(u8),
    /// The operator's CA vouches for the client as the id.
    Ca,
    /// The connection comes from this address.
    Address(IpAddr),
    Anyone,
}

/// A line of an access file.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// An id, or the beginning of ids and `*`.
    pub(crate) who: &'static str,
    pub(crate) how: How,
    pub(crate) send: bool,
    pub(crate) receive: bool,
    pub(crate) list: bool,
    pub(crate) rate: bool,
    pub(crate) max_text: Option<usize>,
    pub(crate) ids: Option<usize>,
}

/// Rights of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Granted {
    pub(crate) send: bool,
    pub(crate) receive: bool,
    pub(crate) list: bool,
    /// Sends without a limit of its rate, or of the bytes of a text.
    pub(crate) any_rate: bool,
    pub(crate) max_text: usize,
    pub(crate) ids: usize,
}

/// Credentials of the client of a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shown {
    /// It has no TLS.
    Plain,
    /// It has TLS and no certificate.
    Nothing,
    Key(u8),
    /// A certificate of the operator's CA with a key and an id.
    Certificate {
        key: u8,
        id: &'static str,
        is_valid: bool,
    },
}

/// A client: its address, and what it shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Client {
    pub(crate) ip: IpAddr,
    pub(crate) shown: Shown,
}

/// Owner of an id.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Owner {
    Key(u8),
    Address(IpAddr),
}

pub(crate) const RATE: u32 = 1;
pub(crate) const OPERATOR: u8 = 9;

pub(crate) fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

/// A digest for tests: the last digit of the secret, 32 times.
pub(crate) fn sha256(secret: &[u8]) -> [u8; 32] {
    [secret.last().unwrap() - b'0'; 32]
}

impl Granted {
    /// All rights, without limits.
    pub(crate) const ALL: Self = Self {
        send: true,
        receive: true,
        list: true,
        any_rate: true,
        max_text: usize::MAX,
        ids: usize::MAX,
    };
}

impl Client {
    pub(crate) fn key(self) -> Option<u8> {
        match self.shown {
            Shown::Key(key) | Shown::Certificate { key, .. } => Some(key),
            Shown::Plain | Shown::Nothing => None,
        }
    }

    /// Returns the owner of the ids that the client registers, if it can register.
    pub(crate) fn owner(self) -> Option<Owner> {
        match self.shown {
            Shown::Plain => Some(Owner::Address(self.ip)),
            Shown::Nothing => None,
            Shown::Key(key) | Shown::Certificate { key, .. } => Some(Owner::Key(key)),
        }
    }

    pub(crate) fn credentials(self) -> Credentials {
        let certificate = |key, ca| Credentials::of_key(KeyName([key; 32]), ca);
        match self.shown {
            Shown::Plain => Credentials::Plain,
            Shown::Nothing => Credentials::NoCertificate,
            Shown::Key(key) => certificate(key, CaCheck::Unknown),
            Shown::Certificate { key, is_valid: false, .. } => certificate(key, CaCheck::Expired),
            Shown::Certificate { key, id, is_valid: true } => {
                let until = UnixMillis(u64::MAX); // It never expires.
                certificate(key, CaCheck::Valid { names: [id.to_owned()].into(), until })
            }
        }
    }

    pub(crate) fn is_operator(self) -> bool {
        self.ip == ip(OPERATOR)
    }
}

impl Owner {
    pub(crate) fn name(self) -> PeerName {
        match self {
            Self::Key(key) => PeerName::Key(KeyName([key; 32])),
            Self::Address(ip) => PeerName::Address(ip),
        }
    }

    /// A key may go on with an id of its address.
    pub(crate) fn lets_in(self, client: Client) -> bool {
        match self {
            Self::Key(key) => client.key() == Some(key),
            Self::Address(ip) => client.ip == ip && client.shown != Shown::Nothing,
        }
    }
}

impl Line {
    fn random(rng: &mut Rng) -> Self {
        let who = rng.pick(&["ann", "bob", "a*", "b*", "bo*", "*", "*", "*"]);
        let number = u8::try_from(rng.between(1, 3)).unwrap();
        let how = match rng.below(10) {
            0..=1 => How::Key(number),
            2..=3 => How::Secret(number),
            4..=5 => How::Address(ip(number)),
            _ => How::Anyone,
        };
        let [send, receive, list] = [70, 70, 60].map(|percent| rng.percent(percent));
        let max_text = if rng.percent(30) && send { Some(6) } else { None };
        let ids = if rng.percent(40) && who.ends_with('*') { Some(1) } else { None };
        Self { who, how, send, receive, list, rate: send && rng.percent(30), max_text, ids }
    }

    pub(crate) fn file(rng: &mut Rng) -> Vec<Self> {
        (0..rng.between(1, 7)).map(|_| Self::random(rng)).collect()
    }

    /// A line that gives all rights.
    pub(crate) fn all_rights(who: &'static str, how: How) -> Self {
        let [send, receive, list] = [true; 3];
        Self { who, how, send, receive, list, rate: false, max_text: None, ids: None }
    }

    /// A file that gives everybody all rights.
    pub(crate) fn open() -> Vec<Self> {
        vec![Self::all_rights("*", How::Anyone)]
    }

    fn granted(&self) -> Granted {
        Granted {
            send: self.send,
            receive: self.receive,
            list: self.list,
            any_rate: self.send && !self.rate,
            max_text: if self.send { self.max_text.unwrap_or(usize::MAX) } else { 0 },
            ids: self.ids.unwrap_or(usize::MAX),
        }
    }

    fn rule(&self) -> AccessRule {
        let proof = match self.how {
            How::Key(key) => Proof::Key(KeyName([key; 32])),
            How::Secret(secret) => Proof::Secret(SecretName::new([secret; 32])),
            How::Ca => Proof::Ca,
            How::Address(ip) => Proof::Address(ip.to_string().parse().unwrap()),
            How::Anyone => Proof::Anyone,
        };
        let rights = Rights {
            may_send: self.send,
            may_receive: self.receive,
            may_list: self.list,
            rate: self.rate.then_some(RATE),
            text_bytes_max: self.max_text,
            ids_max: self.ids,
        };
        AccessRule { who: Who::parse(self.who).unwrap(), proof, rights }
    }

    /// Bytes of the id that the line names; `None` if it names others.
    fn specificity(&self, id: &str) -> Option<usize> {
        match self.who.strip_suffix('*') {
            Some(start) => id.starts_with(start).then_some(start.len()),
            None => (self.who == id).then_some(usize::MAX),
        }
    }
}

pub(crate) fn table(file: &[Line]) -> Arc<AccessTable> {
    let operator = AccessRule {
        who: Who::Operator,
        proof: Proof::Address(ip(OPERATOR).to_string().parse().unwrap()),
        rights: Rights::ALL,
    };
    Arc::new(AccessTable::new(file.iter().map(Line::rule).chain([operator])))
}

/// Returns the positions of the lines that decide about an id.
pub(crate) fn deciding(file: &[Line], id: &str) -> Vec<usize> {
    let best = file.iter().filter_map(|line| line.specificity(id)).max();
    let is_best = |line: &Line| best.is_some() && line.specificity(id) == best;
    (0..file.len()).filter(|at| is_best(&file[*at])).collect()
}

fn sum<'a>(lines: impl Iterator<Item = &'a Line>) -> Option<Granted> {
    let mut all = lines.map(Line::granted);
    let first = all.next()?;
    Some(all.fold(first, |sum, one| Granted {
        send: sum.send || one.send,
        receive: sum.receive || one.receive,
        list: sum.list || one.list,
        any_rate: sum.any_rate || one.any_rate,
        max_text: sum.max_text.max(one.max_text),
        ids: sum.ids.max(one.ids),
    }))
}

/// Returns the rights of a client for an id; `None` if no line fits, or the id is another client's.
pub(crate) fn decide(
    file: &[Line],
    client: Client,
    (id, owner): (&str, Option<Owner>),
    secret: Option<u8>,
) -> Option<Granted> {
    let is_let_in = owner.is_none_or(|owner| owner.lets_in(client));
    let fits = |line: &&Line| match line.how {
        How::Key(key) => client.key() == Some(key) && (is_let_in || line.who == id),
        How::Secret(name) => {
            let has_registered = client.key().is_some() && owner == client.owner();
            is_let_in && client.key().is_some() && (secret == Some(name) || has_registered)
        }
        How::Ca => matches!(
            client.shown,
            Shown::Certificate { id: named, is_valid: true, .. } if named == id
        ),
        How::Address(ip) => is_let_in && client.ip == ip,
        How::Anyone => is_let_in && client.owner().is_some(),
    };
    sum(deciding(file, id).into_iter().map(|at| &file[at]).filter(fits))
}

/// Returns the most rights that a client of an absent owner can have.
pub(crate) fn most(file: &[Line], id: &str, owner: Owner) -> Option<Granted> {
    let can_fit = |line: &&Line| match (line.how, owner) {
        (How::Key(key), Owner::Key(owner)) => key == owner || line.who == id,
        (How::Address(ip), Owner::Address(owner)) => ip == owner,
        (How::Key(_), Owner::Address(_))
        | (How::Address(_), Owner::Key(_))
        | (How::Secret(_) | How::Ca | How::Anyone, _) => true,
    };
    sum(deciding(file, id).into_iter().map(|at| &file[at]).filter(can_fit))
}

/// The identity type of the library must agree about owners.
pub(crate) fn check_owner(client: Client) {
    let credentials = client.credentials();
    let identity = Identity { ip: client.ip, credentials: &credentials, secret: None };
    assert_eq!(identity.owner(), client.owner().map(Owner::name));
}

/// Missing thousandths of the tokens of each id, and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buckets(BTreeMap<String, (u64, u64)>);

impl Buckets {
    /// Takes a token, which comes back after a second's share. Returns false if there is none.
    pub(crate) fn take(&mut self, id: &str, now: u64) -> bool {
        let rate = u64::from(RATE);
        let (missing, at) = self.0.get(id).copied().unwrap_or_default();
        let missing = missing.saturating_sub((now - at) * rate) + 1_000;
        let is_taken = missing <= rate * 1_000;
        if is_taken {
            self.0.insert(id.to_owned(), (missing, now));
        }
        is_taken
    }
}
