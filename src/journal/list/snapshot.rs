//! Snapshots: the state at an entry, in pieces that are entries, too.
//!
//! ```text
//!   piece 0, 1, … n-1 of one snapshot ─► whole ─► the list may begin after the snapshot's base
//! ```
//!
//! A piece has a header, and then encoded fields. The first bytes of the joined pieces are the
//! state of the list: settings, time, epoch, chain values, sites, homes, marks. The members follow.

use xxhash_rust::xxh3::xxh3_64;

use super::chain::{Chain, ChainWindow};
use super::homes::{Home, Homes};
use super::names::{Life, ListPosition, MemberVisit, SiteName};
use super::record::{
    put_address, put_owner, put_rules, put_short, put_visit, take_address, take_owner, take_rules,
    take_short, take_visit,
};
use super::state::{Collecting, ListEpoch, ListState, SiteState, SnapshotMark};
use crate::facts::{Fact, MemberState, Ordered, Recorded};
use crate::journal::fields::{announced_byte, take, take_announced, take_id, take_seq, take_u64};
use crate::limits::list::{PIECE_BYTES_MAX, SNAPSHOT_PIECES_MAX};
use crate::protocol::{Epoch, Seq};
use crate::time::{Millis, UnixMillis};

const MARK: [u8; 2] = *b"gs";
const VERSION_AT: usize = MARK.len();
/// Version of the snapshots that this program writes and reads.
pub const SNAPSHOT_VERSION: u8 = 2;

/// Name of a snapshot: the entry that it is the state of, and the site that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SnapshotName {
    pub(super) base: ListPosition,
    pub(super) site: SiteName,
    /// Random bits, because a site may begin a snapshot again.
    pub(super) random: u64,
}

/// Header of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PieceHeader {
    pub(super) name: SnapshotName,
    pub(super) index: u32,
    pub(super) count: u32,
    /// Chain, last seq, and time of the list, at the base.
    pub(super) chain: Chain,
    pub(super) last: Seq,
    pub(super) time: UnixMillis,
}

impl PieceHeader {
    /// Returns true for two pieces of one snapshot.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        let same = |it: &Self| (it.count, it.chain, it.last, it.time);
        self.name == other.name && same(self) == same(other)
    }
}

/// Collects the content of the snapshot with the highest base, for a start.
#[derive(Clone, Debug, Default)]
pub(super) struct Collector {
    open: Option<(PieceHeader, Vec<Option<Vec<u8>>>)>,
    /// Version of the first snapshot that this program cannot read.
    pub(super) other_version: Option<u8>,
}

impl Collector {
    /// Returns the version of a piece that this program cannot read, the first time.
    pub(super) fn take_other_version(&mut self, bytes: &[u8]) -> Option<u8> {
        let version = version_of(bytes).filter(|version| *version != SNAPSHOT_VERSION)?;
        if self.other_version.is_some() {
            return None;
        }
        self.other_version = Some(version);
        Some(version)
    }

    /// Forgets the pieces, for the rest of the start.
    pub(super) fn clear(&mut self) {
        self.open = None;
    }

    /// Takes a piece. Returns the header and the content of a snapshot that is whole now.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<(PieceHeader, Vec<u8>)> {
        let (header, content) = read_piece(bytes)?;
        let is_known = self.open.as_ref().is_some_and(|(open, _)| open.is_of(&header));
        if !is_known {
            if self.open.as_ref().is_some_and(|(open, _)| open.name.base > header.name.base) {
                return None;
            }
            let count = usize::try_from(header.count).ok()?;
            self.open = Some((header.clone(), vec![None; count]));
        }
        let (_, pieces) = self.open.as_mut()?;
        *pieces.get_mut(usize::try_from(header.index).ok()?)? = Some(content.to_vec());
        let is_whole =
            |open: &mut (PieceHeader, Vec<Option<Vec<u8>>>)| open.1.iter().all(Option::is_some);
        let (header, pieces) = self.open.take_if(is_whole)?;
        Some((header, pieces.into_iter().flatten().flatten().collect()))
    }
}

/// Reads a piece: its header, and its content.
pub(super) fn read_piece(bytes: &[u8]) -> Option<(PieceHeader, &[u8])> {
    if version_of(bytes)? != SNAPSHOT_VERSION {
        return None;
    }
    let (mut rest, _) = bytes.get(VERSION_AT.saturating_add(1)..)?.split_last_chunk::<8>()?;
    Some((take_piece_header(&mut rest)?, rest))
}

/// Returns the version of a piece. Mark, version and checksum are the same in all versions.
fn version_of(bytes: &[u8]) -> Option<u8> {
    let (content, checksum) = bytes.split_last_chunk()?;
    if xxh3_64(content) != u64::from_le_bytes(*checksum) || !content.starts_with(&MARK) {
        return None;
    }
    content.get(VERSION_AT).copied()
}

