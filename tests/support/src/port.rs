//! Ports of this machine that nobody listens on.

use std::fmt;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

/// A port that is bound and on which nobody listens: a connection to it is refused, and the
/// operating system gives it to nobody who leaves the choice to it. Who names it, and lets
/// addresses be used again as servers do, can listen on it.
#[derive(Debug)]
pub struct ReservedPort {
    _socket: OwnedFd,
    number: u16,
}

impl ReservedPort {
    pub fn new() -> Self {
        let socket =
            socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .unwrap();
        set_socket_reuseaddr(&socket, true).unwrap();
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let address = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap();
        Self { _socket: socket, number: address.port() }
    }

    pub fn number(&self) -> u16 {
        self.number
    }
}

impl fmt::Display for ReservedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}

/// A free port of those that the system draws for who connects, which on Linux are other ones than
/// it draws for who listens.
pub fn drawn() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut drawn = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    drop(listener.accept().unwrap()); // Whoever closes first keeps its port for a while.
    assert_eq!(drawn.read(&mut [0]).unwrap(), 0);
    drawn.local_addr().unwrap().port()
}
