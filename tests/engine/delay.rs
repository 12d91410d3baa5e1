//! A long way to a server: a forwarder that passes all bytes after a delay, both ways.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use support::Timer;
use support::transcript::lock;

/// A forwarder. Its connections end with it.
pub(crate) struct LongWay {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    delay_ms: AtomicU64,
    /// All sockets; `None` once the forwarder has ended.
    sockets: Mutex<Option<Vec<TcpStream>>>,
}

impl LongWay {
    /// Begins to forward to a server, without a delay.
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared { delay_ms: AtomicU64::new(0), sockets: Mutex::new(Some(Vec::new())) };
        let shared = Arc::new(shared);
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(&listener, server));
        Self { address, shared }
    }

    /// Delays all bytes that come from now on, each way.
    pub(crate) fn delay(&self, delay: Duration) {
        self.shared.delay_ms.store(delay.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }
}

impl Drop for LongWay {
    fn drop(&mut self) {
        for socket in lock(&self.shared.sockets).take().into_iter().flatten() {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(self.address); // The accepting thread looks again.
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: &TcpListener, server: SocketAddr) {
        while let Ok((near, _)) = listener.accept() {
            let Ok(far) = TcpStream::connect(server) else { continue };
            match &mut *lock(&self.sockets) {
                Some(sockets) => {
                    sockets.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                }
                None => return,
            }
            let back = (far.try_clone().unwrap(), near.try_clone().unwrap());
            for (from, to) in [(near, far), back] {
                let shared = Arc::clone(&self);
                thread::spawn(move || shared.forward(from, to));
            }
        }
    }

    /// Reads, and passes what it has read to a thread that writes when it is due.
    fn forward(&self, mut from: TcpStream, to: TcpStream) {
        let (sender, receiver) = channel();
        thread::spawn(move || write_due(&receiver, to));
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let delay = Duration::from_millis(self.delay_ms.load(Ordering::Relaxed));
            if sender.send((Timer::start(delay), buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    }
}

/// Writes each piece when its time has passed.
fn write_due(receiver: &Receiver<(Timer, Vec<u8>)>, mut to: TcpStream) {
    for (due, bytes) in receiver {
        while let Some(left) = due.left() {
            thread::park_timeout(left);
        }
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
