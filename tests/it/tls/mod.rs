//! TLS on the port of the coordinator, on connect-backs and on message sockets that were command
//! sockets.

mod access;
mod certificates;
mod documents;
mod journal;
mod openssl;
mod relay;
mod threats;
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::ops::Deref;
use std::path::Path;

use support::coordinator::Coordinator;
use support::tls::{Identity, TlsPeer};
use tempfile::TempDir;

use crate::coordinator::health::check_healthy;

/// A coordinator with TLS, and its own key.
struct TlsCoordinator {
    coordinator: Coordinator,
    identity: Identity,
    /// The keys file is in it, and what the options name.
    folder: TempDir,
}

impl Deref for TlsCoordinator {
    type Target = Coordinator;

    fn deref(&self) -> &Coordinator {
        &self.coordinator
    }
}

impl TlsCoordinator {
    fn start(options: &[&str]) -> Self {
        Self::start_with(options, |_| Vec::new())
    }

    /// Starts one with further options, which may name files that `write` makes in its folder.
    fn start_with(options: &[&str], write: impl FnOnce(&TempDir) -> Vec<String>) -> Self {
        let (folder, identity) = (tempfile::tempdir().unwrap(), Identity::new("coordinator"));
        let keys = identity.write(&folder.path().join("coordinator.keys"));
        let mut all = vec![format!("tls={}", keys.display())];
        all.extend(write(&folder));
        let all: Vec<&str> =
            all.iter().map(String::as_str).chain(options.iter().copied()).collect();
        Self { coordinator: Coordinator::start(60, &all), identity, folder }
    }

    /// Returns the folder of the files that the options name.
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn connect(&self, identity: &Identity) -> TlsPeer {
        TlsPeer::connect(self.address, Some(identity))
    }

    /// Connects from another address of this machine.
    fn connect_from(&self, ip: &str, identity: &Identity) -> TlsPeer {
        let socket = self.client_from(ip).stream.try_clone().unwrap();
        TlsPeer::connect_over(socket, Some(identity)).unwrap()
    }

    /// Makes a member whose command socket is its message socket, and returns the socket.
    #[track_caller]
    fn here(&self, id: &str, identity: &Identity) -> TlsPeer {
        TlsPeer::register_here(self.coordinator.address, id, identity, "")
    }
}

#[test]
fn a_coordinator_with_tls_is_healthy_for_a_client_without_a_key() {
    let coordinator = TlsCoordinator::start_with(&[], |folder| {
        let access = folder.path().join("access.txt");
        std::fs::write(&access, "alice anyone\n").unwrap();
        vec![format!("access={}", access.display())]
    });
    check_healthy(coordinator.address, "OK ping, with TLS: any key is accepted");
}

/// A participant's listener.
fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A message must come with this text.
#[track_caller]
fn expect_text(peer: &mut TlsPeer, sender: &str, text: &str) {
    let line = peer.line();
    let fields: Vec<&str> = line.splitn(4, '#').collect();
    assert_eq!((fields[1], fields[3]), (sender, text), "{line}");
}
