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

/// Returns true if the named address is not the one that the coordinator sees: the reason names
/// both. Other reasons of a 403 can have the same words.
fn is_about_address(line: &str) -> bool {
    let Some(reason) = line.strip_prefix("ERR 403 ip: ") else { return false };
    let Some((named, rest)) = reason.split_once(" is not ") else { return false };
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    is_address(named) && rest.split(',').next().is_some_and(is_address)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::RequestError;

    #[test]
    fn only_a_refusal_of_another_address_suggests_here() {
        let (named, peer): (IpAddr, IpAddr) = ([10, 0, 0, 7].into(), [192, 0, 2, 9].into());
        let hint = |line: &str| HereHint::of(403, line, named, None);
        for (named, peer) in [(named, peer), ("2001:db8::7".parse().unwrap(), peer)] {
            let line = format!("ERR {}", RequestError::Foreign { named, peer });
            assert!(hint(&line).is_some(), "{line}");
        }
        let group: IpAddr = [224, 0, 0, 1].into();
        let any: IpAddr = [0, 0, 0, 0].into();
        for reason in [
            RequestError::Unusable(group).to_string(),
            RequestError::Unusable(any).to_string(),
            RequestError::IdElsewhere { owner: peer, named }.to_string(),
            "403 ip: this network is not served here".to_owned(),
            "403 ip: 10.0.0.7 is not served here".to_owned(),
        ] {
            assert_eq!(hint(&format!("ERR {reason}")), None, "{reason}");
        }
    }
}
