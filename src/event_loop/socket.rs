//! Sockets with options that must be set before they are bound, which mio's own have not.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use mio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketType, sockopt};

/// Begins a connection from our address `from`, which is of the family of `address`.
pub(super) fn connect_from(from: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = unbound(address)?;
    if leave_port_open(&socket).is_err() {
        // Each bind would look through all ports that wait for stragglers.
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

fn unbound(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = net::socket(family, SocketType::STREAM, None)?;
    rustix::io::ioctl_fioclex(&socket)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

/// Has the system choose the port when the socket connects, among those that are free for that
/// one peer. A port chosen by `bind` must be free for all peers: with thousands of connections
/// from one address each bind looks through most ports.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn leave_port_open(socket: &OwnedFd) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
    Ok(setsockopt(socket, IpBindAddressNoPort, &true)?)
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn leave_port_open(_: &OwnedFd) -> io::Result<()> {
    Err(Errno::NOTSUP.into())
}
