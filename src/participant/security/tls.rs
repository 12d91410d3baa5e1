//! TLS of a participant: its identity, and its trust in the coordinator.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::rc::Rc;

use super::keys_file::{KeysFileError, OpenedKeys};
use super::{OpenedSecurity, PeerSecurity, UntrustedPeer};
use crate::config::{CoordinatorTrust, Fifos, ParticipantKeys, load_ca};
use crate::net::Connection;
use crate::net::tls::{CaRoots, ClientSide, ServerSide, TlsContext, TlsError, TlsIdentity, Trust};
use crate::protocol::KeyName;
use crate::session::JoinCredentials;
use crate::text;
use crate::time::UnixMillis;

/// Both sides of TLS of a participant.
#[derive(Debug)]
pub(in crate::participant) struct TlsSecurity {
    context: Rc<TlsContext>,
    client: ClientSide,
    server: ServerSide,
    trust: CoordinatorTrust,
    /// Key of the coordinator on the last command socket.
    coordinator: Cell<Option<KeyName>>,
    /// Name of the keys file, for the user.
    file: String,
}

impl TlsSecurity {
    /// Opens the keys file. At the first start this makes the own key.
    pub(super) fn open(path: &Path) -> Result<OpenedSecurity, KeysFileError> {
        let OpenedKeys { keys, identity, is_new } = OpenedKeys::open(path)?;
        let credentials = JoinCredentials { key: Some(identity.key_name()), secret: keys.secret };
        let tls = Self::new(path, keys.trust, &identity)?;
        let mut notes = Vec::new();
        if is_new {
            notes.push(format!(
                "* keys: made a key of its own, in {} now: keep the file, it owns the id",
                tls.file
            ));
        }
        notes.push(format!("* TLS, own key {}", identity.key_name()));
        let security = PeerSecurity { tls: Some(Rc::new(tls)) };
        Ok(OpenedSecurity { security, credentials, notes })
    }

    /// Makes both sides for an identity.
    pub(in crate::participant) fn new(
        path: &Path,
        trust: CoordinatorTrust,
        identity: &TlsIdentity,
    ) -> Result<Self, KeysFileError> {
        let context = TlsContext::new();
        Ok(Self {
            client: context.client(identity, trust_of(&trust)?)?,
            server: context.server(identity)?,
            context,
            trust,
            coordinator: Cell::new(None),
            file: shown(path),
        })
    }

    pub(super) fn set_time(&self, now: UnixMillis) {
        self.context.set_time(now);
    }

    pub(super) fn client(&self, connection: Connection) -> io::Result<Connection> {
        connection.tls_client(&self.client)
    }

    pub(super) fn server(&self, connection: Connection) -> io::Result<Connection> {
        connection.tls_server(&self.server)
    }

    pub(super) fn on_connected(&self, connection: &mut Connection) {
        self.coordinator.set(connection.peer_key());
        connection.assume_readable(); // Lines may have come with the end of the handshake.
    }

    pub(super) fn accept(&self, connection: &mut Connection) -> Result<bool, UntrustedPeer> {
        match connection.connected() {
            Ok(false) => Ok(false),
            Ok(true) => {
                let key = connection.peer_key();
                if !key.is_some_and(|key| self.is_coordinator(key)) {
                    let reason = "the peer shows no key of the coordinator".to_owned();
                    return Err(UntrustedPeer { key, reason });
                }
                connection.assume_readable();
                Ok(true)
            }
            Err(error) => Err(UntrustedPeer { key: None, reason: error.to_string() }),
        }
    }

    fn is_coordinator(&self, key: KeyName) -> bool {
        match &self.trust {
            CoordinatorTrust::Keys(keys) => keys.contains(&key),
            CoordinatorTrust::Ca { .. } => self.coordinator.get() == Some(key),
        }
    }

    pub(super) fn explain(&self, error: &io::Error) -> String {
        let file = &self.file;
        let tls = error.get_ref().and_then(|error| error.downcast_ref::<TlsError>());
        match (tls, &self.trust) {
            (Some(TlsError::WrongKey(found)), CoordinatorTrust::Keys(keys)) => {
                let keys: Vec<String> = keys.iter().map(KeyName::to_string).collect();
                let keys = keys.join(" or ");
                format!(
                    "this is not the coordinator of {file}: found the key {found}, expected \
                     {keys}; nothing was sent; ask the operator for the key"
                )
            }
            (Some(TlsError::Chain(fault)), CoordinatorTrust::Ca { file: ca, name }) => format!(
                "this is not the coordinator of {file}: its certificate: {fault}; expected one of \
                 {} for {name}; nothing was sent; ask the operator",
                shown(ca)
            ),
            (Some(TlsError::PlainText), _) => format!(
                "the coordinator does not speak TLS, which {file} asks for; nothing was sent; \
                 check the address and the port"
            ),
            (Some(_) | None, _) => error.to_string(),
        }
    }
}

/// Checks the keys file and the file of the CA. Describes the keys file.
pub(super) fn inspect(path: &Path) -> Result<String, KeysFileError> {
    let keys = ParticipantKeys::load(path)?;
    trust_of(&keys.trust)?;
    let own = keys.own.as_ref().map(|own| TlsIdentity::from_pem(own.reveal().as_bytes()));
    let own = match own.transpose().map_err(|fault| KeysFileError::identity(path, fault))? {
        Some(own) => format!("TLS, own key {}", own.key_name()),
        None => "TLS, no own key yet: the first start makes one".to_owned(),
    };
    Ok(format!("{}: valid: {own}", shown(path)))
}

/// Sends `close_notify`, if the peer has got all lines.
pub(super) fn end(connection: &mut Connection) {
    let is_complete = connection.output.is_empty() && !connection.wants_write();
    if connection.peer_key().is_some() && is_complete {
        // If this fails, the connection has ended already.
        let _ = connection.shutdown_write();
    }
}

fn trust_of(trust: &CoordinatorTrust) -> Result<Trust, KeysFileError> {
    match trust {
        CoordinatorTrust::Keys(keys) => Ok(Trust::Keys(keys.clone())),
        CoordinatorTrust::Ca { file, name } => {
            let roots = CaRoots::from_pem(&load_ca(file, Fifos::Awaited)?)
                .map_err(|fault| KeysFileError::identity(file, fault))?;
            Trust::ca(roots, name).ok_or_else(|| KeysFileError::BadName(name.clone()))
        }
    }
}

fn shown(path: &Path) -> String {
    text::for_terminal(&path.display().to_string()).to_string()
}
