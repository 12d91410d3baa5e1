//! Parses and shows the values of keys: numbers, sizes, times, words, addresses.
//!
//! Each parser returns the value, or a description of the valid values.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use log::LevelFilter;

/// Units of sizes, the largest first.
const UNITS: [(char, u64); 3] = [('g', 1 << 30), ('m', 1 << 20), ('k', 1 << 10)];

/// Parses a whole number of decimal digits, without a sign or a separator.
pub(super) fn whole(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    match digits(text) {
        Some(number) if range.contains(&number) => Ok(number),
        Some(_) | None => Err(format!("a whole number from {} to {}", range.start(), range.end())),
    }
}

/// As [`whole`], for `usize`.
pub(super) fn count(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let number = whole(text, wide(*range.start())..=wide(*range.end()))?;
    Ok(usize::try_from(number).unwrap_or(*range.end()))
}

/// Parses a number of bytes, with an optional unit `k` (1024), `m` (1024^2) or `g` (1024^3).
pub(super) fn size(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let unit = UNITS.iter().find_map(|(letter, unit)| Some((text.strip_suffix(*letter)?, *unit)));
    let (number, unit) = unit.unwrap_or((text, 1));
    match digits(number).and_then(|number| number.checked_mul(unit)) {
        Some(bytes) if range.contains(&bytes) => Ok(bytes),
        Some(_) | None => {
            let (lowest, highest) = (show_size(*range.start()), show_size(*range.end()));
            Err(format!(
                "a size from {lowest} to {highest} (k = 1024, m = 1024^2, g = 1024^3 bytes)"
            ))
        }
    }
}

/// As [`size`], for `usize`.
pub(super) fn memory_size(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let bytes = size(text, wide(*range.start())..=wide(*range.end()))?;
    Ok(usize::try_from(bytes).unwrap_or(*range.end()))
}

/// Parses seconds with at most three decimals, and returns milliseconds.
pub(super) fn seconds(text: &str, range_ms: RangeInclusive<u64>) -> Result<u64, String> {
    match millis(text) {
        Some(millis) if range_ms.contains(&millis) => Ok(millis),
        Some(_) | None => {
            let (lowest, highest) =
                (show_seconds(*range_ms.start()), show_seconds(*range_ms.end()));
            Err(format!("seconds from {lowest} to {highest}, with at most three decimals"))
        }
    }
}

/// Parses an address to serve HTTP on: an address with a port, or a port of loopback.
pub(super) fn http_address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let port = digits(text).and_then(|port| u16::try_from(port).ok());
    let of_loopback = port.map(|port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
    of_loopback.or_else(|| text.parse().ok()).map(Some).ok_or_else(|| {
        "a port, or an address with a port such as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080"
            .to_owned()
    })
}

/// Parses host names, separated by commas.
pub(super) fn host_names(text: &str) -> Result<Vec<String>, String> {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_char);
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    match text.is_empty() {
        true => Ok(Vec::new()),
        false if names.iter().all(|name| is_name(name)) => {
            Ok(names.into_iter().map(str::to_owned).collect())
        }
        false => Err("names without ports, separated by commas".to_owned()),
    }
}

/// Parses `yes` or `no`.
pub(super) fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("yes or no".to_owned()),
    }
}

/// Parses the name of a level of diagnostics.
pub(super) fn log_level(text: &str) -> Result<LevelFilter, String> {
    text.parse().map_err(|_| "off, error, warn, info, debug or trace".to_owned())
}

/// Returns the word for a truth value.
pub(super) fn show_yes_or_no(is_yes: bool) -> String {
    if is_yes { "yes" } else { "no" }.to_owned()
}

/// Parses the path of a file that is not needed. Empty: none.
#[expect(clippy::unnecessary_wraps, reason = "every text is a path")]
pub(super) fn file(text: &str) -> Result<Option<PathBuf>, String> {
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

/// Shows a path as [`file`] parses it.
pub(super) fn show_file(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

/// Parses the path of the file for TLS.
pub(super) fn tls_file(text: &str) -> Result<Option<PathBuf>, String> {
    match file(text)? {
        Some(_) if !cfg!(feature = "tls") => {
            Err("no file: this program was built without TLS".to_owned())
        }
        path => Ok(path),
    }
}

/// Description of a valid address, for errors about link-local addresses of IPv6.
pub(super) const NOT_LINK_LOCAL: &str = "an address that is not link-local (fe80::/10), as \
    requests cannot name the network interface that such an address belongs to";

/// Returns true for a link-local address of IPv6, with or without its interface.
pub(super) fn is_link_local(text: &str) -> bool {
    let (ip, _) = text.split_once('%').unwrap_or((text, ""));
    ip.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_unicast_link_local())
}

/// Parses an address that a socket can be bound to.
pub(super) fn local_ip(text: &str) -> Result<IpAddr, String> {
    if is_link_local(text) {
        return Err(NOT_LINK_LOCAL.to_owned());
    }
    match ip(text) {
        Some(ip) if !is_shared(ip) => Ok(ip),
        Some(_) | None => Err("an IPv4 or IPv6 address of this machine".to_owned()),
    }
}

/// Parses an address that can be connected to.
pub(super) fn peer_ip(text: &str) -> Option<IpAddr> {
    ip(text).filter(|ip| !is_shared(*ip) && !ip.is_unspecified() && !is_link_local(text))
}

/// Shows bytes as [`size`] parses them, with the largest unit that divides the number.
pub(super) fn show_size(bytes: u64) -> String {
    match UNITS.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((letter, unit)) => format!("{}{letter}", bytes.div_euclid(*unit)),
        None => bytes.to_string(),
    }
}

