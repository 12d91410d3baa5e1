//! Fields of encoded facts. Numbers are little-endian.

use std::net::IpAddr;
use std::num::NonZeroU64;

use crate::facts::Announced;
use crate::protocol::{Seq, is_id};

/// Takes the next `N` bytes.
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

pub(super) fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    take(bytes).map(u64::from_le_bytes)
}

/// Takes the number of a `send`.
pub(super) fn take_number(bytes: &mut &[u8]) -> Option<NonZeroU64> {
    take_u64(bytes).and_then(NonZeroU64::new)
}

/// Appends an IP address: 4 or 6, and its bytes.
pub(super) fn put_ip(ip: IpAddr, out: &mut Vec<u8>) {
    match ip {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
}

pub(super) fn take_ip(bytes: &mut &[u8]) -> Option<IpAddr> {
    match take(bytes)? {
        [4] => Some(IpAddr::from(take::<4>(bytes)?)),
        [6] => Some(IpAddr::from(take::<16>(bytes)?)),
        _ => None,
    }
}

/// Takes a seq of a message, or 0.
pub(super) fn take_seq(bytes: &mut &[u8]) -> Option<Seq> {
    take_u64(bytes).map(Seq::new).filter(|seq| *seq <= Seq::LAST)
}

/// Takes all remaining bytes as an id.
pub(super) fn take_id<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let id = std::str::from_utf8(std::mem::take(bytes)).ok()?;
    is_id(id).then_some(id)
}

/// Returns the byte of an announced state.
pub(super) fn announced_byte(announced: Announced) -> u8 {
    match announced {
        Announced::Absent => 0,
        Announced::Online => 1,
        Announced::Offline => 2,
    }
}

/// Takes an announced state.
pub(super) fn take_announced(bytes: &mut &[u8]) -> Option<Announced> {
    match take(bytes)? {
        [0] => Some(Announced::Absent),
        [1] => Some(Announced::Online),
        [2] => Some(Announced::Offline),
        _ => None,
    }
}
