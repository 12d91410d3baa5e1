//! Decisions about clients: by the owners of ids, or by access rules.
//!
//! ```text
//!   without rules   owner of the id ─────────────────────────► may use it, or ERR 403
//!   with rules      AccessTable::decide: rights ─► remembered ─► of each further request
//!                                           │
//!                                           └────► receives: the member needs messages
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use super::addresses::check_ip;
use super::member::Member;
use super::members::Members;
use super::{Origin, Rules, Sha256};
use crate::access::{AccessTable, Identity, KeptIdentity, Rights, SendRates};
use crate::protocol::{Command, Forbidden, PeerName, Request, RequestError, Right, SecretText};
use crate::time::Millis;

/// Access rules of a group, and the rates of its members.
#[derive(Debug)]
pub(super) struct AccessState {
    /// `None` if everybody may do everything with ids of their own.
    table: Option<Arc<AccessTable>>,
    sha256: Option<Sha256>,
    foreign_ip_allowed: bool,
    rates: SendRates,
}

/// Owner of a member, and what the access rules say about the member.
#[derive(Debug)]
pub(super) struct MemberAccess {
    /// Only the owner may use the id.
    pub(super) owner: PeerName,
    /// False for a member that may not receive: it needs no messages.
    pub(super) receives: bool,
    /// Identity of the message socket, with access rules only.
    pub(super) connected: Option<Box<KeptIdentity>>,
    /// Last decision about a request of the member.
    decided: Option<Box<Decided>>,
}

/// A decision, which holds until the rules or the owner change.
#[derive(Debug)]
struct Decided {
    identity: KeptIdentity,
    rights: Rights,
}

impl MemberAccess {
    pub(super) fn new(owner: PeerName) -> Self {
        Self { owner, receives: true, connected: None, decided: None }
    }

    /// Changes the owner. A decision about an earlier owner no longer holds.
    pub(super) fn change_owner(&mut self, owner: PeerName) {
        self.owner = owner;
        self.decided = None;
    }

    fn rights_of(&self, origin: &Origin<'_>) -> Option<Rights> {
        let decided = self.decided.as_ref()?;
        decided
            .identity
            .is(origin.peer.to_canonical(), origin.credentials)
            .then_some(decided.rights)
    }
}

impl AccessState {
    pub(super) fn new(rules: &Rules) -> Self {
        let (table, sha256) = match &rules.access {
            Some(access) => (Some(Arc::clone(&access.table)), access.sha256),
            None => (None, None),
        };
        let foreign_ip_allowed = rules.foreign_ip_allowed;
        Self { table, sha256, foreign_ip_allowed, rates: SendRates::default() }
    }

    /// Changes whether requests may use an id from any address.
    pub(super) fn allow_foreign_ip(&mut self, is_allowed: bool) {
        self.foreign_ip_allowed = is_allowed;
    }

    /// Returns true if there are access rules.
    #[inline]
    pub(super) const fn has_rules(&self) -> bool {
        self.table.is_some()
    }

    /// Replaces the rules. A group without rules stays one. Returns false in this case.
    pub(super) fn replace(&mut self, table: Arc<AccessTable>, members: &mut Members) -> bool {
        if self.table.is_some() {
            members.owned.count_by(Arc::clone(&table));
            self.table = Some(table);
            members.each_access(|access| access.decided = None);
        }
        self.table.is_some()
    }

    /// Checks that a client may use an id, which may be no member. `ip` is the address that the
    /// request names.
    pub(super) fn check(
        &self,
        members: &Members,
        origin: &Origin<'_>,
        (id, ip): (&str, IpAddr),
        secret: Option<SecretText<'_>>,
    ) -> Result<Rights, RequestError> {
        let client = origin.owner_at(ip)?;
        // A client with a key may name an address that is not its own.
        let ip = if origin.credentials.key().is_some() { origin.peer.to_canonical() } else { ip };
        match (&self.table, members.of(id)) {
            (Some(_), _) => self.decide(members, &self.identity(origin, secret), id),
            (None, Some(member)) => self.check_owner(member, client, ip).map(|()| Rights::ALL),
            (None, None) => Ok(Rights::ALL),
        }
    }

