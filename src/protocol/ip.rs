//! The IP address at the end of a request.

use std::net::IpAddr;

/// Parses the last part of a request: an IP address, or `-`, which is `Some(None)`.
pub(super) fn parse_ip_or_own(text: &str) -> Option<Option<IpAddr>> {
    if text == "-" { Some(None) } else { parse_ip(text).map(Some) }
}

/// Parses an IP address, and an IPv4 address in its usual form without the general parser. An
/// IPv4-mapped IPv6 address becomes an IPv4 address.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let dotted = parse_dotted(text.as_bytes()).map(IpAddr::from);
    dotted.or_else(|| Some(text.parse::<IpAddr>().ok()?.to_canonical()))
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
            let expected = text.parse().ok().map(|ip: IpAddr| ip.to_canonical());
            assert_eq!(parse_ip(&text), expected);
            let ip = IpAddr::from(octets);
            assert_eq!(parse_ip(&ip.to_string()), Some(ip));
        }

        #[test]
        fn only_four_small_numbers_take_the_short_way(text in "[0-9]{1,3}(\\.[0-9]{1,3}){2,4}") {
            assert_eq!(parse_dotted(text.as_bytes()).map(IpAddr::from), text.parse().ok());
        }
    }
}
