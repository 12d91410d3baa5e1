//! Access in the model: owners of ids, also after a restart, and the rules of the access file. The
//! rules are those of the simulation of the group alone: `access/model.rs`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use groupcast::facts::Recorded as _;
use groupcast::group::{AccessRules, Group, LinkId};
use groupcast::protocol::{Command, PeerName, Query, Request, SecretName, SecretText};

use crate::access::model::{
    Buckets, Client, Granted, Line, Owner, decide, deciding, most, sha256, table,
};
use crate::coverage::CoveragePoint;
use crate::model::{Attempt, Model};
use crate::model_expected::Expected;

/// The code for `ERR 401` and `ERR 403`. The tests of the access table decide which one.
pub(crate) const DENIED: u16 = 1;

/// Knowledge about owners that outlives every coordinator.
#[derive(Debug, Default)]
pub(crate) struct AccessModel {
    /// Owners of each registration, in order.
    owners: BTreeMap<u32, Vec<Owner>>,
    /// The access file of the coordinator, and the one that it is about to read.
    file: Option<Vec<Line>>,
    next: Option<Vec<Line>>,
    /// Number of members that the last file has set offline.
    revoked: usize,
    buckets: Buckets,
}

impl AccessModel {
    /// The coordinator is about to read this file.
    pub(crate) fn exchange(&mut self, file: &[Line]) {
        (self.next, self.revoked) = (Some(file.to_vec()), 0);
    }

    pub(crate) fn take_revoked(&mut self) -> usize {
        assert!(self.next.is_none(), "the group never got the file");
        std::mem::take(&mut self.revoked)
    }

    /// Returns what outlives a coordinator.
    pub(crate) fn next(&mut self) -> Self {
        Self { buckets: Buckets::default(), ..std::mem::take(self) }
    }

    pub(crate) fn add_owner(&mut self, registration: u32, owner: Owner) {
        let owners = self.owners.entry(registration).or_default();
        if owners.last() != Some(&owner) {
            owners.push(owner);
        }
    }

    /// Returns the owner that a recovered registration has. It must have had the id before.
    pub(crate) fn recovered(&self, registration: u32, found: PeerName) -> Owner {
        let owners = &self.owners[&registration];
        let owner = owners.iter().rfind(|owner| owner.name() == found);
        *owner.unwrap_or_else(|| panic!("{found} never had this id: {owners:?}"))
    }
}

impl Model {
    /// The coordinator starts with this access file.
    pub(crate) fn set_access(&mut self, file: Vec<Line>) {
        self.rules.access = Some(AccessRules { table: table(&file), sha256: Some(sha256) });
        self.access.file = Some(file);
    }

    /// Returns the rights of a client for an id; `None` if it may not use the id.
    fn granted(&self, client: Client, id: &str, secret: Option<u8>) -> Option<Granted> {
        let owner = self.members.get(id).map(|member| member.owner);
        self.granted_as((client, owner), id, secret)
    }

    /// Returns the rights of a client for an id of this owner.
    fn granted_as(
        &self,
        (client, owner): (Client, Option<Owner>),
        id: &str,
        secret: Option<u8>,
    ) -> Option<Granted> {
        match &self.access.file {
            Some(file) => decide(file, client, (id, owner), secret),
            None => owner.is_none_or(|owner| owner.lets_in(client)).then_some(Granted::ALL),
        }
    }

    /// Checks that a client may send its request, and returns the rights.
    pub(crate) fn check_client(
        &mut self,
        client: Client,
        request: &Request<'_>,
    ) -> Result<Granted, u16> {
        if self.is_shutting_down {
            return Err(503);
        }
        let has_rules = self.access.file.is_some();
        let is_operator = has_rules && client.is_operator();
        let mut secret = None;
        match &request.command {
            Command::Query(Query::Ping) => return Ok(Granted::ALL),
            Command::Query(Query::List(_)) if is_operator || !has_rules => return Ok(Granted::ALL),
            Command::Query(Query::List(_)) => {
                let granted = self.granted(client, request.id, None);
                return granted.filter(|granted| granted.list).ok_or(DENIED);
            }
            Command::Deregister | Command::Disconnect
                if is_operator || !has_rules && client.ip.is_loopback() =>
            {
                return Ok(Granted::ALL);
            }
            Command::Register { options, .. } => secret = options.secret.map(digit_of),
            Command::Deregister
            | Command::Disconnect
            | Command::Reconnect { .. }
            | Command::Msend { .. }
            | Command::Send { .. } => (),
        }
        if client.owner().is_none() {
            self.cover(CoveragePoint::NoCertificateRefused);
            return Err(DENIED);
        }
        let Some(granted) = self.granted(client, request.id, secret) else {
            self.cover(CoveragePoint::ImpostorRefused);
            return Err(DENIED);
        };
        if let Command::Msend { text } | Command::Send { text, .. } = request.command
            && (!granted.send || text.as_bytes().len() > granted.max_text)
        {
            self.cover(CoveragePoint::RightMissing);
            return Err(DENIED);
        }
        Ok(granted)
    }

