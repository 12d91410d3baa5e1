//! Fields of record bodies.

use std::net::SocketAddr;

use super::RecordKind;
use crate::facts::MemberState;
use crate::journal::fields::{put_ip, take, take_id, take_ip, take_number, take_seq, take_u64};
use crate::protocol::{KeyName, PeerName};

/// Appends a member. Without a `send` the number is left out. A start at the registration is left
/// out, too. [`RecordKind::KeyedMember`] has both.
pub(super) fn put_member(state: &MemberState<'_>, kind: RecordKind, out: &mut Vec<u8>) {
    let MemberState { id, owner, address, registered_at, start, acked, published } = *state;
    if kind != RecordKind::OwnedMember {
        out.extend_from_slice(&published.to_le_bytes());
    }
    if has_start(kind) {
        out.extend_from_slice(&start.as_u64().to_le_bytes());
    }
    out.extend_from_slice(&registered_at.as_u64().to_le_bytes());
    out.extend_from_slice(&acked.as_u64().to_le_bytes());
    match owner {
        PeerName::Address(ip) => put_ip(ip, out),
        PeerName::Key(KeyName(name)) => out.extend_from_slice(&name),
    }
    out.extend_from_slice(&address.port().to_le_bytes());
    put_ip(address.ip(), out);
    out.extend_from_slice(id.as_bytes());
}

/// Takes a member of one of the five kinds.
pub(super) fn take_member<'a>(kind: RecordKind, body: &mut &'a [u8]) -> Option<MemberState<'a>> {
    let published = match kind == RecordKind::PublishingMember {
        true => take_number(body)?.get(),
        false if has_start(kind) => take_u64(body)?,
        false => 0,
    };
    let start = if has_start(kind) { Some(take_seq(body)?) } else { None };
    let (registered_at, acked) = (take_seq(body)?, take_seq(body)?);
    let owner = if kind == RecordKind::KeyedMember {
        Some(PeerName::Key(KeyName(take(body)?)))
    } else if kind == RecordKind::Member {
        None
    } else {
        Some(PeerName::Address(take_ip(body)?))
    };
    let port = u16::from_le_bytes(take(body)?);
    let address = SocketAddr::new(take_ip(body)?, port);
    let owner = owner.unwrap_or(PeerName::Address(address.ip()));
    let start = start.unwrap_or(registered_at);
    if start > registered_at {
        return None;
    }
    let id = take_id(body)?;
    Some(MemberState { id, owner, address, registered_at, start, acked, published })
}

/// Returns true for the kinds with the number of the last `send`, or 0, and the start.
fn has_start(kind: RecordKind) -> bool {
    matches!(kind, RecordKind::StartedMember | RecordKind::KeyedMember)
}
