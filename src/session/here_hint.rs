//! Suggests `here` when the coordinator cannot connect to this participant.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Reason to use `here`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HereHint {
    /// The coordinator cannot connect to this address.
    NotReachable(SocketAddr),
    /// The coordinator sees another address than this one.
    OtherAddress(IpAddr),
}

impl HereHint {
    /// Returns the hint of a refusal. `named` is the address in the request, `port` the port of a
    /// `register` or `reconnect`.
    pub(super) fn of(code: u16, line: &str, named: IpAddr, port: Option<u16>) -> Option<Self> {
        match code {
            502 => port.map(|port| Self::NotReachable(SocketAddr::new(named, port))),
            403 if is_about_address(line) => Some(Self::OtherAddress(named)),
            _ => None,
        }
    }
}

/// Returns true if the named address is not the one that the coordinator sees.
fn is_about_address(line: &str) -> bool {
    line.starts_with("ERR 403 ip: ") && line.contains(" is not ")
}

impl fmt::Display for HereHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReachable(address) => {
                write!(f, "* the coordinator cannot connect to {address}: behind NAT or a firewall")
            }
            Self::OtherAddress(ip) => {
                write!(f, "* the coordinator does not see the address {ip}: behind NAT")
            }
        }?;
        f.write_str(" use 'join here' (option --passive)")
    }
}
