//! Access rules: a pure table that decides who may do what.
//!
//! ```text
//!   access file ─► AccessRule … ─► AccessTable
//!                                      │
//!   Identity, id, owner ──► decide ────┴──► Rights, or ERR 401, 403, 421
//! ```
//!
//! The rules with the most specific [`Who`] decide about an id, and no others: those of the id
//! itself, else those of the longest prefix. The order of the rules has no effect. One rule that
//! fits is enough. If several rules fit, the client has the rights of all of them, and the highest
//! of each limit.
//!
//! An id belongs to the client that registered it: see [`Identity::owner`]. Its other connections
//! must show the same key, or come from the same address. Two kinds of rules replace the owner,
//! because they name the client of one id: `key=` for exactly this id, and `ca`.

#![deny(clippy::arithmetic_side_effects)]
#![warn(missing_docs)]

mod address_range;
mod by_proof;
mod deciding;
mod identity;
mod kept_identity;
mod owned_ids;
mod rate;
mod rights;
mod rule;
mod table;

pub use address_range::AddressRange;
pub use identity::{CaCheck, CertificateChain, Credentials, Identity};
pub use kept_identity::KeptIdentity;
pub use owned_ids::OwnedIds;
pub use rate::SendRates;
pub use rights::Rights;
pub use rule::{AccessRule, OPERATOR, Proof, Who};
pub use table::{AccessTable, ConnectedMember};

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
