//! TLS 1.3 below a [`Connection`](super::Connection), by rustls.
//!
//! ```text
//!   lines ─▶ TlsStream ─▶ TlsSession (rustls: handshake, keys) ─▶ records ─▶ TCP
//!               │              one TlsContext for each loop
//!               └── a waiting record, a part of a record, text that was not read: else no memory
//! ```
//!
//! Each side shows a certificate, of which only the key counts:
//! [`KeyName`](crate::protocol::KeyName) names the peer. A client has a [`Trust`] in its server,
//! which holds before the client sends a byte of text. A server accepts every client, because a
//! refusal is a line. There are no tickets, no resumption, no early data and no compression.
//!
//! A handshake is a few calls of [`Stream::connected`](super::Stream::connected). Each call handles
//! all bytes that have arrived: at most four messages of
//! [`RECORD_BYTES_MAX`](crate::limits::tls::RECORD_BYTES_MAX). One call of a server exchanges keys
//! and signs, a later one checks the signature of the client. Each of the two takes about 0.1 ms.

mod chain;
mod context;
mod error;
mod gather;
mod generate;
mod identity;
mod session;
mod stream;
mod verifiers;

pub use chain::{CaRoots, Certified, ChainFault};
pub use context::{ClientSide, ServerSide, TlsContext, Trust};
pub use error::TlsError;
pub use generate::{GeneratedKey, KeyNotGenerated, generate_key};
pub use identity::{IdentityFault, TlsIdentity};
pub use stream::{TlsStream, Wire};
pub use verifiers::sha256;

#[cfg(test)]
mod tests;
