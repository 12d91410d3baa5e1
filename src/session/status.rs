//! The state of a session, as the command `status` shows it.

use std::fmt;
use std::net::SocketAddr;

use super::notice::Seconds;
use super::{Join, Session};
use crate::protocol::{DeliverTo, Epoch, KeyName, Seq};
use crate::time::Millis;

/// State of a session, for the command `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Id of the participant.
    pub id: Box<str>,
    /// State of the connection.
    pub state: SessionState,
    /// Address or name of the coordinator in use, and its port, as the user names them.
    pub coordinator: Box<str>,
    /// Number of this coordinator, from 1, and of all; `None` if there is only one.
    pub position: Option<(usize, usize)>,
    /// Address at which the coordinator was reached last.
    pub address: Option<SocketAddr>,
    /// Own key, with TLS.
    pub own_key: Option<KeyName>,
    /// Port of the present listener, or of the last one; or `here`.
    pub port: Option<DeliverTo>,
    /// Epoch of the last number.
    pub epoch: Option<Epoch>,
    /// Last number taken.
    pub last: Seq,
    /// Number of log entries that are not written yet.
    pub unwritten: usize,
    /// Number of requests that wait for the coordinator.
    pub waiting: usize,
    /// Number of requests that were sent and have no reply yet.
    pub in_flight: usize,
}

/// State of the connection, for the command `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Not online; no attempt is under way.
    Offline,
    /// A `register` is under way.
    Registering,
    /// A `reconnect` is under way.
    Reconnecting,
    /// The next attempt follows after a pause.
    Paused {
        /// Milliseconds until the next attempt.
        ms: u64,
    },
    /// The message socket is open.
    Online,
}

impl Status {
    /// Returns the state of a session.
    pub(super) fn of(session: &Session, now: Millis) -> Self {
        let join = session.join.as_ref();
        let state = match (join.and_then(|join| join.state(now)), session.is_online()) {
            (Some(state), _) => state,
            (None, true) => SessionState::Online,
            (None, false) => SessionState::Offline,
        };
        let log_position = session.messages.inbox().log_position();
        let coordinators = session.requests.coordinators();
        let way = join.map(Join::way).or(session.automatic_join.way());
        Self {
            id: session.settings.id.clone(),
            state,
            coordinator: coordinators.name(),
            position: coordinators.position(),
            address: coordinators.address().filter(|_| !coordinators.is_left()),
            own_key: session.settings.credentials.key,
            port: way.map(|way| way.deliver_to(None)),
            epoch: log_position.epoch,
            last: log_position.last,
            unwritten: session.messages.inbox().unwritten(),
            waiting: session.outbox.waiting().len(),
            in_flight: session.requests.in_flight(),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
        writeln!(f, "id {}", self.id)?;
        writeln!(f, "state {}", self.state)?;
        write!(f, "coordinator {}", self.coordinator)?;
        match self.address {
            Some(address) if *address.to_string() != *self.coordinator => {
                write!(f, " at {address}")
            }
            Some(_) | None => Ok(()),
        }?;
        match self.position {
            Some((number, count)) => writeln!(f, ", {number} of {count}"),
            None => writeln!(f),
        }?;
        if let Some(key) = self.own_key {
            writeln!(f, "security TLS, own key {key}")?;
        }
        writeln!(f, "port {}", or_none(self.port.map(|port| port.to_string())))?;
        writeln!(f, "epoch {}", or_none(self.epoch.map(|epoch| epoch.to_string())))?;
        writeln!(f, "last {}", self.last)?;
        writeln!(f, "unwritten {}", self.unwritten)?;
        writeln!(f, "waiting {}", self.waiting)?;
        write!(f, "in_flight {}", self.in_flight)
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offline => f.write_str("offline"),
            Self::Registering => f.write_str("registering"),
            Self::Reconnecting => f.write_str("reconnecting"),
            Self::Paused { ms } => write!(f, "reconnecting in {}", Seconds(*ms)),
            Self::Online => f.write_str("online"),
        }
    }
}
