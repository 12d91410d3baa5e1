//! Names of the files in a journal's directory.

const SUFFIX: &str = ".journal";
const SUFFIX_NEW: &str = ".new";
const QUARANTINE_SUFFIX: &str = ".damaged-";

/// Highest serial in a file name. There is always a higher serial for the next file.
pub(super) const SERIAL_MAX: u64 = u64::MAX / 2;

/// Role of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileRole {
    Segment,
    /// A segment whose creation was interrupted.
    New,
    /// A damaged segment, kept for the operator.
    Quarantined,
}

/// Parses the serial and the role of a file from its name; `None` for a foreign file.
pub(super) fn parse(name: &str) -> Option<(u64, FileRole)> {
    let (digits, rest) = name.split_at_checked(16)?;
    let is_lower_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    if !digits.bytes().all(is_lower_hex) {
        return None;
    }
    let serial = u64::from_str_radix(digits, 16).ok().filter(|serial| *serial <= SERIAL_MAX)?;
    match rest.strip_prefix(SUFFIX)? {
        "" => Some((serial, FileRole::Segment)),
        SUFFIX_NEW => Some((serial, FileRole::New)),
        rest => rest.starts_with(QUARANTINE_SUFFIX).then_some((serial, FileRole::Quarantined)),
    }
}

pub(super) fn of_segment(serial: u64) -> String {
    format!("{serial:016x}{SUFFIX}")
}

pub(super) fn of_new(segment: &str) -> String {
    format!("{segment}{SUFFIX_NEW}")
}

pub(super) fn of_quarantined(segment: &str, number: u64) -> String {
    format!("{segment}{QUARANTINE_SUFFIX}{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_parses_to_its_serial_and_role() {
        let name = of_segment(0xab);
        assert_eq!(name, "00000000000000ab.journal");
        assert_eq!(parse(&name), Some((0xab, FileRole::Segment)));
        assert_eq!(parse(&of_new(&name)), Some((0xab, FileRole::New)));
        assert_eq!(parse(&of_quarantined(&name, 7)), Some((0xab, FileRole::Quarantined)));
        assert!(parse(&of_segment(SERIAL_MAX)).is_some());
        for foreign in [
            "",
            "lock",
            "ab.journal",
            "00000000000000AB.journal",
            "+0000000000000ab.journal",
            "00000000000000ab",
            "00000000000000ab.journal~",
            "00000000000000ab.journal.old",
            "8000000000000000.journal",
            "000000000000000\u{e9}.journal",
        ] {
            assert_eq!(parse(foreign), None, "{foreign}");
        }
    }
}
