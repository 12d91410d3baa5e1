//! Makes sockets with options that must be set before `bind`, which mio does not support.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use mio::net::{TcpListener, TcpStream};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketType, sockopt};

use crate::limits::ACCEPT_QUEUE;

/// A listening socket, or one that will listen. Its address may be one that no interface of this
/// machine has yet.
pub(super) struct BoundListener {
    pub(super) listener: TcpListener,
    pub(super) is_address_missing: bool,
}

/// Listens on `address`.
///
/// `::` stands for all addresses, including IPv4, with every configuration of the system. An
/// address that no interface has yet (as while the machine starts) is bound with the freebind
/// option, if the system has it. Connections arrive as soon as an interface has the address.
pub(super) fn listen(address: SocketAddr) -> io::Result<BoundListener> {
    let bound = match address.ip() {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => bind_to(address),
        IpAddr::V4(_) | IpAddr::V6(_) => TcpListener::bind(address),
    };
    let bound = or_freebind(address, bound)?;
    // A second `listen` sets the length of the accept queue, which is fixed in mio.
    net::listen(&bound.listener, ACCEPT_QUEUE)?;
    Ok(bound)
}

/// Binds a socket to `address` as [`listen`] does. The system refuses connections until the socket
/// listens.
#[cfg(feature = "engine")]
pub(super) fn reserve(address: SocketAddr) -> io::Result<BoundListener> {
    or_freebind(address, bind_to(address))
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address, |socket| match address.ip() {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => sockopt::set_ipv6_v6only(socket, false),
        IpAddr::V4(_) | IpAddr::V6(_) => Ok(()),
    })
}

/// Binds with the freebind option if no interface has the address.
fn or_freebind(address: SocketAddr, bound: io::Result<TcpListener>) -> io::Result<BoundListener> {
    let is_missing = |error: &io::Error| Errno::from_io_error(error) == Some(Errno::ADDRNOTAVAIL);
    let (listener, is_address_missing) = match bound {
        Err(error) if is_missing(&error) => {
            // If freebind fails, the first error describes the problem better.
            (bind(address, |socket| set_freebind(socket, address)).map_err(|_| error)?, true)
        }
        bound => (bound?, false),
    };
    Ok(BoundListener { listener, is_address_missing })
}

/// Starts a connection from our address `from`. `from` and `address` must be of one family.
pub(super) fn connect_from(from: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = unbound(address)?;
    if leave_port_open(&socket).is_err() {
        // Without this, `bind` skips each port that is in TIME_WAIT, which takes long.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    net::bind(&socket, &SocketAddr::new(from, 0))?;
    match net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => {
            Ok(TcpStream::from_std(std::net::TcpStream::from(socket)))
        }
        Err(errno) => Err(errno.into()),
    }
}

fn bind(
    address: SocketAddr,
    prepare: impl FnOnce(&OwnedFd) -> rustix::io::Result<()>,
) -> io::Result<TcpListener> {
    let socket = unbound(address)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    prepare(&socket)?;
    net::bind(&socket, &address)?;
    Ok(TcpListener::from_std(std::net::TcpListener::from(socket)))
}

fn unbound(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = net::socket(family, SocketType::STREAM, None)?;
    rustix::io::ioctl_fioclex(&socket)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

/// Lets a socket be bound to an address that no interface has.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_freebind(socket: &OwnedFd, address: SocketAddr) -> rustix::io::Result<()> {
    match address {
        SocketAddr::V4(_) => sockopt::set_ip_freebind(socket, true),
        SocketAddr::V6(_) => sockopt::set_ipv6_freebind(socket, true),
    }
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_freebind(_: &OwnedFd, _: SocketAddr) -> rustix::io::Result<()> {
    Err(Errno::NOTSUP)
}

/// Makes the system choose the port at `connect`, among the ports that are free for this one peer.
/// A port chosen by `bind` must be free for all peers. With thousands of connections from one
/// address, each `bind` would search most ports.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn leave_port_open(socket: &OwnedFd) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
    Ok(setsockopt(socket, IpBindAddressNoPort, &true)?)
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn leave_port_open(_: &OwnedFd) -> io::Result<()> {
    Err(Errno::NOTSUP.into())
}
