//! Addresses and ports that a request may name.

use std::net::{IpAddr, Ipv4Addr};

use super::{Origin, Rules};
use crate::limits::LISTEN_PORT_MIN;
use crate::protocol::RequestError;

/// Refuses addresses of third parties: the coordinator must not be made to connect to them, as
/// FTP's PORT command once allowed (RFC 2577, section 3).
pub(super) fn check_ip(rules: &Rules, origin: Origin, named: IpAddr) -> Result<(), RequestError> {
    let peer = origin.peer.to_canonical();
    let is_link_local = matches!(named, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let is_shared = named.is_multicast() || named == Ipv4Addr::BROADCAST;
    if named.is_unspecified() || is_shared || is_link_local {
        return Err(RequestError::Unusable(named));
    }
    if named != peer && !rules.foreign_ip_allowed {
        return Err(RequestError::Foreign { named, peer });
    }
    Ok(())
}

/// Refuses ports that a participant cannot listen on.
pub(super) fn check_port(
    rules: &Rules,
    origin: Origin,
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
