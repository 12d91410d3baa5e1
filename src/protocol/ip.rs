//! The IP address at the end of a request.

use std::net::IpAddr;

/// The last IP address that was parsed. The requests of a client mostly name the same one.
#[derive(Debug, Default)]
pub struct LastIp {
    text: [u8; IP_BYTES_MAX],
    /// Length of the text, and its address.
    parsed: Option<(usize, IpAddr)>,
}

/// Longest text of an IP address that is kept. A text of an IPv4 address has at most 15 bytes.
const IP_BYTES_MAX: usize = 16;

impl LastIp {
    #[inline]
    pub(super) fn parse(&mut self, text: &str) -> Option<IpAddr> {
        if let Some((length, ip)) = self.parsed
            && self.text.get(..length) == Some(text.as_bytes())
        {
            return Some(ip);
        }
        let ip = parse_ip(text)?.to_canonical();
        if let Some(kept) = self.text.get_mut(..text.len()) {
            kept.copy_from_slice(text.as_bytes());
            self.parsed = Some((text.len(), ip));
        }
        Some(ip)
    }
}

/// Parses an IP address, and an IPv4 address in its usual form without the general parser.
fn parse_ip(text: &str) -> Option<IpAddr> {
    parse_dotted(text.as_bytes()).map(IpAddr::from).or_else(|| text.parse().ok())
}

/// Parses four numbers up to 255 without leading zeros, with dots between them.
fn parse_dotted(text: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut parts = text.split(|byte| *byte == b'.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || part.len() > 3 || (part.len() > 1 && part.starts_with(b"0")) {
            return None;
        }
        for digit in part {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
            *octet = u8::checked_mul(*octet, 10)?.checked_add(digit)?;
        }
    }
    parts.next().is_none().then_some(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_address_is_parsed_as_the_standard_library_does(
            text in "[0-9]{0,4}[.:]?[0-9]{0,4}\\.[0-9]{1,4}\\.[0-9+. ]{1,4}",
            octets in any::<[u8; 4]>(),
        ) {
            assert_eq!(parse_ip(&text), text.parse().ok());
            let ip = IpAddr::from(octets);
            assert_eq!(parse_ip(&ip.to_string()), Some(ip));
        }

        #[test]
        fn only_four_small_numbers_take_the_short_way(text in "[0-9]{1,3}(\\.[0-9]{1,3}){2,4}") {
            assert_eq!(parse_dotted(text.as_bytes()).map(IpAddr::from), text.parse().ok());
        }
    }

    #[test]
    fn an_address_that_follows_another_one_is_parsed_as_if_alone() {
        let texts = ["127.0.0.1", "127.0.0.10", "127.0.0.1", "::1", "::ffff:10.0.0.1", "10.0.0.1"];
        let wrong = ["127.0.0.", "127.0.0.1 ", "", "1"];
        let mut last = LastIp::default();
        for first in texts {
            for second in texts.iter().chain(&wrong) {
                assert_eq!(last.parse(first), LastIp::default().parse(first));
                assert_eq!(last.parse(second), LastIp::default().parse(second), "{first} {second}");
            }
        }
    }
}
