//! Owners of ids in the model: who may use an id, and whose it is after a restart.

use std::collections::BTreeMap;

use groupcast::facts::Recorded as _;
use groupcast::group::Group;
use groupcast::protocol::{Command, PeerName, Request};

use crate::access::model::{Client, Owner};
use crate::coverage::CoveragePoint;
use crate::model::Model;

/// The code for `ERR 401` and `ERR 403`. The tests of the access table decide which one.
pub(crate) const DENIED: u16 = 1;

/// Knowledge about owners that outlives every coordinator.
#[derive(Debug, Default)]
pub(crate) struct AccessModel {
    /// Owners of each registration, in order.
    owners: BTreeMap<u32, Vec<Owner>>,
}

impl AccessModel {
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
    /// Checks that a client may use the id of its request.
    pub(crate) fn check_client(
        &mut self,
        client: Client,
        request: &Request<'_>,
    ) -> Result<(), u16> {
        if self.is_shutting_down {
            return Err(503);
        }
        let is_of_own_machine = match request.command {
            Command::Query(_) => return Ok(()),
            Command::Deregister | Command::Disconnect => client.ip.is_loopback(),
            Command::Register { .. }
            | Command::Reconnect { .. }
            | Command::Msend { .. }
            | Command::Send { .. } => false,
        };
        let owner = self.members.get(request.id).map(|member| member.owner);
        if is_of_own_machine {
            return Ok(());
        }
        if client.owner().is_none() {
            self.cover(CoveragePoint::NoCertificateRefused);
            return Err(DENIED);
        }
        if owner.is_some_and(|owner| !owner.lets_in(client)) {
            self.cover(CoveragePoint::ImpostorRefused);
            return Err(DENIED);
        }
        Ok(())
    }

    /// Panics if an id belongs to another client than here.
    pub(crate) fn check_owners(&self, group: &Group) {
        for (state, _) in group.member_states() {
            let member = &self.members[state.id];
            assert_eq!(state.owner, member.owner.name(), "owner of {}", state.id);
        }
    }
}