    /// Decides by the rules. Without rules everybody has all rights.
    pub(super) fn decide(
        &self,
        members: &Members,
        identity: &Identity<'_>,
        id: &str,
    ) -> Result<Rights, RequestError> {
        let Some(table) = &self.table else { return Ok(Rights::ALL) };
        let owner = members.of(id).and_then(|member| self.exclusive(member.access.owner));
        table.decide(identity, id, owner, &members.owned)
    }

    /// Decides again about a client that is to be the member of an id. One that registers counts as
    /// the owner that it becomes: its secret is not kept.
    pub(super) fn decide_joining(
        &self,
        members: &Members,
        identity: &Identity<'_>,
        id: &str,
        becomes: PeerName,
    ) -> Result<(), RequestError> {
        let Some(table) = &self.table else { return Ok(()) };
        let owner = members.of(id).map_or(becomes, |member| member.access.owner);
        table.decide(identity, id, self.exclusive(owner), &members.owned).map(drop)
    }

    /// Returns the owner if others may not use its ids.
    fn exclusive(&self, owner: PeerName) -> Option<PeerName> {
        match owner {
            PeerName::Address(_) if self.foreign_ip_allowed => None,
            PeerName::Address(_) | PeerName::Key(_) => Some(owner),
        }
    }

    /// Returns the owner of a new member. Checks the limit `ids`, if there are rules.
    pub(super) fn owner_of_new(
        &self,
        members: &Members,
        origin: &Origin<'_>,
        (id, ip): (&str, IpAddr),
        secret: Option<SecretText<'_>>,
    ) -> Result<PeerName, RequestError> {
        let Some(table) = &self.table else { return origin.owner_at(ip) };
        let identity = self.identity(origin, secret);
        table.decide_new(&identity, id, &members.owned).map(|(owner, _)| owner)
    }

    /// Returns the owner of a member that comes back.
    pub(super) fn owner_of_returned(
        &self,
        origin: &Origin<'_>,
        ip: IpAddr,
    ) -> Result<PeerName, RequestError> {
        origin.owner_at(if self.has_rules() { origin.peer.to_canonical() } else { ip })
    }

    fn identity<'a>(&self, origin: &Origin<'a>, secret: Option<SecretText<'_>>) -> Identity<'a> {
        let secret = secret.zip(self.sha256).map(|(secret, sha256)| secret.secret().name(sha256));
        Identity { ip: origin.peer.to_canonical(), credentials: origin.credentials, secret }
    }

    /// Returns the identity that a message socket keeps; `None` without rules.
    pub(super) fn kept_identity(&self, origin: &Origin<'_>) -> Option<Box<KeptIdentity>> {
        self.has_rules().then(|| Box::new(KeptIdentity::new(&self.identity(origin, None))))
    }

    /// Checks that a client may ask for a list in the name of an id.
    pub(super) fn check_list(
        &self,
        members: &Members,
        origin: &Origin<'_>,
        id: &str,
    ) -> Result<(), RequestError> {
        let identity = self.identity(origin, None);
        if self.is_operator(&identity) {
            return Ok(());
        }
        Ok(self.decide(members, &identity, id)?.check(Right::List)?)
    }

    fn is_operator(&self, identity: &Identity<'_>) -> bool {
        self.table.as_ref().is_some_and(|table| table.is_operator(identity))
    }

