//! A record: one proposal of a site.
//!
//! ```text
//!   ┌────────────┬──────┬────────┐
//!   │ body bytes │ kind │ body … │
//!   └────────────┴──────┴────────┘
//!         4         1
//! ```
//!
//! Numbers are little-endian. A body has the fields of its [`ListRecord`] in order, and the id or
//! the text, if there is one, at the end. An owner starts with its kind: 4 or 6 for an IP address
//! of that version, 32 for the name of a key. A number that is missing is 0.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;

use super::names::{ListPosition, MemberVisit};
use crate::journal::fields::{put_ip, take, take_id, take_ip, take_seq, take_u64};
use crate::limits::ID_BYTES_MAX;
use crate::protocol::{ANNOUNCER, Epoch, KeyName, PeerName, Seq, Text};

/// Bytes before the body of a record.
pub(super) const RECORD_HEADER_BYTES: usize = size_of::<u32>() + 1;

const OWNER_KEY: u8 = 32;

/// Settings that all sites of a group share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedRules {
    /// Time to live of a message, in milliseconds.
    pub ttl_ms: u64,
    /// Most members of the group.
    pub members_max: u32,
    /// True for `overflow=drop-oldest`.
    pub drops_oldest: bool,
    /// True for `presence=yes`.
    pub announces: bool,
}

impl fmt::Display for SharedRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ttl_ms, members_max, drops_oldest, announces } = self;
        let overflow = if *drops_oldest { "drop-oldest" } else { "reject" };
        let presence = if *announces { "yes" } else { "no" };
        let ttl_s = ttl_ms / 1000;
        write!(f, "ttl {ttl_s} s, max_members={members_max}, overflow={overflow}, ")?;
        write!(f, "presence={presence}")
    }
}

/// A proposal of a site. The reader of the list decides whether it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListRecord<'a> {
    /// The group begins. First record of the list.
    Found {
        /// Epoch that begins.
        epoch: Epoch,
        /// Settings that all sites share.
        rules: SharedRules,
    },
    /// A process of the site begins its life. First record of the first batch of a life.
    Life,
    /// The process ends its life in good order. Last record of its last batch.
    End,
    /// A new epoch begins.
    Epoch {
        /// The new epoch.
        epoch: Epoch,
    },
    /// An id becomes a member at the site.
    Enter {
        /// Owner of the id.
        owner: PeerName,
        /// Address of the member's listener.
        address: SocketAddr,
        /// Last seq before the first message that the member gets.
        start: Seq,
        /// Id of the new member.
        id: &'a str,
    },
    /// A member comes back at the site.
    Return {
        /// Owner of the id when the request was checked.
        before: PeerName,
        /// Owner of the id from here on.
        owner: PeerName,
        /// Visit of the member when the request was checked.
        visit: MemberVisit,
        /// Address of the member's listener.
        address: SocketAddr,
        /// Cursor from here on. It may be lower than before.
        acked: Seq,
        /// Id of the member.
        id: &'a str,
    },
    /// An id ceases to be a member.
    Leave {
        /// Owner of the id when the request was checked.
        before: PeerName,
        /// Visit of the member when this was decided.
        visit: MemberVisit,
        /// True if the member was offline for too long, false for a request.
        is_forgotten: bool,
        /// Id of the member.
        id: &'a str,
    },
    /// A message of a member at the site.
    Say {
        /// Visit of the sender. `None` for an announcement.
        visit: Option<MemberVisit>,
        /// Number that the sender gave to the text of a `send`.
        number: Option<NonZeroU64>,
        /// Id of the sender.
        id: &'a str,
        /// Text of the message.
        text: Text<'a>,
    },
    /// A message that one coordinator had accepted before the list began. It counts as it is.
    Imported {
        /// Id of the sender, who may be no member.
        id: &'a str,
        /// Text of the message.
        text: Text<'a>,
    },
    /// Cursor of a member at the site.
    Acked {
        /// Visit of the member.
        visit: MemberVisit,
        /// Last seq that counts as delivered.
        acked: Seq,
        /// Id of the member.
        id: &'a str,
    },
    /// A member at the site is offline.
    Gone {
        /// Visit of the member.
        visit: MemberVisit,
        /// Id of the member.
        id: &'a str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum ListRecordKind {
    Found = 1,
    Life = 2,
    Epoch = 3,
    Enter = 4,
    Return = 5,
    Leave = 6,
    Say = 7,
    Acked = 8,
    Gone = 9,
    End = 10,
    Imported = 11,
}

