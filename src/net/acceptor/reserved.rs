//! A listening socket of a program that cannot serve yet: clients must not wait for it.
//!
//! ```text
//!   own socket:       reserve ── connections are refused ──▶ listen ──▶ accept
//!   inherited socket: inherit ── refuse_waiting closes them ──────────▶ accept
//! ```

use std::io;
use std::net::SocketAddr;

use rustix::net::listen;

use super::{Acceptor, Listen as _};
use crate::limits::{ACCEPT_QUEUE, TURN_ACCEPTS_MAX};
use crate::net::socket::{BoundListener, reserve};

impl Acceptor {
    /// Takes `address`, and opens files as [`Acceptor::bind`]. The system refuses connections until
    /// [`Acceptor::listen`].
    ///
    /// # Errors
    ///
    /// As [`Acceptor::bind`].
    pub fn reserve(address: SocketAddr, reserve_files: usize) -> io::Result<Self> {
        let BoundListener { listener, is_address_missing } = reserve(address)?;
        Ok(Self { is_address_missing, ..Self::over(listener, reserve_files) })
    }

    /// Listens on the address that was taken.
    ///
    /// # Errors
    ///
    /// The error of the socket: another program listens there meanwhile.
    pub fn listen(&self) -> io::Result<()> {
        Ok(listen(&self.listener, ACCEPT_QUEUE)?)
    }

    /// Closes the connections that wait, without a word.
    pub fn refuse_waiting(&self) {
        for _ in 0..TURN_ACCEPTS_MAX {
            if self.listener.accept_one().is_err() {
                return; // None waits, or the socket does not listen.
            }
        }
    }
}
