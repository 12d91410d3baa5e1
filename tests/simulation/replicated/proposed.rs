//! Proposed facts, and the journal that takes them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroU64;

use groupcast::facts::{Announced, Fact, Journal, Recorded as _};
use groupcast::group::{Group, Ticket};
use groupcast::protocol::{ANNOUNCER, Announcement, Epoch, PeerName, PresenceChange, Seq};
use groupcast::time::{Now, UnixMillis};

/// A fact that is on its way.
#[derive(Clone, Debug)]
pub(super) enum Proposed {
    Registered { id: String, owner: PeerName, address: SocketAddr, past: u64 },
    Returned { id: String, owners: [PeerName; 2], address: SocketAddr, acked: Seq },
    Deregistered { id: String },
    Accepted { sender: String, number: Option<NonZeroU64>, accepted: UnixMillis, text: String },
    NewEpoch { epoch: Epoch },
}

impl Proposed {
    pub(super) fn of(fact: Fact<'_>) -> Self {
        match fact {
            Fact::Registered { id, owner, address, past } => {
                Self::Registered { id: id.into(), owner, address, past }
            }
            Fact::Returned { id, before, owner, address, acked } => {
                Self::Returned { id: id.into(), owners: [before, owner], address, acked }
            }
            Fact::Deregistered { id } => Self::Deregistered { id: id.into() },
            Fact::Accepted { sender, number, accepted, text } => {
                let (sender, text) = (sender.into(), text.to_string());
                Self::Accepted { sender, number, accepted, text }
            }
            Fact::NewEpoch { epoch } => Self::NewEpoch { epoch },
            Fact::Acked { .. }
            | Fact::Snapshot { .. }
            | Fact::Member(_)
            | Fact::Own { .. }
            | Fact::Announced { .. }
            | Fact::AllNamed
            | Fact::Numbered { .. }
            | Fact::Recovered { .. }
            | Fact::Published { .. }
            | Fact::Expired { .. }
            | Fact::Lost { .. } => panic!("{fact:?} follows from no request"),
            #[cfg(feature = "engine")]
            Fact::Entered { .. } | Fact::Located { .. } | Fact::Horizon { .. } => {
                panic!("{fact:?} follows from no request")
            }
        }
    }

    pub(super) fn fact(&self) -> Fact<'_> {
        match *self {
            Self::Registered { ref id, owner, address, past } => {
                Fact::Registered { id, owner, address, past }
            }
            Self::Returned { ref id, owners: [before, owner], address, acked } => {
                Fact::Returned { id, before, owner, address, acked }
            }
            Self::Deregistered { ref id } => Fact::Deregistered { id },
            Self::Accepted { ref sender, number, accepted, ref text } => {
                Fact::Accepted { sender, number, accepted, text: text.as_str().into() }
            }
            Self::NewEpoch { epoch } => Fact::NewEpoch { epoch },
        }
    }
}

/// The journal of one site: takes proposals, and orders none itself.
#[derive(Debug, Default)]
pub(super) struct Replicated {
    pub(super) outbox: VecDeque<(Proposed, Ticket)>,
}

impl Journal<Group> for Replicated {
    fn propose(&mut self, fact: Fact<'_>, ticket: Ticket, _: &mut Group, _: Now) {
        self.outbox.push_back((Proposed::of(fact), ticket));
    }
}

/// Returns the reply to a text of a member that has `published` numbered texts, if the next message
/// of the group is `next`.
pub(super) fn message_reply(number: Option<NonZeroU64>, published: u64, next: u64) -> String {
    match number.map(NonZeroU64::get) {
        None => format!("OK msend seq={next}"),
        Some(number) if number <= published => format!("OK send {number} duplicate=1"),
        Some(number) if number == published + 1 => format!("OK send {number} seq={next}"),
        Some(_) => format!("ERR 409 send: expected {}", published + 1),
    }
}

/// Returns true for an expected reply. The words of a registration may stand among others.
pub(super) fn is_it(reply: &str, expected: &str) -> bool {
    match expected {
        _ if expected.contains("send ") => reply == expected,
        _ if expected.starts_with("OK register") => {
            expected.split(' ').all(|word| reply.split(' ').any(|it| it == word))
        }
        _ => reply.starts_with(expected),
    }
}

/// Returns each member with its last accepted number, and the last message, after all these facts.
pub(super) fn outcome<'a>(
    facts: impl Iterator<Item = &'a Proposed>,
) -> (BTreeMap<&'a String, u64>, u64) {
    let (mut members, mut last) = (BTreeMap::new(), 0);
    let mut announced = AnnouncedChanges::new();
    for fact in facts {
        match fact {
            Proposed::Registered { id, .. } => {
                members.entry(id).or_insert(0);
            }
            Proposed::Deregistered { id } => {
                members.remove(id);
            }
            Proposed::Accepted { sender, text, .. } if sender == ANNOUNCER => {
                let Announcement { id, change } = Announcement::parse(text).unwrap();
                let is_member = members.keys().any(|member| *member == id);
                last += u64::from(is_announced(&mut announced, id, change, is_member));
            }
            Proposed::Accepted { sender, number, .. } => {
                let Some(published) = members.get_mut(sender) else { continue };
                match number {
                    Some(number) if number.get() == *published + 1 => *published += 1,
                    Some(_) => continue,
                    None => (),
                }
                last += 1;
            }
            Proposed::Returned { .. } | Proposed::NewEpoch { .. } => (),
        }
    }
    (members, last)
}

/// The change that was announced last of each id.
pub(crate) type AnnouncedChanges = BTreeMap<String, PresenceChange>;

/// Takes an announcement, unless the facts before it made it wrong.
pub(crate) fn is_announced(
    announced: &mut AnnouncedChanges,
    id: &str,
    change: PresenceChange,
    is_member: bool,
) -> bool {
    use PresenceChange::{Deregistered, Offline, Online, Registered};
    let was = announced.get(id).copied().unwrap_or(Deregistered);
    let is_new = match change {
        Registered => was == Deregistered,
        Online => was == Offline || was == Deregistered,
        Offline | Deregistered => was != change,
    };
    let is_taken = is_new && is_member == (change != Deregistered);
    if is_taken {
        announced.insert(id.to_owned(), change);
    }
    is_taken
}

/// Returns the state that must be the same in all coordinators.
pub(super) fn state(group: &Group) -> String {
    let last = group.lines(group.last().before()).next();
    let line = last.map(|(seq, line, at)| format!("{seq} {at} {}", String::from_utf8_lossy(line)));
    let members = group.member_states().map(|(member, _)| {
        let (id, owner, address) = (member.id, member.owner, member.address);
        format!("{id} {owner:?} {address} {} {}", member.registered_at, member.start)
    });
    let members: Vec<String> = members.collect();
    let (decided, last) = (group.decided_epoch(), group.last());
    // Each site forgets former ids in its own time.
    let announced: Vec<_> =
        group.announced_states().filter(|(_, it)| *it != Announced::Absent).collect();
    format!("{decided} {last} {line:?} {members:?} {announced:?} {:?}", group.position())
}