impl ListRecord<'_> {
    /// Appends the encoded record.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; size_of::<u32>()]);
        out.push(self.kind() as u8);
        self.put_body(out);
        let bytes = out.len().saturating_sub(start).saturating_sub(RECORD_HEADER_BYTES);
        // A line is bounded where it comes in.
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Some(header) = out.get_mut(start..).and_then(|it| it.first_chunk_mut()) {
            *header = bytes.to_le_bytes();
        }
    }

    fn kind(&self) -> ListRecordKind {
        match self {
            Self::Found { .. } => ListRecordKind::Found,
            Self::Life => ListRecordKind::Life,
            Self::End => ListRecordKind::End,
            Self::Epoch { .. } => ListRecordKind::Epoch,
            Self::Enter { .. } => ListRecordKind::Enter,
            Self::Return { .. } => ListRecordKind::Return,
            Self::Leave { .. } => ListRecordKind::Leave,
            Self::Say { .. } => ListRecordKind::Say,
            Self::Imported { .. } => ListRecordKind::Imported,
            Self::Acked { .. } => ListRecordKind::Acked,
            Self::Gone { .. } => ListRecordKind::Gone,
        }
    }

    fn put_body(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Found { epoch, rules } => {
                out.extend_from_slice(&epoch.as_u64().to_le_bytes());
                put_rules(rules, out);
            }
            Self::Life | Self::End => (),
            Self::Epoch { epoch } => out.extend_from_slice(&epoch.as_u64().to_le_bytes()),
            Self::Enter { owner, address, start, id } => {
                put_owner(owner, out);
                put_address(address, out);
                out.extend_from_slice(&start.as_u64().to_le_bytes());
                out.extend_from_slice(id.as_bytes());
            }
            Self::Return { before, owner, visit, address, acked, id } => {
                put_owner(before, out);
                put_owner(owner, out);
                put_visit(visit, out);
                put_address(address, out);
                out.extend_from_slice(&acked.as_u64().to_le_bytes());
                out.extend_from_slice(id.as_bytes());
            }
            Self::Leave { before, visit, is_forgotten, id } => {
                put_owner(before, out);
                put_visit(visit, out);
                out.push(u8::from(is_forgotten));
                out.extend_from_slice(id.as_bytes());
            }
            Self::Say { visit, number, id, text } => {
                put_visit(visit.unwrap_or_default(), out);
                out.extend_from_slice(&number.map_or(0, NonZeroU64::get).to_le_bytes());
                put_short(id, out);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Imported { id, text } => {
                put_short(id, out);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Acked { visit, acked, id } => {
                put_visit(visit, out);
                out.extend_from_slice(&acked.as_u64().to_le_bytes());
                out.extend_from_slice(id.as_bytes());
            }
            Self::Gone { visit, id } => {
                put_visit(visit, out);
                out.extend_from_slice(id.as_bytes());
            }
        }
    }
}

impl<'a> ListRecord<'a> {
    /// Takes the next record of a batch; `None` if the bytes are no record.
    pub(super) fn take(bytes: &mut &'a [u8]) -> Option<Self> {
        let length = u32::from_le_bytes(take(bytes)?);
        let [kind] = take(bytes)?;
        let (mut body, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
        *bytes = rest;
        let record = Self::take_body(kind, &mut body)?;
        body.is_empty().then_some(record)
    }

    fn take_body(kind: u8, body: &mut &'a [u8]) -> Option<Self> {
        const FOUND: u8 = ListRecordKind::Found as u8;
        const LIFE: u8 = ListRecordKind::Life as u8;
        const EPOCH: u8 = ListRecordKind::Epoch as u8;
        const ENTER: u8 = ListRecordKind::Enter as u8;
        const RETURN: u8 = ListRecordKind::Return as u8;
        const LEAVE: u8 = ListRecordKind::Leave as u8;
        const SAY: u8 = ListRecordKind::Say as u8;
        const ACKED: u8 = ListRecordKind::Acked as u8;
        const GONE: u8 = ListRecordKind::Gone as u8;
        const END: u8 = ListRecordKind::End as u8;
        const IMPORTED: u8 = ListRecordKind::Imported as u8;
        Some(match kind {
            FOUND => Self::Found { epoch: Epoch::new(take_u64(body)?), rules: take_rules(body)? },
            LIFE => Self::Life,
            END => Self::End,
            EPOCH => Self::Epoch { epoch: Epoch::new(take_u64(body)?) },
            ENTER => Self::Enter {
                owner: take_owner(body)?,
                address: take_address(body)?,
                start: take_seq(body)?,
                id: take_id(body)?,
            },
            RETURN => Self::Return {
                before: take_owner(body)?,
                owner: take_owner(body)?,
                visit: take_visit(body)?,
                address: take_address(body)?,
                acked: take_seq(body)?,
                id: take_id(body)?,
            },
            LEAVE => Self::Leave {
                before: take_owner(body)?,
                visit: take_visit(body)?,
                is_forgotten: take(body)? == [1],
                id: take_id(body)?,
            },
            SAY => Self::Say {
                visit: some_visit(take_visit(body)?),
                number: NonZeroU64::new(take_u64(body)?),
                id: take_sender(body)?,
                text: Text::checked(std::mem::take(body))?,
            },
            IMPORTED => Self::Imported {
                id: take_sender(body)?,
                text: Text::checked(std::mem::take(body))?,
            },
            ACKED => {
                Self::Acked { visit: take_visit(body)?, acked: take_seq(body)?, id: take_id(body)? }
            }
            GONE => Self::Gone { visit: take_visit(body)?, id: take_id(body)? },
            _ => return None,
        })
    }
}

/// Takes the id of a member, or the sender of announcements.
fn take_sender<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let mut sender = take_short(bytes)?;
    if sender == ANNOUNCER.as_bytes() { Some(ANNOUNCER) } else { take_id(&mut sender) }
}

