//! An attacker on the path of a connection.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::listener;

/// Change of the bytes that a relay passes on from the client to the coordinator. Positions count
/// from [`Relay::arm`] on: the bytes before, of a handshake, are not always of the same number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attack {
    /// All bytes as they are.
    Listen,
    /// The byte at this position is another one.
    Change(usize),
    /// No byte from this position on: the relay ends the stream there.
    Cut(usize),
}

/// An attacker on the path of one connection.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    /// Bytes of the client, and of the coordinator.
    seen: [Arc<Mutex<Vec<u8>>>; 2],
    /// Number of bytes of the client before the attack.
    armed_at: Arc<Mutex<Option<usize>>>,
}

impl Relay {
    pub(super) fn start(to: SocketAddr, attack: Attack) -> Self {
        let (listener, address) = listener();
        let (seen, armed_at) = ([Arc::default(), Arc::default()], Arc::new(Mutex::new(None)));
        let (sent, got) = (Arc::clone(&seen[0]), Arc::clone(&seen[1]));
        let armed = Arc::clone(&armed_at);
        thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let coordinator = TcpStream::connect(to).unwrap();
            let back = (coordinator.try_clone().unwrap(), client.try_clone().unwrap());
            let up = thread::spawn(move || pass(client, coordinator, (attack, &armed), &sent));
            pass(back.0, back.1, (Attack::Listen, &Mutex::new(None)), &got);
            up.join().unwrap();
        });
        Self { address, seen, armed_at }
    }

    /// Begins the attack, with the next byte.
    pub(super) fn arm(&self) {
        *self.armed_at.lock().unwrap() = Some(self.seen(0).len());
    }

    pub(super) fn seen(&self, direction: usize) -> Vec<u8> {
        self.seen[direction].lock().unwrap().clone()
    }
}

/// Passes bytes on until the end of the stream.
fn pass(
    mut from: TcpStream,
    mut to: TcpStream,
    (attack, armed_at): (Attack, &Mutex<Option<usize>>),
    seen: &Mutex<Vec<u8>>,
) {
    let mut buffer = [0; 4096];
    while let Ok(count) = from.read(&mut buffer)
        && count > 0
    {
        let start = seen.lock().unwrap().len();
        let mut bytes = buffer[..count].to_vec();
        seen.lock().unwrap().extend_from_slice(&bytes);
        let armed_at = *armed_at.lock().unwrap();
        match (attack, armed_at.map(|armed_at| start - armed_at)) {
            (Attack::Change(at), Some(start)) if (start..start + count).contains(&at) => {
                bytes[at - start] ^= 0x20;
            }
            (Attack::Cut(at), Some(start)) if start + count >= at => {
                let _ = to.write_all(&bytes[..at.saturating_sub(start)]);
                break;
            }
            (Attack::Listen | Attack::Change(_) | Attack::Cut(_), _) => (),
        }
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