/// Returns the entries of a snapshot of the state now.
pub(super) fn pieces<S: Recorded>(
    list: &ListState,
    state: &S,
    site: &SiteName,
    random: u64,
) -> Vec<Vec<u8>> {
    let mut content = Vec::new();
    put_list(list, &mut content);
    put_group(list, state, &mut content);
    let chunks: Vec<&[u8]> = content.chunks(PIECE_BYTES_MAX).collect();
    let count = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
    let name = SnapshotName { base: list.position(), site: site.clone(), random };
    let (chain, last, time) = (list.chain(), state.position().last, list.time);
    let piece = |(index, chunk): (u32, &&[u8])| {
        let header = PieceHeader { name: name.clone(), index, count, chain, last, time };
        encode_piece(&header, chunk)
    };
    (0..).zip(&chunks).map(piece).collect()
}

fn encode_piece(header: &PieceHeader, chunk: &[u8]) -> Vec<u8> {
    let mut out = MARK.to_vec();
    out.push(SNAPSHOT_VERSION);
    put_piece_header(header, &mut out);
    out.extend_from_slice(chunk);
    let checksum = xxh3_64(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

fn put_piece_header(header: &PieceHeader, out: &mut Vec<u8>) {
    let PieceHeader { name, index, count, chain, last, time } = header;
    put_short(name.site.as_str(), out);
    out.extend_from_slice(&name.base.0.to_le_bytes());
    out.extend_from_slice(&name.random.to_le_bytes());
    out.extend_from_slice(&index.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&chain.0.to_le_bytes());
    out.extend_from_slice(&last.as_u64().to_le_bytes());
    out.extend_from_slice(&time.0.to_le_bytes());
}

fn take_piece_header(bytes: &mut &[u8]) -> Option<PieceHeader> {
    let site = SiteName::parse(str::from_utf8(take_short(bytes)?).ok()?)?;
    let (base, random) = (ListPosition(take_u64(bytes)?), take_u64(bytes)?);
    let (index, count) = (take_count(bytes)?, take_count(bytes)?);
    let chain = Chain(u128::from_le_bytes(take(bytes)?));
    let (last, time) = (take_seq(bytes)?, UnixMillis(take_u64(bytes)?));
    let name = SnapshotName { base, site, random };
    let header = PieceHeader { name, index, count, chain, last, time };
    (index < count && count <= SNAPSHOT_PIECES_MAX).then_some(header)
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn take_count(bytes: &mut &[u8]) -> Option<u32> {
    take(bytes).map(u32::from_le_bytes)
}

fn put_list(list: &ListState, out: &mut Vec<u8>) {
    if let Some(rules) = list.rules {
        put_rules(rules, out);
    }
    let ListEpoch { epoch, began_at, is_doubtful } = list.epoch;
    for field in [list.time.0, list.horizon.as_u64(), epoch.as_u64(), began_at.0] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.push(u8::from(is_doubtful));
    put_count(list.chain.values().count(), out);
    for (position, chain) in list.chain.values() {
        out.extend_from_slice(&position.0.to_le_bytes());
        out.extend_from_slice(&chain.0.to_le_bytes());
    }
    put_count(list.sites.len(), out);
    for (name, site) in &list.sites {
        put_short(name.as_str(), out);
        let SiteState { life, began_at, number, seen, time, has_ended } = site;
        for field in [life.began.0, life.random, began_at.0, *number, seen.0, time.0] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.push(u8::from(*has_ended));
    }
    put_count(list.homes.all().count(), out);
    for (id, home) in list.homes.all() {
        put_short(id, out);
        put_short(home.site.as_str(), out);
        put_visit(home.visit, out);
        out.push(u8::from(home.is_online));
        out.extend_from_slice(&home.acked.as_u64().to_le_bytes());
    }
    put_count(list.collecting.iter().count(), out);
    if let Some(Collecting { header, has }) = &list.collecting {
        put_piece_header(header, out);
        out.extend(has.iter().map(|has| u8::from(*has)));
    }
    put_count(list.marks.len(), out);
    for SnapshotMark { base, last, time } in &list.marks {
        for field in [base.0, last.as_u64(), time.0] {
            out.extend_from_slice(&field.to_le_bytes());
        }
    }
}

fn take_list(bytes: &mut &[u8]) -> Option<ListState> {
    let rules = Some(take_rules(bytes)?);
    let (time, horizon) = (UnixMillis(take_u64(bytes)?), take_seq(bytes)?);
    let epoch = Epoch::new(take_u64(bytes)?);
    let (began_at, [is_doubtful]) = (ListPosition(take_u64(bytes)?), take(bytes)?);
    let epoch = ListEpoch { epoch, began_at, is_doubtful: is_doubtful == 1 };
    let mut values = Vec::new();
    for _ in 0..take_count(bytes)? {
        let position = ListPosition(take_u64(bytes)?);
        values.push((position, Chain(u128::from_le_bytes(take(bytes)?))));
    }
    let chain = ChainWindow::restore(values);
    let mut list = ListState { chain, time, horizon, rules, epoch, ..ListState::default() };
    for _ in 0..take_count(bytes)? {
        let name = SiteName::parse(str::from_utf8(take_short(bytes)?).ok()?)?;
        let life = Life { began: ListPosition(take_u64(bytes)?), random: take_u64(bytes)? };
        let (began_at, number) = (ListPosition(take_u64(bytes)?), take_u64(bytes)?);
        let (seen, time) = (ListPosition(take_u64(bytes)?), UnixMillis(take_u64(bytes)?));
        let has_ended = take(bytes)? == [1];
        let state = SiteState { life, began_at, number, seen, time, has_ended };
        list.sites.insert(name, state);
    }
    list.homes = take_homes(bytes)?;
    for _ in 0..take_count(bytes)? {
        let header = take_piece_header(bytes)?;
        let has = (0..header.count).map(|_| take(bytes).map(|[has]| has == 1));
        list.collecting = Some(Collecting { has: has.collect::<Option<_>>()?, header });
    }
    for _ in 0..take_count(bytes)? {
        let (base, last) = (ListPosition(take_u64(bytes)?), take_seq(bytes)?);
        list.marks.push_back(SnapshotMark { base, last, time: UnixMillis(take_u64(bytes)?) });
    }
    Some(list)
}

fn take_homes(bytes: &mut &[u8]) -> Option<Homes> {
    let mut homes = Homes::default();
    for _ in 0..take_count(bytes)? {
        let id = take_id(&mut take_short(bytes)?)?;
        let site = SiteName::parse(str::from_utf8(take_short(bytes)?).ok()?)?;
        let (visit, [is_online]): (MemberVisit, [u8; 1]) = (take_visit(bytes)?, take(bytes)?);
        let acked = take_seq(bytes)?;
        homes.set(id, Home { site, visit, is_online: is_online == 1, acked });
    }
    Some(homes)
}

/// The cursors are those of the list: this site may know higher ones of its own members.
fn put_group<S: Recorded>(list: &ListState, state: &S, out: &mut Vec<u8>) {
    out.extend_from_slice(&state.epoch().as_u64().to_le_bytes());
    out.extend_from_slice(&state.position().last.as_u64().to_le_bytes());
    put_count(state.member_states().count(), out);
    for (member, own) in state.member_states() {
        let acked = list.homes.of(member.id).map_or(member.acked, |home| home.acked);
        put_short(member.id, out);
        put_owner(member.owner, out);
        put_address(member.address, out);
        let seqs = [member.registered_at, member.start, acked].map(Seq::as_u64);
        for field in seqs.into_iter().chain([member.published]) {
            out.extend_from_slice(&field.to_le_bytes());
        }
        put_count(own.len(), out);
        for (first, last) in own {
            out.extend_from_slice(&first.as_u64().to_le_bytes());
            out.extend_from_slice(&last.as_u64().to_le_bytes());
        }
    }
    put_count(state.announced_states().count(), out);
    for (id, announced) in state.announced_states() {
        put_short(id, out);
        out.push(announced_byte(announced));
    }
}

fn restore_group<S: Recorded>(bytes: &mut &[u8], state: &mut S, at: Millis) -> Option<()> {
    let mut put = |fact: Fact<'_>| {
        state.apply(fact, Ordered { ticket: None, is_committed: true }, at);
    };
    let epoch = Epoch::new(take_u64(bytes)?);
    put(Fact::Snapshot { epoch, last: take_seq(bytes)? });
    for _ in 0..take_count(bytes)? {
        let id = take_id(&mut take_short(bytes)?)?;
        let (owner, address) = (take_owner(bytes)?, take_address(bytes)?);
        let (registered_at, start, acked) = (take_seq(bytes)?, take_seq(bytes)?, take_seq(bytes)?);
        let published = take_u64(bytes)?;
        let member = MemberState { id, owner, address, registered_at, start, acked, published };
        put(Fact::Member(member));
        let mut ranges = Vec::new();
        for _ in 0..take_count(bytes)? {
            ranges.push((take_seq(bytes)?, take_seq(bytes)?));
        }
        if !ranges.is_empty() {
            put(Fact::Own { id, ranges: &ranges });
        }
    }
    for _ in 0..take_count(bytes)? {
        let (id, announced) = (take_id(&mut take_short(bytes)?)?, take_announced(bytes)?);
        put(Fact::Announced { id, announced });
    }
    put(Fact::AllNamed);
    bytes.is_empty().then_some(())
}

/// Restores the state of a snapshot. The state machine is recovering. Returns the state of the
/// list; `None` if the content makes no sense.
pub(super) fn restore<S: Recorded>(
    mut content: &[u8],
    state: &mut S,
    at: Millis,
) -> Option<ListState> {
    let list = take_list(&mut content)?;
    restore_group(&mut content, state, at)?;
    Some(list)
}
