//! Rules with the same `who`, by their proofs.

use crate::protocol::{Forbidden, KeyName, PeerName, RequestError, SecretName, Unauthorized};

use super::by_proof::{ByAddress, ByProof, add};
use super::{CaCheck, Credentials, Identity, Proof, Rights};

/// Number that tells the rules of one `who` from those of the others in a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RulesNumber(pub(super) usize);

/// Rules that decide together.
#[derive(Debug, Default)]
pub(super) struct DecidingRules {
    number: RulesNumber,
    /// True if the rules are about one id, and not about a prefix.
    is_one_id: bool,
    keys: ByProof<KeyName>,
    secrets: ByProof<SecretName>,
    addresses: ByAddress,
    ca: Option<Rights>,
    anyone: Option<Rights>,
}

/// Rights by the rules that fit a client.
#[derive(Debug, Default)]
struct Fitting {
    /// By rules that name the client of this id, whatever the owner is.
    certain: Option<Rights>,
    /// By rules that leave the id to its owner.
    of_owner: Option<Rights>,
}

impl DecidingRules {
    pub(super) fn new(number: RulesNumber, is_one_id: bool) -> Self {
        Self { number, is_one_id, ..Self::default() }
    }

    pub(super) const fn number(&self) -> RulesNumber {
        self.number
    }

    pub(super) fn add(&mut self, proof: Proof, rights: Rights) {
        match proof {
            Proof::Key(key) => self.keys.add(key, rights),
            Proof::Secret(name) => self.secrets.add(name, rights),
            Proof::Address(range) => self.addresses.add(range, rights),
            Proof::Ca => add(&mut self.ca, rights),
            Proof::Anyone => add(&mut self.anyone, rights),
        }
    }

    /// Returns the rights of a client for `id`; see
    /// [`AccessTable::decide`](super::AccessTable::decide).
    pub(super) fn decide(
        &self,
        identity: &Identity<'_>,
        id: &str,
        owner: Option<PeerName>,
        is_known: impl Fn(KeyName) -> bool,
    ) -> Result<Rights, RequestError> {
        let is_owner = owner.is_none_or(|owner| identity.owns(owner));
        let Fitting { certain, of_owner } = self.fitting(identity, id, owner);
        match (certain, of_owner) {
            (Some(certain), Some(of_owner)) if is_owner => Ok(certain.union(of_owner)),
            (None, Some(rights)) if is_owner => Ok(rights),
            (Some(rights), _) => Ok(rights),
            (None, None) => Err(self.refuse(identity, owner, is_known)),
            (None, Some(_)) => Err(refuse_other(identity, owner)),
        }
    }

    fn fitting(&self, identity: &Identity<'_>, id: &str, owner: Option<PeerName>) -> Fitting {
        let mut fitting = Fitting::default();
        if identity.is_certified_as(id) {
            fitting.certain = self.ca;
        }
        let key = identity.key();
        if let Some(rights) = key.and_then(|key| self.keys.get(&key)) {
            let rule = if self.is_one_id { &mut fitting.certain } else { &mut fitting.of_owner };
            add(rule, rights);
        }
        // The key that registered with a secret no longer needs the secret.
        let has_registered = key.is_some() && owner == key.map(PeerName::Key);
        let shown = identity.secret.filter(|_| key.is_some());
        let by_secret = match has_registered {
            true => self.secrets.all(),
            false => shown.and_then(|secret| self.secrets.get(&secret)),
        };
        let by_address = self.addresses.get(identity.ip);
        let anyone = self.anyone.filter(|_| identity.owner().is_some());
        let all = [by_secret, by_address, anyone];
        all.into_iter().flatten().for_each(|rights| add(&mut fitting.of_owner, rights));
        fitting
    }

    /// Returns the rights of all rules that can fit a client that may use an id of this owner.
    pub(super) fn most_rights(&self, owner: Option<PeerName>) -> Option<Rights> {
        let by_key = match owner {
            Some(PeerName::Key(key)) if !self.is_one_id => self.keys.get(&key),
            Some(PeerName::Key(_) | PeerName::Address(_)) | None => self.keys.all(),
        };
        let by_address = match owner {
            Some(PeerName::Address(ip)) => self.addresses.get(ip),
            Some(PeerName::Key(_)) | None => self.addresses.all(),
        };
        let all = [by_key, by_address, self.secrets.all(), self.ca, self.anyone];
        all.into_iter().flatten().reduce(Rights::union)
    }

    /// Returns true if the client is an operator by these rules. Neither a secret nor `anyone`
    /// makes an operator.
    pub(super) fn is_operator(&self, identity: &Identity<'_>, name: &str) -> bool {
        identity.key().is_some_and(|key| self.keys.get(&key).is_some())
            || self.addresses.get(identity.ip).is_some()
            || self.ca.is_some() && identity.is_certified_as(name)
    }

    /// Returns the reason why no rule fits: the first one in the order of these checks.
    fn refuse(
        &self,
        identity: &Identity<'_>,
        owner: Option<PeerName>,
        is_known: impl Fn(KeyName) -> bool,
    ) -> RequestError {
        let (key, ca) = match *identity.credentials {
            Credentials::Plain => {
                return Unauthorized::NoLine { peer: identity.peer_name() }.into();
            }
            Credentials::NoCertificate => return Unauthorized::NoCertificate.into(),
            Credentials::Certificate { key, ref ca, .. } => (key, ca),
        };
        let peer = PeerName::Key(key);
        let takes_secrets = self.secrets.all().is_some();
        match (ca, owner) {
            _ if takes_secrets && identity.secret.is_some() => {
                Unauthorized::SecretWrong { key }.into()
            }
            (CaCheck::Expired, _) if self.ca.is_some() => {
                Unauthorized::CertificateExpired { key }.into()
            }
            (CaCheck::Valid { .. }, _) if self.ca.is_some() => {
                Forbidden::CertificateNamesOther { key }.into()
            }
            (_, None) if takes_secrets => Unauthorized::SecretMissing { key }.into(),
            (_, None) if is_known(key) => Forbidden::OtherId { key }.into(),
            (_, Some(owner)) if owner != peer && is_known(key) => {
                Forbidden::OwnedByOther { peer }.into()
            }
            _ if takes_secrets => Unauthorized::SecretMissing { key }.into(),
            _ if self.ca.is_some() && self.keys.all().is_none() => {
                Unauthorized::CertificateUnknown { key }.into()
            }
            _ => Unauthorized::NoLine { peer }.into(),
        }
    }
}

/// Refuses an id that belongs to another client.
fn refuse_other(identity: &Identity<'_>, owner: Option<PeerName>) -> RequestError {
    match (identity.credentials, owner) {
        (Credentials::NoCertificate, _) => Unauthorized::NoCertificate.into(),
        (Credentials::Plain, Some(PeerName::Address(owner))) => {
            RequestError::IdElsewhere { owner, named: identity.ip.to_canonical() }
        }
        (Credentials::Plain | Credentials::Certificate { .. }, _) => {
            Forbidden::OwnedByOther { peer: identity.peer_name() }.into()
        }
    }
}
