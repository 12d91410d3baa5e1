//! Rules with the same `who`, by their proofs.

use std::collections::BTreeMap;

use crate::protocol::{Forbidden, KeyName, PeerName, RequestError, SecretName, Unauthorized};

use super::{AddressRange, CaCheck, Credentials, Identity, Proof, Rights};

/// Rules that decide together.
#[derive(Debug, Default)]
pub(super) struct DecidingRules {
    /// True if the rules are about one id, and not about a prefix.
    is_one_id: bool,
    keys: BTreeMap<KeyName, Rights>,
    secrets: BTreeMap<SecretName, Rights>,
    addresses: BTreeMap<AddressRange, Rights>,
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
    pub(super) fn new(is_one_id: bool) -> Self {
        Self { is_one_id, ..Self::default() }
    }

    pub(super) fn add(&mut self, proof: Proof, rights: Rights) {
        match proof {
            Proof::Key(key) => add(self.keys.entry(key).or_insert(rights), rights),
            Proof::Secret(name) => add(self.secrets.entry(name).or_insert(rights), rights),
            Proof::Address(range) => add(self.addresses.entry(range).or_insert(rights), rights),
            Proof::Ca => add(self.ca.get_or_insert(rights), rights),
            Proof::Anyone => add(self.anyone.get_or_insert(rights), rights),
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
            put(rule, *rights);
        }
        // The key that registered with a secret no longer needs the secret.
        let has_registered = key.is_some() && owner == key.map(PeerName::Key);
        let shown = identity.secret.filter(|_| key.is_some());
        if let Some(rights) = shown.and_then(|secret| self.secrets.get(&secret)) {
            put(&mut fitting.of_owner, *rights);
        }
        if has_registered {
            self.secrets.values().for_each(|rights| put(&mut fitting.of_owner, *rights));
        }
        for (range, rights) in &self.addresses {
            if range.contains(identity.ip) {
                put(&mut fitting.of_owner, *rights);
            }
        }
        if let Some(rights) = self.anyone
            && identity.owner().is_some()
        {
            put(&mut fitting.of_owner, rights);
        }
        fitting
    }

    /// Returns the rights of all rules that can fit a client that may use an id of this owner.
    pub(super) fn most_rights(&self, owner: Option<PeerName>) -> Option<Rights> {
        let mut most = None;
        let names_key = |key: &KeyName| match owner {
            Some(PeerName::Key(owner)) => self.is_one_id || *key == owner,
            Some(PeerName::Address(_)) | None => true,
        };
        let names_address = |range: &AddressRange| match owner {
            Some(PeerName::Address(ip)) => range.contains(ip),
            Some(PeerName::Key(_)) | None => true,
        };
        let of_keys = self.keys.iter().filter(|(key, _)| names_key(key)).map(|(_, rights)| rights);
        let of_addresses = self.addresses.iter().filter(|(range, _)| names_address(range));
        let of_addresses = of_addresses.map(|(_, rights)| rights);
        let others = self.secrets.values().chain(&self.ca).chain(&self.anyone);
        of_keys.chain(of_addresses).chain(others).for_each(|rights| put(&mut most, *rights));
        most
    }

    /// Returns true if the client is an operator by these rules. Neither a secret nor `anyone`
    /// makes an operator.
    pub(super) fn is_operator(&self, identity: &Identity<'_>, name: &str) -> bool {
        identity.key().is_some_and(|key| self.keys.contains_key(&key))
            || self.addresses.keys().any(|range| range.contains(identity.ip))
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
        let takes_secrets = !self.secrets.is_empty();
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
            _ if self.ca.is_some() && self.keys.is_empty() => {
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

fn put(all: &mut Option<Rights>, rights: Rights) {
    add(all.get_or_insert(rights), rights);
}

fn add(all: &mut Rights, rights: Rights) {
    *all = all.union(rights);
}