    /// Checks by the rules that a client may use the id of a request, which must be a member. The
    /// order of the checks is the order in which their errors take precedence. `peer` is the
    /// address of the client, and `ip` the one that the request names.
    pub(super) fn check_request(
        &self,
        members: &mut Members,
        rules: &Rules,
        origin: &Origin<'_>,
        request: &Request<'_>,
        (peer, ip): (IpAddr, IpAddr),
    ) -> Result<(), RequestError> {
        let slot = members.find(request.id);
        let is_removal = matches!(request.command, Command::Deregister | Command::Disconnect);
        let identity = self.identity(origin, None);
        if is_removal && self.is_operator(&identity) {
            return check_ip(rules, peer, ip);
        }
        origin.owner_at(ip)?;
        let known = slot.and_then(|slot| members.at(slot)?.access.rights_of(origin));
        let decision = match known {
            Some(rights) => Ok(rights),
            None => self.decide(members, &identity, request.id),
        };
        let decision = refuse_unknown(decision)?;
        check_ip(rules, peer, ip)?;
        let rights = decision?;
        if let Command::Msend { text } | Command::Send { text, .. } = request.command {
            rights.check_text(text.as_bytes().len())?;
        }
        // Not `ok_or`: each request would make the error, and drop it.
        let Some(slot) = slot else { return Err(RequestError::NotAMember) };
        if let (None, Some(member)) = (known, members.at_mut(slot)) {
            let identity = KeptIdentity::new(&identity);
            member.access.decided = Some(Box::new(Decided { identity, rights }));
        }
        Ok(())
    }

    /// Checks the rate of a member whose request was decided last.
    #[inline(never)]
    pub(super) fn check_rate(&mut self, member: &Member, now: Millis) -> Result<(), RequestError> {
        let decided = member.access.decided.as_ref();
        match decided.and_then(|decided| decided.rights.rate) {
            Some(rate) => self.rates.take(&member.id, rate, now),
            None => Ok(()),
        }
    }

    /// Returns the rights of a member by the identity of its message socket, or, if it is offline,
    /// the most rights that its owner can have. `None` if no rule fits.
    pub(super) fn rights_of(&self, members: &Members, member: &Member) -> Option<Rights> {
        let Some(table) = &self.table else { return Some(Rights::ALL) };
        match &member.access.connected {
            Some(identity) => self.decide(members, &identity.get(), &member.id).ok(),
            None => table.most_rights(&member.id, self.exclusive(member.access.owner)),
        }
    }

    /// Refuses the use of an id by another client: `client` is the owner of the ids that it
    /// registers, and `ip` its address. A key may go on with an id that belongs to its address.
    #[inline(never)]
    pub(super) fn check_owner(
        &self,
        member: &Member,
        client: PeerName,
        ip: IpAddr,
    ) -> Result<(), RequestError> {
        match (member.access.owner, client) {
            (owner, client) if owner == client => Ok(()),
            (PeerName::Address(owner), _) if owner == ip || self.foreign_ip_allowed => Ok(()),
            (PeerName::Address(owner), PeerName::Address(named)) => {
                Err(RequestError::IdElsewhere { owner, named })
            }
            (_, peer) => Err(Forbidden::OwnedByOther { peer }.into()),
        }
    }
}

/// Refuses a client that is not known, whatever else is wrong with its request. The other errors
/// of a decision come behind those of the address.
pub(super) fn refuse_unknown<T>(
    decision: Result<T, RequestError>,
) -> Result<Result<T, RequestError>, RequestError> {
    match decision {
        Err(unknown @ RequestError::Unauthorized(_)) => Err(unknown),
        decision => Ok(decision),
    }
}

/// Returns true for a request that an operator may send for any id, from the coordinator's own
/// machine. Otherwise a member whose address has changed would stay for ever.
pub(super) fn is_of_own_machine(origin: &Origin<'_>, command: &Command<'_>) -> bool {
    match command {
        Command::Deregister | Command::Disconnect => origin.peer.to_canonical().is_loopback(),
        Command::Register { .. }
        | Command::Reconnect { .. }
        | Command::Msend { .. }
        | Command::Send { .. }
        | Command::Query(_) => false,
    }
}