/// Shows milliseconds as [`seconds`] parses them, without zeros at the end.
pub(super) fn show_seconds(millis: u64) -> String {
    let (whole, decimals) = (millis.div_euclid(1000), millis.rem_euclid(1000));
    match decimals {
        0 => whole.to_string(),
        _ => format!("{whole}.{decimals:03}").trim_end_matches('0').to_owned(),
    }
}

/// Converts `usize` to 64 bits.
pub(super) fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn millis(text: &str) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let decimals = match decimals.len() {
        1..=3 => digits(&format!("{decimals:0<3}"))?,
        _ => return None,
    };
    digits(whole)?.checked_mul(1000)?.checked_add(decimals)
}

fn ip(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

/// Returns true for an address of more than one machine.
fn is_shared(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == Ipv4Addr::BROADCAST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_powers_of_1024_of_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1)),
            ("007", Some(7)),
            ("1k", Some(1024)),
            ("3m", Some(3 * 1024 * 1024)),
            ("2g", Some(2 * 1024 * 1024 * 1024)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("17179869183g", Some(17_179_869_183 << 30)),
            ("17179869184g", None),
            ("", None),
            ("k", None),
            ("1kk", None),
            ("1K", None),
            ("1 k", None),
            ("1.5k", None),
            ("-1", None),
            ("+1", None),
            ("1t", None),
            ("0x10", None),
            ("\u{0661}", None),
        ] {
            assert_eq!(size(text, 0..=u64::MAX).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn times_are_seconds_with_at_most_three_decimals() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1000)),
            ("1.5", Some(1500)),
            ("0.25", Some(250)),
            ("0.001", Some(1)),
            ("1.050", Some(1050)),
            ("1.0000", None),
            ("1.", None),
            (".5", None),
            ("", None),
            (".", None),
            ("1.5.5", None),
            ("1,5", None),
            ("1s", None),
            ("1.-1", None),
            ("-1", None),
            ("1e3", None),
            ("18446744073709551.615", Some(u64::MAX)),
            ("18446744073709551.616", None),
            ("18446744073709552", None),
        ] {
            assert_eq!(seconds(text, 0..=u64::MAX).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_shown_value_parses_to_the_same_value() {
        for bytes in [0, 1, 512, 1023, 1024, 1025, 65_536, 1 << 20, 3 << 29, 1 << 30, u64::MAX] {
            assert_eq!(size(&show_size(bytes), 0..=u64::MAX), Ok(bytes));
        }
        for millis in [0, 1, 10, 100, 999, 1000, 1500, 60_000, 86_400_000, u64::MAX] {
            assert_eq!(seconds(&show_seconds(millis), 0..=u64::MAX), Ok(millis));
        }
        assert_eq!((show_size(64 << 20), show_seconds(10_000)), ("64m".into(), "10".into()));
        assert_eq!((show_size(1536), show_seconds(1)), ("1536".into(), "0.001".into()));
    }

    #[test]
    fn both_ends_of_a_range_are_valid() {
        for (number, inside) in [("2", false), ("3", true), ("5", true), ("6", false)] {
            assert_eq!(whole(number, 3..=5).is_ok(), inside, "{number}");
            assert_eq!(count(number, 3..=5).is_ok(), inside, "{number}");
            assert_eq!(size(number, 3..=5).is_ok(), inside, "{number}");
            assert_eq!(seconds(number, 3000..=5000).is_ok(), inside, "{number}");
        }
    }

    #[test]
    fn an_address_names_one_machine_and_mapped_ipv4_is_ipv4() {
        for (text, local, peer) in [
            ("127.0.0.1", Some("127.0.0.1"), Some("127.0.0.1")),
            ("::ffff:10.0.0.1", Some("10.0.0.1"), Some("10.0.0.1")),
            ("::1", Some("::1"), Some("::1")),
            ("0.0.0.0", Some("0.0.0.0"), None),
            ("::", Some("::"), None),
            ("224.0.0.1", None, None),
            ("ff02::1", None, None),
            ("255.255.255.255", None, None),
            ("localhost", None, None),
            ("127.0.0.1:80", None, None),
            ("[::1]", None, None),
            ("fe80::1%lo", None, None),
            ("fe80::1", None, None),
            ("169.254.0.1", Some("169.254.0.1"), Some("169.254.0.1")),
            ("127.1", None, None),
            ("", None, None),
        ] {
            let parsed = |text: Option<&str>| text.map(|text| text.parse::<IpAddr>().unwrap());
            assert_eq!(local_ip(text).ok(), parsed(local), "{text:?}");
            assert_eq!(peer_ip(text), parsed(peer), "{text:?}");
        }
    }
}
