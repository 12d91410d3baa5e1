//! Inputs and effects of a group, and its settings.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::backlog::BacklogChange;
use super::history::NewcomerLimits;
use super::ids::{ConnId, LinkId};
use super::member_change::{MemberChange, SocketEnd};
use crate::access::{AccessTable, CaCheck, Credentials};
use crate::facts::{FactIndex, JournalPosition};
use crate::limits::{KEEP_BYTES_MAX, Overflow};
use crate::protocol::{
    Epoch, KeyName, Listing, PeerName, Reply, Request, RequestError, Seq, Unauthorized,
};

/// Settings of a group.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Time to live of a message, in milliseconds.
    pub ttl_ms: u64,
    /// `max_line`: longest request line in bytes, LF included.
    pub line_bytes_max: usize,
    /// Most members, with registrations under way.
    pub members_max: usize,
    /// Most members at one address, with registrations under way.
    pub members_per_address_max: usize,
    /// Milliseconds that a member may be offline before it is forgotten. 0: no limit.
    pub forget_after_ms: u64,
    /// `presence_delay` in milliseconds; `None` with `presence=no`.
    pub presence_delay_ms: Option<u64>,
    /// `max_backlog`: most bytes of delivery lines that members still need.
    pub backlog_bytes_max: u64,
    /// Reaction to a message that would exceed `backlog_bytes_max`.
    pub overflow: Overflow,
    /// `keep`: number of newest messages that are kept for newcomers.
    pub keep: usize,
    /// True if requests may name any address, and may use an id from any address.
    pub foreign_ip_allowed: bool,
    /// Address of the coordinator's own listening socket. The group never connects to it.
    pub listening: SocketAddr,
    /// `access`: `None` if everybody may do everything.
    pub access: Option<AccessRules>,
}

/// A function that computes the SHA-256 of bytes.
pub type Sha256 = fn(&[u8]) -> [u8; 32];

/// Rules about who may do what.
#[derive(Clone, Debug)]
pub struct AccessRules {
    /// The access file.
    pub table: Arc<AccessTable>,
    /// Computes the SHA-256 of a secret. `None` without TLS: then no rule names a secret.
    pub sha256: Option<Sha256>,
}

impl Rules {
    /// Returns the limits of the messages that are kept for newcomers.
    pub(super) fn newcomer_limits(&self) -> NewcomerLimits {
        let bytes = KEEP_BYTES_MAX.min(self.backlog_bytes_max / 2);
        NewcomerLimits { messages: self.keep as u64, bytes }
    }
}

/// Source of a request.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Command socket of the request.
    pub conn: ConnId,
    /// Address of the client.
    pub peer: IpAddr,
    /// Port of the client.
    pub peer_port: u16,
    /// Address of the coordinator on this command socket.
    pub local: IpAddr,
    /// Credentials of this command socket.
    pub credentials: &'a Credentials,
}

impl Origin<'_> {
    /// Credentials of a connection without TLS.
    pub const PLAIN: &'static Credentials = &Credentials::Plain;

    /// Returns true for TLS without a certificate: such a client has no key, and owns no id.
    #[inline]
    pub(super) fn has_no_key(&self) -> bool {
        matches!(self.credentials, Credentials::NoCertificate)
    }

    /// Returns the owner of the ids that the client registers from the address `ip`: its key, or
    /// the address without TLS.
    ///
    /// # Errors
    ///
    /// [`Unauthorized::NoCertificate`] if the connection has TLS and shows no key.
    pub(super) fn owner_at(&self, ip: IpAddr) -> Result<PeerName, RequestError> {
        match *self.credentials {
            Credentials::Plain => Ok(PeerName::Address(ip)),
            Credentials::Certificate { key, .. } => Ok(PeerName::Key(key)),
            Credentials::NoCertificate => Err(Unauthorized::NoCertificate.into()),
        }
    }
}

