//! The table of all rules.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::{KeyName, LimitReached, PeerName, RequestError, Unauthorized};

use super::deciding::{DecidingRules, RulesNumber};
use super::{AccessRule, Identity, OPERATOR, OwnedIds, Proof, Rights, Who};

/// All rules of the access file.
#[derive(Debug, Default)]
pub struct AccessTable {
    by_id: BTreeMap<Box<str>, DecidingRules>,
    by_prefix: BTreeMap<Box<str>, DecidingRules>,
    /// Bytes of the prefixes, so that only prefixes that may exist are looked up.
    prefix_lengths: BTreeSet<usize>,
    operators: DecidingRules,
    /// Keys that a rule names.
    keys: BTreeSet<KeyName>,
    /// Rules of ids that no rule is about: none.
    nobody: DecidingRules,
}

/// A member with a message socket.
#[derive(Clone, Copy, Debug)]
pub struct ConnectedMember<'a> {
    /// Id of the member.
    pub id: &'a str,
    /// Owner of the id.
    pub owner: PeerName,
    /// Identity of the message socket.
    pub identity: Identity<'a>,
}

impl AccessTable {
    /// Creates the table of these rules, in any order.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = AccessRule>) -> Self {
        let mut table = Self::default();
        for (number, AccessRule { who, proof, rights }) in rules.into_iter().enumerate() {
            // `nobody` has the number 0.
            let number = RulesNumber(number.saturating_add(1));
            if let Proof::Key(key) = proof {
                table.keys.insert(key);
            }
            let deciding = match who {
                Who::Id(id) => {
                    table.by_id.entry(id).or_insert_with(|| DecidingRules::new(number, true))
                }
                Who::Prefix(prefix) => {
                    table.prefix_lengths.insert(prefix.len());
                    let rules = table.by_prefix.entry(prefix);
                    rules.or_insert_with(|| DecidingRules::new(number, false))
                }
                Who::Operator => &mut table.operators,
            };
            deciding.add(proof, rights);
        }
        table
    }

    /// Returns the rights of a client that names `id` in a request.
    ///
    /// `owner` is the owner of the id; `None` if the id is not a member. With `allow_foreign_ip`,
    /// an owner that is an address counts as `None`: then any address may use the id. `owned` is
    /// the ids of all members: a key that owns one is known.
    ///
    /// # Errors
    ///
    /// If no rule fits: [`RequestError::Unauthorized`] for a client that is not known,
    /// [`RequestError::Forbidden`] for a key that is. If the id belongs to another client:
    /// [`RequestError::Forbidden`], or [`RequestError::IdElsewhere`] without TLS.
    pub fn decide(
        &self,
        identity: &Identity<'_>,
        id: &str,
        owner: Option<PeerName>,
        owned: &OwnedIds,
    ) -> Result<Rights, RequestError> {
        let is_known =
            |key| self.keys.contains(&key) || owned.of(PeerName::Key(key)).next().is_some();
        self.deciding(id).decide(identity, id, owner, is_known)
    }

    /// Returns the owner and the rights of a new member: a `register` of an id that is not a
    /// member.
    ///
    /// `owned` is the ids of all members, and of registrations under way, counted by this table.
    /// The limit `ids` counts the owner's ids that the same rules decide about.
    ///
    /// # Errors
    ///
    /// As [`AccessTable::decide`], and [`LimitReached::MembersOf`].
    pub fn decide_new(
        &self,
        identity: &Identity<'_>,
        id: &str,
        owned: &OwnedIds,
    ) -> Result<(PeerName, Rights), RequestError> {
        let rights = self.decide(identity, id, None, owned)?;
        let owner = identity.owner().ok_or(Unauthorized::NoCertificate)?;
        if let Some(max) = rights.ids_max
            && owned.count(self, owner, self.number_of(id)) >= max
        {
            return Err(LimitReached::MembersOf { owner: owner.to_string().into(), max }.into());
        }
        Ok((owner, rights))
    }

    /// Returns the most rights that any client can have for an id of this owner, as far as that
    /// can be known while the client is not connected. `None` if no rule can fit.
    ///
    /// `owner` is as for [`AccessTable::decide`].
    #[must_use]
    pub fn most_rights(&self, id: &str, owner: Option<PeerName>) -> Option<Rights> {
        self.deciding(id).most_rights(owner)
    }

    /// Returns true if the client may list the members and remove any of them.
    #[must_use]
    pub fn is_operator(&self, identity: &Identity<'_>) -> bool {
        self.operators.is_operator(identity, OPERATOR)
    }

    /// Returns the ids of the members that may not be members by this table, in the order of
    /// `members`. After a reload, their message sockets must be closed.
    ///
    /// A member that has lost a right stays: its next request is refused.
    pub fn revoked<'a>(
        &self,
        members: impl IntoIterator<Item = ConnectedMember<'a>>,
    ) -> Vec<&'a str> {
        let nobody = OwnedIds::default();
        let is_revoked = |member: &ConnectedMember<'_>| {
            self.decide(&member.identity, member.id, Some(member.owner), &nobody).is_err()
        };
        members.into_iter().filter(is_revoked).map(|member| member.id).collect()
    }

    /// Returns the number of the rules that decide about an id.
    pub(super) fn number_of(&self, id: &str) -> RulesNumber {
        self.deciding(id).number()
    }

    /// Returns the rules that decide about an id.
    fn deciding(&self, id: &str) -> &DecidingRules {
        let prefixes = self.prefix_lengths.iter().rev().filter_map(|length| id.get(..*length));
        let mut by_prefix = prefixes.filter_map(|prefix| self.by_prefix.get(prefix));
        self.by_id.get(id).or_else(|| by_prefix.next()).unwrap_or(&self.nobody)
    }
}
