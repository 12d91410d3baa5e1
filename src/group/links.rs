//! Links: one for each connect-back, from its request to the end of its message socket. A request
//! with `here` has a link, too, and its connection is there from the start.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use slab::Slab;

use super::ids::{ConnId, LinkId, MemberSlot};
use super::outbound::Outbound;
use super::per_address::Network;
use crate::access::KeptIdentity;
use crate::protocol::{Epoch, MessageLine, Options, PeerName, Seq, Since};

/// A connect-back, or the message socket that it became.
#[derive(Debug)]
pub(super) enum Link {
    /// A connect-back is under way.
    Connecting(ConnectBack),
    /// A message socket.
    Open {
        /// Member that the socket belongs to.
        member: MemberSlot,
        /// Outbound half of the socket.
        outbound: Outbound,
        /// Last seq that was given out before the socket was there.
        last_before: Seq,
    },
}

impl Link {
    /// Returns true for a connect-back to an address whose members are counted.
    pub(super) fn is_counted(&self) -> bool {
        match self {
            Self::Connecting(connect_back) => Network::of(connect_back.address.ip()).is_some(),
            Self::Open { .. } => false,
        }
    }
}

/// A connect-back under way, or a request with `here` that waits for its fact.
#[derive(Clone, Debug)]
pub(super) struct ConnectBack {
    pub(super) purpose: ConnectPurpose,
    /// Owner of the id once the member has joined.
    pub(super) owner: PeerName,
    /// Owner of the member when the request was checked; `None` for a new member.
    pub(super) before: Option<PeerName>,
    /// Identity of the client, with access rules only.
    pub(super) identity: Option<Box<KeptIdentity>>,
    pub(super) address: SocketAddr,
    /// Command socket that waits for the reply.
    pub(super) conn: ConnId,
    /// `here`: the command socket becomes the message socket.
    pub(super) is_here: bool,
    pub(super) options: ConnectOptions,
    pub(super) phase: ConnectPhase,
}

/// Progress of a connect-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectPhase {
    /// The connection is not there yet, or waits for a new epoch.
    Connecting,
    /// The fact of the member was proposed to the journal.
    Proposed,
    /// As [`ConnectPhase::Proposed`], and the connection has ended since.
    Ended,
}

/// Purpose of a connect-back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConnectPurpose {
    /// Registers a new member with this id.
    Register(Box<str>),
    /// Brings a member back online.
    Reconnect(MemberSlot),
}

/// Options of a `register` or `reconnect`, kept until the connect-back completes.
#[derive(Clone, Debug)]
pub(super) struct ConnectOptions {
    pub(super) acks: bool,
    nonce: Option<Box<str>>,
    pub(super) since: Option<Since>,
    /// Most messages from before the registration; `None` without the option.
    pub(super) last: Option<u64>,
}

impl ConnectOptions {
    pub(super) fn new(options: &Options<'_>) -> Self {
        let Options { acks, nonce, since, last, secret: _ } = *options;
        Self { acks, nonce: nonce.map(Box::from), since, last }
    }

    /// Returns the `hello` line; `None` without a nonce.
    pub(super) fn hello(&self, epoch: Epoch) -> Option<MessageLine<'_>> {
        self.nonce.as_deref().map(|nonce| MessageLine::Hello { nonce, epoch })
    }
}

/// All links, found by id in constant time.
#[derive(Debug, Default)]
pub(super) struct Links {
    slots: Slab<(u32, Link)>,
    /// Registrations under way, by id.
    pub(super) registering: BTreeMap<Box<str>, LinkId>,
    /// Serial of the next link. It wraps after 4 billion links, when the oldest ids are long
    /// unused.
    next_serial: u32,
}

impl Links {
    pub(super) fn insert(&mut self, link: Link) -> LinkId {
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        let slot = self.slots.insert((serial, link));
        LinkId::new(slot, serial)
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Option<Link> {
        self.at(id)?;
        self.slots.try_remove(id.slot()).map(|(_, link)| link)
    }

    pub(super) fn at(&self, id: LinkId) -> Option<&Link> {
        let (serial, link) = self.slots.get(id.slot())?;
        (*serial == id.serial()).then_some(link)
    }

    /// Returns a connect-back under way.
    pub(super) fn connecting_mut(&mut self, id: LinkId) -> Option<&mut ConnectBack> {
        let (serial, link) = self.slots.get_mut(id.slot())?;
        match link {
            Link::Connecting(connect_back) if *serial == id.serial() => Some(connect_back),
            Link::Open { .. } | Link::Connecting(_) => None,
        }
    }

    /// Returns the message socket of a link; `None` while the link is connecting.
    pub(super) fn open(&self, id: LinkId) -> Option<(MemberSlot, &Outbound)> {
        match self.at(id)? {
            Link::Open { member, outbound, .. } => Some((*member, outbound)),
            Link::Connecting(_) => None,
        }
    }

    /// Returns the message socket of a link, as [`Links::open`] does.
    pub(super) fn open_mut(&mut self, id: LinkId) -> Option<(MemberSlot, &mut Outbound)> {
        let (serial, link) = self.slots.get_mut(id.slot())?;
        match link {
            Link::Open { member, outbound, .. } if *serial == id.serial() => {
                Some((*member, outbound))
            }
            Link::Open { .. } | Link::Connecting(_) => None,
        }
    }

    /// Returns the last seq that was given out before a message socket was there.
    pub(super) fn last_before(&self, id: LinkId) -> Option<Seq> {
        match self.at(id)? {
            Link::Open { last_before, .. } => Some(*last_before),
            Link::Connecting(_) => None,
        }
    }

    /// Turns a connect-back into a message socket. `last_before` is the last seq given out so far.
    pub(super) fn establish(
        &mut self,
        id: LinkId,
        (member, outbound): (MemberSlot, Outbound),
        last_before: Seq,
    ) {
        if let Some((serial, link)) = self.slots.get_mut(id.slot())
            && *serial == id.serial()
        {
            *link = Link::Open { member, outbound, last_before };
        }
    }

    /// Returns all message sockets.
    pub(super) fn all_open_mut(&mut self) -> impl Iterator<Item = (MemberSlot, &mut Outbound)> {
        self.slots.iter_mut().filter_map(|(_, (_, link))| match link {
            Link::Open { member, outbound, .. } => Some((*member, outbound)),
            Link::Connecting(_) => None,
        })
    }

    /// Returns the ids of all message sockets.
    pub(super) fn all_open(&self) -> Vec<LinkId> {
        let slots = self.slots.iter().filter_map(|(slot, (serial, link))| match link {
            Link::Open { .. } => Some(LinkId::new(slot, *serial)),
            Link::Connecting(_) => None,
        });
        slots.collect()
    }

    /// Returns all links.
    pub(super) fn all(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.slots.iter().map(|(slot, (serial, link))| (LinkId::new(slot, *serial), link))
    }

    /// Returns the ids of all connect-backs under way.
    pub(super) fn connecting(&self) -> impl Iterator<Item = LinkId> {
        self.slots.iter().filter_map(|(slot, (serial, link))| match link {
            Link::Connecting(_) => Some(LinkId::new(slot, *serial)),
            Link::Open { .. } => None,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}
