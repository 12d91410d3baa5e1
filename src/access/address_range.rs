//! Ranges of IP addresses, as `10.0.0.0/8`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressRange {
    /// Lowest address: all further bits are 0.
    lowest: IpAddr,
    bits: u8,
}

/// A text is no address, or not the lowest address of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARange;

impl AddressRange {
    /// Returns the range of this length that contains an address; `None` if the address has fewer
    /// bits. An IPv4-mapped IPv6 address counts as the IPv4 address.
    pub(super) fn around(ip: IpAddr, bits: u8) -> Option<Self> {
        let ip = ip.to_canonical();
        let lowest = match ip {
            IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & mask_v4(bits)).into()),
            IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & mask_v6(bits)).into()),
        };
        (bits <= bits_of(ip)).then_some(Self { lowest, bits })
    }

    /// Returns the number of first bits that all addresses of the range share.
    pub(super) const fn bits(&self) -> u8 {
        self.bits
    }

    /// Returns true for an address in the range. An IPv4-mapped IPv6 address counts as the IPv4
    /// address.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.lowest, ip.to_canonical()) {
            (IpAddr::V4(lowest), IpAddr::V4(ip)) => {
                u32::from(ip) & mask_v4(self.bits) == u32::from(lowest)
            }
            (IpAddr::V6(lowest), IpAddr::V6(ip)) => {
                u128::from(ip) & mask_v6(self.bits) == u128::from(lowest)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for AddressRange {
    type Err = NotARange;

    /// Parses an address, or the lowest address of a range, `/` and the number of equal bits.
    fn from_str(text: &str) -> Result<Self, NotARange> {
        let Some((ip, bits)) = text.split_once('/') else {
            let ip = text.parse::<IpAddr>().map_err(|_| NotARange)?.to_canonical();
            return Ok(Self { lowest: ip, bits: bits_of(ip) });
        };
        let lowest = ip.parse::<IpAddr>().map_err(|_| NotARange)?;
        let is_digits = bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = bits.parse().ok().filter(|bits| is_digits && *bits <= bits_of(lowest));
        let range = Self { lowest, bits: bits.ok_or(NotARange)? };
        // The bits of a mapped address would count from another end.
        let is_mapped = lowest.to_canonical() != lowest;
        if is_mapped || !range.contains(lowest) { Err(NotARange) } else { Ok(range) }
    }
}

impl fmt::Display for AddressRange {
    /// Writes the bits only if the range has more than one address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lowest.fmt(f)?;
        if self.bits == bits_of(self.lowest) { Ok(()) } else { write!(f, "/{}", self.bits) }
    }
}

impl fmt::Display for NotARange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected an IP address, or the lowest address of a range and its bits, as 10.0.0.0/8",
        )
    }
}

impl std::error::Error for NotARange {}

const fn bits_of(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn mask_v4(bits: u8) -> u32 {
    u32::MAX.checked_shl(u32::BITS.saturating_sub(bits.into())).unwrap_or(0)
}

fn mask_v6(bits: u8) -> u128 {
    u128::MAX.checked_shl(u128::BITS.saturating_sub(bits.into())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(range: &str, inside: &[&str], outside: &[&str]) {
        let range: AddressRange = range.parse().unwrap();
        for ip in inside {
            assert!(range.contains(ip.parse().unwrap()), "{ip} in {range}");
        }
        for ip in outside {
            assert!(!range.contains(ip.parse().unwrap()), "{ip} not in {range}");
        }
    }

    #[test]
    fn a_range_contains_the_addresses_with_the_same_first_bits() {
        check("10.0.0.7", &["10.0.0.7", "::ffff:10.0.0.7"], &["10.0.0.6", "::10.0.0.7"]);
        check("10.0.0.0/8", &["10.0.0.0", "10.255.255.255"], &["9.255.255.255", "11.0.0.0"]);
        check("10.0.0.6/31", &["10.0.0.6", "10.0.0.7"], &["10.0.0.5", "10.0.0.8"]);
        check("0.0.0.0/0", &["0.0.0.0", "255.255.255.255"], &["::", "::1"]);
        check("::/0", &["::", "ffff::"], &["1.2.3.4", "::ffff:1.2.3.4"]);
        check("::1", &["::1"], &["::", "::2", "127.0.0.1"]);
        check("2001:db8::/32", &["2001:db8:ffff::1"], &["2001:db9::", "2001:db7:ffff::"]);
        check("::ffff:10.0.0.7", &["10.0.0.7"], &["10.0.0.8"]);
        check("2001:db8::8/125", &["2001:db8::f"], &["2001:db8::7", "2001:db8::10"]);
    }

    #[test]
    fn each_other_text_is_refused() {
        for text in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/256",
            "10.0.0.0/+8",
            "10.0.0.0/-8",
            "10.0.0.0/8/8",
            "10.0.0.0 /8",
            "10.0.0.7/8",
            "10.0.0/8",
            "10/8",
            "::/129",
            "2001:db8::1/64",
            "::ffff:10.0.0.0/104",
            "[::1]",
            "fe80::1%lo",
            "localhost",
        ] {
            assert_eq!(text.parse::<AddressRange>(), Err(NotARange), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_range_is_what_its_bits_say(ip: u32, bits in 0_u8..=32, other: u32, v6: u128) {
            let lowest = ip & mask_v4(bits);
            let range = AddressRange { lowest: IpAddr::V4(lowest.into()), bits };
            assert_eq!(range.to_string().parse(), Ok(range));
            let differing = (ip ^ other).leading_zeros();
            assert_eq!(range.contains(IpAddr::V4(other.into())), differing >= bits.into());
            let is_lowest = format!("{}/{bits}", std::net::Ipv4Addr::from(ip)).parse();
            assert_eq!(is_lowest, if lowest == ip { Ok(range) } else { Err(NotARange) });
            let text = format!("{}/{}", std::net::Ipv6Addr::from(v6 & mask_v6(64)), 64);
            let range: AddressRange = text.parse().unwrap();
            assert_eq!(range.to_string(), text);
            assert!(range.contains(IpAddr::V6(v6.into())));
            assert!(!range.contains(IpAddr::V6((v6 ^ (1 << 64)).into())));
        }
    }
}
