//! A listening socket that the service manager passes: socket activation, sd_listen_fds(3).

use std::io;
use std::net::TcpListener;

/// Returns the listening socket that the service manager has passed to this program, if there is
/// one. Must be called before the first thread starts, because it removes variables from the
/// environment: programs that are started later do not get the socket.
///
/// # Errors
///
/// If there is more than one socket, or the socket does not listen for TCP connections.
#[cfg(target_os = "linux")]
pub fn inherited_listener() -> io::Result<Option<TcpListener>> {
    let mut passed = listenfd::ListenFd::from_env();
    if passed.len() > 1 {
        let found = passed.len();
        return Err(io::Error::other(format!("found {found} sockets (LISTEN_FDS), expected one")));
    }
    let Some(listener) = passed.take_tcp_listener(0)? else { return Ok(None) };
    if !rustix::net::sockopt::socket_acceptconn(&listener)? {
        return Err(io::Error::other("found a connection (LISTEN_FDS), expected a listener"));
    }
    Ok(Some(listener))
}

/// As on Linux. Other systems have no such sockets.
///
/// # Errors
///
/// None.
#[cfg(not(target_os = "linux"))]
pub fn inherited_listener() -> io::Result<Option<TcpListener>> {
    Ok(None)
}
