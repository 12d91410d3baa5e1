//! Counts members or connections per IPv4 address or IPv6 /64 network.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Counts by [`Network`]. Loopback addresses are not counted: they belong to this machine.
#[derive(Debug, Default)]
pub struct PerAddress {
    counts: BTreeMap<Network, usize>,
}

/// An IPv4 address, or the /64 network of an IPv6 address: one machine can use all 2^64 addresses
/// of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network(IpAddr);

impl Network {
    /// Returns the network of an address; `None` for a loopback address.
    #[must_use]
    pub fn of(ip: IpAddr) -> Option<Self> {
        let ip = ip.to_canonical();
        (!ip.is_loopback()).then_some(match ip {
            IpAddr::V4(_) => Self(ip),
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
        })
    }
}

impl fmt::Display for Network {
    /// `10.0.0.7`, or `2001:db8::/64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "{ip}/64"),
        }
    }
}

impl PerAddress {
    /// Adds one to the count of an address.
    pub fn add(&mut self, ip: IpAddr) {
        if let Some(network) = Network::of(ip) {
            let count = self.counts.entry(network).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Subtracts one from the count of an address.
    pub fn remove(&mut self, ip: IpAddr) {
        let Some(network) = Network::of(ip) else { return };
        let count = self.counts.get_mut(&network);
        debug_assert!(count.is_some(), "each removed address was added");
        if let Some(count) = count {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&network);
            }
        }
    }

    /// Returns the network of `ip` if its count is `max` or more.
    #[must_use]
    pub fn full(&self, ip: IpAddr, max: usize) -> Option<Network> {
        let network = Network::of(ip)?;
        let count = self.counts.get(&network).copied().unwrap_or_default();
        (count >= max).then_some(network)
    }

    /// Returns the sum of all counts.
    #[must_use]
    pub fn total(&self) -> usize {
        self.counts.values().copied().fold(0, usize::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_ipv4_address_counts_alone_and_ipv6_addresses_by_the_first_64_bits() {
        for (text, network) in [
            ("10.0.0.7", Some("10.0.0.7")),
            ("::ffff:10.0.0.7", Some("10.0.0.7")),
            ("2001:db8:1:2:3:4:5:6", Some("2001:db8:1:2::/64")),
            ("fe80::1", Some("fe80::/64")),
            ("127.0.0.1", None),
            ("127.9.9.9", None),
            ("::1", None),
            ("::ffff:127.0.0.1", None),
        ] {
            let found = Network::of(ip(text)).map(|network| network.to_string());
            assert_eq!(found.as_deref(), network, "{text}");
        }
    }

    #[test]
    fn a_removed_address_leaves_room_and_no_entry() {
        let mut counts = PerAddress::default();
        for text in ["2001:db8::1", "2001:db8::2", "10.0.0.7", "127.0.0.1", "127.0.0.1"] {
            counts.add(ip(text));
        }
        assert_eq!(counts.full(ip("2001:db8::3"), 2), Network::of(ip("2001:db8::1")));
        assert_eq!(counts.full(ip("2001:db8::3"), 3), None);
        assert_eq!(counts.full(ip("2001:db8:0:1::1"), 1), None, "another network");
        assert_eq!(counts.full(ip("127.0.0.1"), 1), None, "this machine is not counted");
        assert_eq!(counts.total(), 3);
        for text in ["2001:db8::2", "2001:db8::1", "10.0.0.7", "127.0.0.1"] {
            counts.remove(ip(text));
        }
        assert!(counts.counts.is_empty(), "{counts:?}");
    }
}
