//! A batch: the proposals of one site, in one entry of the list.
//!
//! ```text
//!   ┌────┬─────────┬──────┬───────┬────────┬────────┬──────┬───────┐
//!   │ gc │ version │ site │ began │ random │ number │ seen │ chain │ header
//!   ├────┴─┬───────┼──────┴────┬──┴────────┴────────┴──────┴───────┘
//!   │ time │ count │ records … │ checksum │
//!   └──────┴───────┴───────────┴──────────┘
//! ```
//!
//! Numbers are little-endian. `began` and `random` are the life of the process. `seen` and `chain`
//! are the last entry that the process had applied. `count` is the number of records. The site is a
//! length in one byte and a name. The version has 1 byte, the chain 16, `count` 4, and all others
//! 8. The checksum is the XXH3 of all bytes before it.

use std::iter;

use xxhash_rust::xxh3::xxh3_64;

use super::chain::Chain;
use super::names::{Life, ListPosition, SiteName};
use super::record::{ListRecord, SharedRules, put_short, take_short};
use crate::journal::fields::{take, take_u64};
use crate::protocol::Epoch;
use crate::time::UnixMillis;

/// Version of the batches that this program writes, and the highest one that it understands.
pub const BATCH_VERSION: u8 = 1;

const MARK: [u8; 2] = *b"gc";
const CHECKSUM_BYTES: usize = size_of::<u64>();

/// Fields of a batch before its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Site that proposes.
    pub site: SiteName,
    /// Life of its process.
    pub life: Life,
    /// Number of the batch in this life, from 1 on.
    pub number: u64,
    /// Last entry that the process had applied.
    pub seen: ListPosition,
    /// Chain at that entry.
    pub chain: Chain,
    /// Wall clock of the site.
    pub time: UnixMillis,
}

/// A batch that was read. Its records were checked, and are decoded again when they are used: this
/// costs less than memory for all of them.
#[derive(Clone, Debug)]
pub struct ListBatch<'a> {
    /// Fields before the records.
    pub header: BatchHeader,
    /// True if a record ends the life of the process.
    pub ends_life: bool,
    count: usize,
    records: &'a [u8],
}

/// Bytes that are no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoBatch {
    /// A stranger wrote the bytes, or they are damaged.
    Damaged,
    /// A newer program wrote the batch, in this version.
    Newer(u8),
}

impl BatchHeader {
    /// Encodes a batch of `count` encoded records.
    pub(super) fn encode(&self, count: u32, records: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(records.len().saturating_add(160));
        out.extend_from_slice(&MARK);
        out.push(BATCH_VERSION);
        put_short(self.site.as_str(), &mut out);
        for field in [self.life.began.0, self.life.random, self.number, self.seen.0] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&self.chain.0.to_le_bytes());
        out.extend_from_slice(&self.time.0.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(records);
        let checksum = xxh3_64(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }
}

impl<'a> ListBatch<'a> {
    /// Reads a batch with all its records, so that it counts as a whole or not at all.
    ///
    /// # Errors
    ///
    /// [`NoBatch`] if the bytes are no batch that this program understands.
    pub fn read(bytes: &'a [u8]) -> Result<Self, NoBatch> {
        let (content, checksum) =
            bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(NoBatch::Damaged)?;
        if xxh3_64(content) != u64::from_le_bytes(*checksum) {
            return Err(NoBatch::Damaged);
        }
        let mut rest = content;
        if take(&mut rest) != Some(MARK) {
            return Err(NoBatch::Damaged);
        }
        match take(&mut rest) {
            Some([BATCH_VERSION]) => (),
            Some([version]) if version > BATCH_VERSION => return Err(NoBatch::Newer(version)),
            _ => return Err(NoBatch::Damaged),
        }
        Self::take(rest).ok_or(NoBatch::Damaged)
    }

    fn take(mut rest: &'a [u8]) -> Option<Self> {
        let rest = &mut rest;
        let site = SiteName::parse(str::from_utf8(take_short(rest)?).ok()?)?;
        let life = Life { began: ListPosition(take_u64(rest)?), random: take_u64(rest)? };
        let (number, seen) = (take_u64(rest)?, ListPosition(take_u64(rest)?));
        let chain = Chain(u128::from_le_bytes(take(rest)?));
        let time = UnixMillis(take_u64(rest)?).min(UnixMillis::END_OF_9999);
        let count = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
        let header = BatchHeader { site, life, number, seen, chain, time };
        let (records, mut ends_life) = (*rest, false);
        for _ in 0..count {
            ends_life |= ListRecord::take(rest)? == ListRecord::End;
        }
        rest.is_empty().then_some(Self { header, ends_life, count, records })
    }

    /// Returns the records, in order.
    pub fn records(&self) -> impl Iterator<Item = ListRecord<'a>> {
        let mut rest = self.records;
        iter::from_fn(move || ListRecord::take(&mut rest))
    }

    /// Returns the number of records.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}

/// Returns the first entry of a list: it founds the group.
#[must_use]
pub fn founding(site: SiteName, rules: SharedRules, epoch: Epoch, time: UnixMillis) -> Vec<u8> {
    let mut records = Vec::new();
    ListRecord::Found { epoch, rules }.encode(&mut records);
    let (life, seen, chain) = (Life::default(), ListPosition::ZERO, Chain::default());
    BatchHeader { site, life, number: 1, seen, chain, time }.encode(1, &records)
}