const _: () = assert!(ID_BYTES_MAX <= u8::MAX as usize, "the length of an id has one byte");

/// Appends a short text with its length in one byte.
pub(super) fn put_short(text: &str, out: &mut Vec<u8>) {
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(text.as_bytes());
}

/// Takes the bytes of a short text.
pub(super) fn take_short<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let [length] = take(bytes)?;
    let (text, rest) = bytes.split_at_checked(usize::from(length))?;
    *bytes = rest;
    Some(text)
}

pub(super) fn put_rules(rules: SharedRules, out: &mut Vec<u8>) {
    out.extend_from_slice(&rules.ttl_ms.to_le_bytes());
    out.extend_from_slice(&rules.members_max.to_le_bytes());
    out.push(u8::from(rules.drops_oldest));
    out.push(u8::from(rules.announces));
}

pub(super) fn take_rules(bytes: &mut &[u8]) -> Option<SharedRules> {
    let (ttl_ms, members_max) = (take_u64(bytes)?, u32::from_le_bytes(take(bytes)?));
    let [drops_oldest, announces] = take(bytes)?;
    let rules = SharedRules {
        ttl_ms,
        members_max,
        drops_oldest: drops_oldest == 1,
        announces: announces == 1,
    };
    (drops_oldest <= 1 && announces <= 1).then_some(rules)
}

pub(super) fn put_owner(owner: PeerName, out: &mut Vec<u8>) {
    match owner {
        PeerName::Address(ip) => put_ip(ip, out),
        PeerName::Key(KeyName(name)) => {
            out.push(OWNER_KEY);
            out.extend_from_slice(&name);
        }
    }
}

pub(super) fn take_owner(bytes: &mut &[u8]) -> Option<PeerName> {
    if bytes.first() == Some(&OWNER_KEY) {
        let [_] = take(bytes)?;
        return Some(PeerName::Key(KeyName(take(bytes)?)));
    }
    take_ip(bytes).map(PeerName::Address)
}

pub(super) fn put_address(address: SocketAddr, out: &mut Vec<u8>) {
    out.extend_from_slice(&address.port().to_le_bytes());
    put_ip(address.ip(), out);
}

pub(super) fn take_address(bytes: &mut &[u8]) -> Option<SocketAddr> {
    let port = u16::from_le_bytes(take(bytes)?);
    let ip: IpAddr = take_ip(bytes)?;
    Some(SocketAddr::new(ip, port))
}

pub(super) fn put_visit(visit: MemberVisit, out: &mut Vec<u8>) {
    out.extend_from_slice(&visit.position.0.to_le_bytes());
    out.extend_from_slice(&visit.index.to_le_bytes());
}

pub(super) fn take_visit(bytes: &mut &[u8]) -> Option<MemberVisit> {
    let position = ListPosition(take_u64(bytes)?);
    Some(MemberVisit { position, index: u32::from_le_bytes(take(bytes)?) })
}

/// The first entry of a list founds the group, so that no visit begins at position 0.
fn some_visit(visit: MemberVisit) -> Option<MemberVisit> {
    (visit != MemberVisit::default()).then_some(visit)
}