/// Events that the group handles.
#[derive(Debug)]
pub enum Input<'a> {
    /// A command socket received a request. One reply or list answers it, perhaps later. Acks that
    /// have arrived on [`Group::ends`](super::Group::ends) are handed in first.
    ///
    /// No further request of the command socket is handed in before the answer.
    Request {
        /// Source of the request.
        origin: &'a Origin<'a>,
        /// The parsed request.
        request: &'a Request<'a>,
    },
    /// A connect-back succeeded. Acks that have arrived on
    /// [`Group::replaces`](super::Group::replaces) are handed in first.
    Connected {
        /// Link of the connect-back.
        link: LinkId,
    },
    /// A connect-back has failed.
    ConnectFailed {
        /// Link of the connect-back.
        link: LinkId,
        /// Error text of the operating system.
        reason: Box<str>,
    },
    /// A message socket took bytes of the run that [`Group::run_for`](super::Group::run_for)
    /// returned.
    Wrote {
        /// Link of the message socket.
        link: LinkId,
        /// Number of bytes.
        bytes: usize,
        /// Last message of the run, if [`Run::write`] passed it and all bytes were written.
        ///
        /// [`Run::write`]: super::Run::write
        through: Option<Seq>,
    },
    /// End of a turn: every writable message socket was given all its due bytes.
    Delivered,
    /// A member acknowledged messages.
    Acknowledged {
        /// Link of the message socket.
        link: LinkId,
        /// Last acknowledged seq.
        seq: Seq,
    },
    /// A member with `acks=1` sent a line that is not an ack.
    Garbled {
        /// Link of the message socket.
        link: LinkId,
    },
    /// A message socket ended, or the coordinator gives the socket up.
    Lost {
        /// Link of the message socket.
        link: LinkId,
        /// Cause of the end.
        how: SocketEnd,
    },
    /// The journal committed facts that it had ordered before.
    Committed {
        /// Last committed fact.
        through: JournalPosition,
    },
    /// Random bits for the next epoch: the answer to [`Effect::DrawEpoch`].
    DrawnEpoch(Epoch),
    /// The certificate of a message socket is no longer valid. Its member stays online if a rule
    /// fits without the certificate.
    CertificateExpired {
        /// Link of the message socket.
        link: LinkId,
    },
    /// The access rules or the CAs have changed. Message sockets are closed if no rule fits their
    /// member now. Ignored by a group without access rules.
    AccessChanged {
        /// The access file.
        table: Arc<AccessTable>,
        /// New results for certificates of [`Group::credentials`](super::Group::credentials).
        checked: &'a [(LinkId, CaCheck)],
    },
    /// The settings have changed. `line_bytes_max`, `listening` and `access` stay as they are.
    RulesChanged {
        /// The new settings.
        rules: &'a Rules,
    },
    /// A new epoch must begin.
    BeginEpoch,
    /// [`Group::is_epoch_due`](super::Group::is_epoch_due): the epoch begins. Acks that have
    /// arrived are handed in first.
    EpochCommitted,
    /// True: the journal cannot be written. False: the journal can be written again.
    JournalFails(bool),
    /// True: too many bytes wait for the journal. False: the journal has room again.
    JournalFull(bool),
    /// Time has passed.
    Tick,
    /// The coordinator shuts down: no new registration or reconnect starts.
    ShutDown,
}

/// Actions that the group asks of its caller.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Answer a request with one line.
    Reply {
        /// Command socket of the request.
        to: ConnId,
        /// Reply to the request.
        reply: Reply,
        /// Fact that must be committed before the reply is sent.
        after: FactIndex,
    },
    /// Answer a request with a list.
    List {
        /// Command socket of the request.
        to: ConnId,
        /// Kind of list.
        listing: Listing,
    },
    /// Connect to a participant.
    Connect {
        /// Link of the connect-back, and later of its message socket.
        link: LinkId,
        /// Address to connect to.
        address: SocketAddr,
        /// Local address to connect from: that of the request's command socket. `None` if the
        /// operating system chooses it, because the request names another address than its own.
        from: Option<IpAddr>,
        /// Key that the participant's listener must show, with TLS: the one of the request.
        /// In a box, because effects are moved for each reply.
        key: Option<Box<KeyName>>,
    },
    /// Turn a command socket into a message socket. The `OK` of its last request follows, and is
    /// sent before any byte of the message socket. If the command socket is gone, hand in
    /// [`Input::Lost`].
    Upgrade {
        /// The command socket.
        from: ConnId,
        /// Link of the message socket.
        link: LinkId,
    },
    /// Cancel a connect-back, or close a message socket.
    Close {
        /// Link of the connect-back or message socket.
        link: LinkId,
        /// Last bytes for the socket, as far as it takes them at once. May be empty.
        closing_bytes: Box<[u8]>,
    },
    /// Draw random bits for [`Input::DrawnEpoch`]. A group has none at its start.
    DrawEpoch,
    /// Log a change of a member.
    MemberChange(MemberChange),
    /// Log a change of the backlog.
    Backlog(BacklogChange),
}
