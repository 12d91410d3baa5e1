//! Reports connections to the listener that are not the coordinator's, at a limited rate.

use std::fmt;
use std::net::IpAddr;

use super::SessionEffect;
use super::output::SessionOutput;
use crate::limits::DROPPED_REPORT_MS;
use crate::protocol::KeyName;
use crate::time::Millis;

/// Report of a connection to the listener that was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedConnection {
    /// Address that the connection came from.
    pub peer: IpAddr,
    /// Reason why the connection was dropped.
    pub why: DropReason,
    /// Number of connections that were dropped for the same kind of reason since the last report.
    pub unreported: u64,
}

/// Reason why a connection cannot be the coordinator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The connection comes from another address than the coordinator's. The value is the
    /// coordinator's address, if the coordinator was ever reached.
    Address(Option<IpAddr>),
    /// The first line of the connection was no hello with the nonce, or the connection ended before
    /// it.
    WrongHello,
    /// The connection sent no hello in time.
    Silent,
    /// The TLS handshake of the connection has failed, or its end shows this key, which is none of
    /// the coordinator's.
    Key(Option<KeyName>),
    /// Newer connections took the place of the connection, which had sent no hello.
    Displaced,
}

/// Time of the last report of each kind, and the number of connections since.
#[derive(Debug, Default)]
pub(super) struct DropReports([ReportState; 6]);

#[derive(Clone, Copy, Debug, Default)]
struct ReportState {
    silent_until: Option<Millis>,
    unreported: u64,
}

impl DropReason {
    const fn of<'a>(&self, reports: &'a mut DropReports) -> &'a mut ReportState {
        let [address, hello, silent, displaced, key, handshake] = &mut reports.0;
        match self {
            Self::Address(_) => address,
            Self::WrongHello => hello,
            Self::Silent => silent,
            Self::Displaced => displaced,
            Self::Key(Some(_)) => key,
            Self::Key(None) => handshake,
        }
    }
}

impl DropReports {
    /// Reports a dropped connection, unless one was reported for the same reason a moment ago:
    /// foreign connections must not fill the log.
    pub(super) fn report(
        &mut self,
        output: &mut SessionOutput,
        peer: IpAddr,
        why: DropReason,
        now: Millis,
    ) {
        let kind = why.of(self);
        if kind.silent_until.is_some_and(|until| now < until) {
            kind.unreported = kind.unreported.saturating_add(1);
            return;
        }
        kind.silent_until = Some(now.plus(DROPPED_REPORT_MS));
        let unreported = std::mem::take(&mut kind.unreported);
        let peer = peer.to_canonical();
        output.push(SessionEffect::Report(DroppedConnection { peer, why, unreported }));
    }
}

impl fmt::Display for DroppedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, why, unreported } = self;
        write!(f, "a connection from {peer} to the listener was dropped: ")?;
        match why {
            DropReason::Address(Some(coordinator)) => write!(
                f,
                "it does not come from {coordinator}, the coordinator's address; if NAT translates \
                 that address, configure an address of the coordinator that is not translated"
            ),
            DropReason::Address(None) => {
                f.write_str("the coordinator was not asked to connect yet")
            }
            DropReason::WrongHello => f.write_str("its first line is not the expected hello"),
            DropReason::Silent => f.write_str("it sent no hello in time"),
            DropReason::Key(Some(key)) => {
                write!(f, "it shows the key {key}, which is none of the coordinator's")
            }
            DropReason::Key(None) => f.write_str("its TLS handshake failed"),
            DropReason::Displaced => f.write_str("it had sent no hello when newer ones came"),
        }?;
        match unreported {
            0 => Ok(()),
            _ => write!(f, " ({unreported} more since the last report)"),
        }
    }
}
