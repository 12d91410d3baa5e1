//! The coordinator's endpoint in a participant's config: an address or a host name, and a port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::value;

/// A host and a port. A name is resolved at every connect, so its address may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address or name of the machine.
    pub host: Host,
    /// Port of the coordinator.
    pub port: u16,
}

/// Address or name of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An IP address.
    Address(IpAddr),
    /// A host name, to be resolved.
    Name(String),
}

impl Endpoint {
    /// Description of a valid text, for errors.
    pub(super) const EXPECTED: &str = "an address or a host name, and a port from 1 to 65535, \
        as in 10.0.0.1 5000, hub:5000 or [::1]:5000";

    /// Parses `HOST PORT` or `HOST:PORT`. Before a colon, an IPv6 address must be in brackets.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (host, port) = match text.split_once(char::is_whitespace) {
            Some((host, port)) => (host, port.trim_start()),
            None => text.rsplit_once(':').ok_or(Self::EXPECTED)?,
        };
        let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if value::is_link_local(in_brackets.unwrap_or(host)) {
            return Err(value::NOT_LINK_LOCAL);
        }
        let host = match in_brackets {
            Some(ip) if ip.parse::<Ipv6Addr>().is_ok() => value::peer_ip(ip).map(Host::Address),
            Some(_) => None,
            // Without brackets, the colon before the port is ambiguous.
            None if host.contains(':') && !text.contains(char::is_whitespace) => None,
            None if is_name(host) => Some(Host::Name(host.to_owned())),
            None => value::peer_ip(host).map(Host::Address),
        };
        let port = value::whole(port, 1..=u64::from(u16::MAX)).ok();
        let port = port.and_then(|port| u16::try_from(port).ok());
        match (host, port) {
            (Some(host), Some(port)) => Ok(Self { host, port }),
            (None, _) | (_, None) => Err(Self::EXPECTED),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            Host::Address(IpAddr::V4(ip)) => write!(f, "{ip}:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// Returns true if a text can be a host name. A text that ends in a number is an address, valid or
/// not.
pub(super) fn is_name(text: &str) -> bool {
    let labels = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = labels.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    labels.len() <= 253 && labels.split('.').all(is_label) && !is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_form_of_an_endpoint_parses() {
        for (text, shown) in [
            ("127.0.0.1 5000", "127.0.0.1:5000"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("127.0.0.1 \t 1", "127.0.0.1:1"),
            ("::1 5000", "[::1]:5000"),
            ("[::1] 5000", "[::1]:5000"),
            ("[::1]:65535", "[::1]:65535"),
            ("::ffff:10.0.0.1 5000", "10.0.0.1:5000"),
            ("[::ffff:10.0.0.1]:5000", "10.0.0.1:5000"),
            ("localhost 5000", "localhost:5000"),
            ("localhost:5000", "localhost:5000"),
            ("a-b.c_d.example. 5000", "a-b.c_d.example.:5000"),
            ("xn--bcher-kva.example:5000", "xn--bcher-kva.example:5000"),
            ("3com.example 5000", "3com.example:5000"),
        ] {
            let endpoint = Endpoint::parse(text).map(|endpoint| endpoint.to_string());
            assert_eq!(endpoint.as_deref(), Ok(shown), "{text:?}");
        }
        let of = |text| Endpoint::parse(text).unwrap().host;
        assert_eq!(of("localhost 1"), Host::Name("localhost".to_owned()));
        assert_eq!(of("127.0.0.1 1"), Host::Address(IpAddr::from([127, 0, 0, 1])));
    }

    #[test]
    fn an_invalid_endpoint_is_refused() {
        let long = format!("{}.example 5000", "a".repeat(64));
        let longer = format!("{}a 5000", "a.".repeat(127));
        for text in [
            "localhost",
            "localhost 0",
            "localhost:0",
            "localhost 65536",
            "localhost +1",
            "localhost: 5000",
            "localhost :5000",
            "127.0.0.1",
            "127.0.0.1 5000 6000",
            "127.0.0.1:5000 6000",
            "5000 127.0.0.1",
            "5000",
            ":5000",
            "::1:5000",
            "[::1",
            "[::1]5000",
            "[127.0.0.1]:5000",
            "[localhost]:5000",
            "127.1 5000",
            "256.0.0.1 5000",
            "1.2.3.4.5 5000",
            "0.0.0.0 5000",
            "[::]:5000",
            "224.0.0.1 5000",
            "ff02::1 5000",
            "255.255.255.255:5000",
            "-a.example 5000",
            "a-.example 5000",
            "a..example 5000",
            ". 5000",
            "b\u{fc}cher.example 5000",
            "a/b 5000",
            &long,
            &longer,
        ] {
            assert_eq!(Endpoint::parse(text), Err(Endpoint::EXPECTED), "{text:?}");
        }
        for text in ["fe80::1%lo 5000", "[fe80::1%lo]:5000", "[fe80::1] 5000"] {
            assert_eq!(Endpoint::parse(text), Err(value::NOT_LINK_LOCAL), "{text:?}");
        }
    }
}