    /// Checks the limits of members for one address, and of ids for one key.
    pub(crate) fn check_room(
        &mut self,
        (client, ip): (Client, IpAddr),
        id: &str,
        granted: Granted,
    ) -> Result<(), u16> {
        let here = self.here.waiting.iter();
        let registering = self.attempts.values().chain(here).filter(|attempt| attempt.registers);
        let at_address = registering.clone().map(|attempt| attempt.address.ip());
        let at_address = at_address.chain(self.members.values().map(|it| it.address.ip()));
        let is_full =
            at_address.filter(|at| *at == ip).count() >= self.rules.members_per_address_max;
        let Some(file) = &self.access.file else { return if is_full { Err(421) } else { Ok(()) } };
        let registering = registering.filter_map(|it| Some((&*it.id, it.client.owner()?)));
        let owned = self.members.iter().map(|(id, member)| (&**id, member.owner));
        let lines = deciding(file, id);
        let same = owned.chain(registering).filter(|(other, owner)| {
            Some(*owner) == client.owner() && deciding(file, other) == lines
        });
        if is_full || same.count() >= granted.ids {
            self.cover(CoveragePoint::IdsRefused);
            return Err(421);
        }
        Ok(())
    }

    /// Checks the rate of an id.
    pub(crate) fn check_rate(&mut self, id: &str, granted: Granted, now: u64) -> Result<(), u16> {
        if granted.any_rate || self.access.buckets.take(id, now) {
            return Ok(());
        }
        self.cover(CoveragePoint::RateRefused);
        Err(429)
    }

    /// The rules change: exactly those members go offline that no line fits, and their
    /// connect-backs are refused.
    pub(crate) fn access_changed(&mut self) {
        let file = self.access.next.take().expect("somebody has exchanged the file");
        self.set_access(file);
        // A client that registers counts as the owner already: its secret is not kept.
        let is_denied = |model: &Self, attempt: &Attempt| {
            let Attempt { client, id, .. } = attempt;
            let member = model.members.get(id);
            let owner = member.map_or(client.owner(), |member| Some(member.owner));
            model.granted_as((*client, owner), id, None).is_none()
        };
        let denied = self.attempts.iter().filter(|(_, attempt)| is_denied(self, attempt));
        for link in denied.map(|(link, _)| *link).collect::<Vec<LinkId>>() {
            let attempt = self.attempts.remove(&link).expect("found above");
            if let Some(member) = self.members.get_mut(&attempt.id).filter(|_| !attempt.registers) {
                member.reconnecting = None;
            }
            self.closing.push((link, String::new()));
            self.expect_reply(attempt.conn, Expected::Denied);
            self.cover(CoveragePoint::ConnectBackRevoked);
        }
        let waiting = std::mem::take(&mut self.here.waiting);
        let (denied, waiting) = waiting.into_iter().partition(|it| is_denied(self, it));
        self.here.waiting = waiting;
        self.refuse_here(denied);
        for id in self.members.keys().cloned().collect::<Vec<String>>() {
            self.refresh(&id);
        }
    }

    /// Decides about a member by the present rules.
    fn refresh(&mut self, id: &str) {
        let (member, Some(file)) = (&self.members[id], &self.access.file) else { return };
        let granted = match member.link {
            Some(_) => decide(file, member.client, (id, Some(member.owner)), None),
            None => most(file, id, member.owner),
        };
        if let Some(granted) = granted {
            return self.set_receives(id, granted.receive);
        }
        if self.hang_up(id, "access revoked") {
            self.access.revoked += 1;
            self.cover(CoveragePoint::AccessRevoked);
        }
    }

    /// A member is about to get a message socket of this client.
    pub(crate) fn admit_client(&mut self, id: &str, client: Client) {
        let member = self.members.get_mut(id).unwrap();
        member.client = client;
        member.owner = client.owner().expect("a key or an address");
        self.access.add_owner(member.number, member.owner);
        let granted = self.granted(client, id, None).expect("checked at the request");
        self.set_receives(id, granted.receive);
    }

    /// A member may receive, or may not and needs no message. It never gets what it missed then.
    fn set_receives(&mut self, id: &str, receives: bool) {
        let last = self.life().last();
        let member = self.members.get_mut(id).unwrap();
        let had = std::mem::replace(&mut member.receives, receives);
        let (number, link) = (member.number, member.link);
        if !receives && had {
            member.muted_after = last;
        }
        if !receives || !had {
            (member.acked, member.peak) = (last, member.peak.max(last));
            self.life_mut().excuse(id, number, last);
        }
        if let Some(stream) = link.and_then(|link| self.streams.get_mut(&link)) {
            stream.set_mute(!receives, last);
        }
        if receives != had {
            self.cover(match receives {
                true => CoveragePoint::ReceiveGained,
                false => CoveragePoint::ReceiveLost,
            });
        }
    }

    /// Returns false if no client of the owner of an absent member may receive.
    pub(crate) fn may_receive(&self, id: &str, owner: Owner) -> bool {
        let most = self.access.file.as_ref().and_then(|file| most(file, id, owner));
        most.is_none_or(|granted| granted.receive)
    }

    /// Panics if an id belongs to another client than here.
    pub(crate) fn check_owners(&self, group: &Group) {
        for (state, _) in group.member_states() {
            let member = &self.members[state.id];
            assert_eq!(state.owner, member.owner.name(), "owner of {}", state.id);
        }
    }
}

/// Returns the last digit of a secret.
fn digit_of(text: SecretText<'_>) -> u8 {
    let is_of = |digit: &u8| text.secret().name(sha256) == SecretName::new([*digit; 32]);
    (0..=9).find(is_of).expect("a secret of this run")
}
