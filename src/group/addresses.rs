//! Addresses and ports that a request may name, and the address of its message socket.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Origin, Rules};
use crate::limits::LISTEN_PORT_MIN;
use crate::protocol::{DeliverTo, RequestError};

/// Refuses addresses of third parties: the coordinator must not be made to connect to them, as
/// FTP's PORT command once allowed (RFC 2577, section 3).
#[inline]
pub(super) fn check_ip(rules: &Rules, peer: IpAddr, named: IpAddr) -> Result<(), RequestError> {
    check_named(rules.foreign_ip_allowed, peer, named)
}

#[inline]
fn check_named(is_foreign_allowed: bool, peer: IpAddr, named: IpAddr) -> Result<(), RequestError> {
    // Most requests: the address of an IPv4 connection is always one machine's.
    if matches!((peer, named), (IpAddr::V4(peer), IpAddr::V4(named)) if peer == named) {
        return Ok(());
    }
    let is_link_local = matches!(named, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let is_shared = named.is_multicast() || named == Ipv4Addr::BROADCAST;
    if named.is_unspecified() || is_shared || is_link_local {
        return Err(RequestError::Unusable(named));
    }
    if named != peer && !is_foreign_allowed {
        return Err(RequestError::Foreign { named, peer });
    }
    Ok(())
}

/// Address at which a member gets its message socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Destination {
    /// Address of the participant's end.
    pub(super) address: SocketAddr,
    /// `here`: the command socket becomes the message socket.
    pub(super) is_here: bool,
}

impl Destination {
    /// Checks the address `ip` and the port of a request. With `here` the address is the
    /// client's own, as the coordinator sees it. `may_use_id` is true if the client may use the id
    /// of the request.
    pub(super) fn check(
        rules: &Rules,
        origin: &Origin<'_>,
        (ip, may_use_id): (IpAddr, bool),
        to: DeliverTo,
    ) -> Result<Self, RequestError> {
        let peer = origin.peer.to_canonical();
        let is_elsewhere = may_use_id && may_listen_elsewhere(origin, ip, to);
        check_named(rules.foreign_ip_allowed || is_elsewhere, peer, ip)?;
        match to {
            DeliverTo::Here => {
                let address = SocketAddr::new(peer, origin.peer_port);
                Ok(Self { address, is_here: true })
            }
            DeliverTo::Port(port) => {
                check_port(rules, origin, ip, port)?;
                Ok(Self { address: SocketAddr::new(ip, port), is_here: false })
            }
        }
    }
}

/// Returns true if the listener of a client may be at another address: the listener must show the
/// client's key, and so a connect-back shows others nothing. It never reaches the coordinator's own
/// machine from outside.
fn may_listen_elsewhere(origin: &Origin<'_>, ip: IpAddr, to: DeliverTo) -> bool {
    let is_own_machine = ip.is_loopback() && !origin.peer.to_canonical().is_loopback()
        || ip == origin.local.to_canonical();
    origin.credentials.key().is_some() && matches!(to, DeliverTo::Port(_)) && !is_own_machine
}

/// Refuses ports that a participant cannot listen on.
fn check_port(
    rules: &Rules,
    origin: &Origin<'_>,
    ip: IpAddr,
    port: u16,
) -> Result<(), RequestError> {
    if port < LISTEN_PORT_MIN {
        return Err(RequestError::LowPort(port));
    }
    let own = rules.listening;
    let is_own_ip =
        ip.is_loopback() || ip == origin.local.to_canonical() || ip == own.ip().to_canonical();
    if port == own.port() && is_own_ip {
        return Err(RequestError::OwnPort(port));
    }
    Ok(())
}
