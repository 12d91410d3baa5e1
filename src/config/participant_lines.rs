//! Lines behind the first three lines of a participant's config file: `key=value`, and further
//! coordinators.

use std::path::PathBuf;

use super::lines::{ConfigLine, ConfigLines};
use super::participant::file_name;
use super::peer_timeouts::PEER_TIMEOUT_KEYS;
use super::reach::Reach;
use super::{ConfigError, Endpoint, Endpoints, FoundValue, PeerTimeouts};

/// Values of the lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ParticipantLines {
    pub(super) reach: Reach,
    /// Path of the keys file.
    pub(super) keys: Option<PathBuf>,
    pub(super) peer_timeouts: PeerTimeouts,
}

/// Keys of the lines, which are options too.
const KEYS: [&str; 6] =
    ["passive", "listen", "advertise", "keys", PEER_TIMEOUT_KEYS[0], PEER_TIMEOUT_KEYS[1]];

/// Description of a valid name of a keys file.
pub(super) const KEYS_EXPECTED: &str = "the name of a keys file";

impl ParticipantLines {
    /// Takes the rest of a config file.
    ///
    /// A line without `=` is a further coordinator for `coordinators`. The first one stands in line
    /// `first`.
    pub(super) fn take(
        lines: &mut ConfigLines<'_>,
        coordinators: &mut Endpoints,
        first: usize,
    ) -> Result<Self, ConfigError> {
        let mut values = Self::default();
        let mut written: Vec<(&'static str, usize)> = Vec::new();
        let mut numbers = vec![first];
        while let Some(line) = lines.next()? {
            let Some((key, text)) = split(&line)? else {
                let endpoint = coordinator(&line)?;
                let same = coordinators.position(&endpoint).and_then(|at| numbers.get(at));
                if let Some(first) = same.copied() {
                    let found = FoundValue::Again { first };
                    return Err(line.found("coordinator", found, "each coordinator once"));
                }
                let pushed = coordinators.push(endpoint);
                pushed.map_err(|expected| line.error("coordinator", line.text, expected))?;
                numbers.push(line.number);
                continue;
            };
            if let Some((_, first)) = written.iter().find(|(other, _)| *other == key) {
                return Err(line.found(key, FoundValue::Again { first: *first }, "one"));
            }
            let assigned = match key {
                "keys" => values.assign_keys(text),
                _ if PEER_TIMEOUT_KEYS.contains(&key) => values.peer_timeouts.assign(key, text),
                _ => values.reach.assign_in_file(key, text),
            };
            assigned.map_err(|expected| line.error(key, text, expected))?;
            written.push((key, line.number));
        }
        Ok(values)
    }

    fn assign_keys(&mut self, text: &str) -> Result<(), String> {
        self.keys = Some(file_name(text).ok_or(KEYS_EXPECTED)?);
        Ok(())
    }
}

/// Returns the key and the value of a line; `None` without `=`.
fn split<'a>(line: &ConfigLine<'a>) -> Result<Option<(&'static str, &'a str)>, ConfigError> {
    let Some((name, text)) = line.text.split_once('=') else { return Ok(None) };
    let (name, text) = (name.trim_end(), text.trim_start());
    let key = KEYS.into_iter().find(|key| *key == name);
    Ok(Some((key.ok_or_else(|| line.error("key", name, KEYS.join(", ")))?, text)))
}

/// Returns the coordinator of a line.
fn coordinator(line: &ConfigLine<'_>) -> Result<Endpoint, ConfigError> {
    Endpoint::parse(line.text).map_err(|expected| match expected == Endpoint::EXPECTED {
        true => line.error("line", line.text, LINE_EXPECTED.to_owned()),
        false => line.error("coordinator", line.text, expected.to_owned()),
    })
}

const LINE_EXPECTED: &str = "key=value, one more coordinator, as in 10.0.0.2 5000, or a comment \
                             that begins with //";

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;
    use crate::limits::COORDINATORS_MAX;

    /// Takes the lines behind line 3, which is `hub 5000`. Returns the coordinators.
    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let all = format!("id\nlog\nhub 5000\n{text}");
        let mut lines = ConfigLines::new(Path::new("p.txt"), all.as_bytes());
        (0..3).for_each(|_| assert!(lines.next().unwrap().is_some()));
        let mut coordinators = Endpoints::of_test(&[("hub", 5000)]);
        let taken = ParticipantLines::take(&mut lines, &mut coordinators, 3);
        let found = taken.map(|_| coordinators.to_string()).map_err(|error| error.to_string());
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn further_lines_are_coordinators_in_their_order_among_the_keys() {
        check("", Ok("hub:5000"));
        let text = "passive=yes\n10.0.0.2 5000\n// one more\n\n[::1]:5001\nkeepalive=5\nb:1";
        check(text, Ok("hub:5000, 10.0.0.2:5000, [::1]:5001, b:1"));
        check("passive=no\nhub 5001", Ok("hub:5000, hub:5001"));
    }

    #[test]
    fn a_coordinator_stands_once() {
        for (text, number, first) in [
            ("hub 5000", 4, 3),
            ("10.0.0.2 1\n\nHUB:5000", 6, 3),
            ("keepalive=5\n10.0.0.2 1\n::ffff:10.0.0.2 1", 6, 5),
        ] {
            let found = format!("a second value (the first is on line {first})");
            let error = "expected each coordinator once";
            check(text, Err(&format!("p.txt:{number}: coordinator: found {found}, {error}")));
        }
    }

    #[test]
    fn coordinators_are_bounded() {
        let mut text = String::new();
        for number in 2..=COORDINATORS_MAX {
            writeln!(text, "h{number} 5000").unwrap();
        }
        let error = "p.txt:19: coordinator: found \"more:1\", expected at most 16 coordinators";
        check(&(text + "more:1"), Err(error));
    }

    #[test]
    fn an_invalid_coordinator_is_named_with_its_line() {
        let expected = "expected key=value, one more coordinator, as in 10.0.0.2 5000, or a \
                        comment that begins with //";
        for line in ["passive", "# b", "10.0.0.2", "10.0.0.2 0", "0.0.0.0 5000", "a b 1"] {
            check(line, Err(&format!("p.txt:4: line: found {line:?}, {expected}")));
        }
        let link_local = "p.txt:4: coordinator: found \"fe80::1 5000\", expected an address that \
                          is not link-local (fe80::/10), as requests cannot name the network \
                          interface that such an address belongs to";
        check("fe80::1 5000", Err(link_local));
    }
}
