//! The participant's config: id, message log and coordinator, from a file with one line for each,
//! or from options. Further lines of the file tell how messages come, and name the keys file.

use std::path::{Path, PathBuf};

use super::lines::{self, ConfigLine, ConfigLines, Fifos};
use super::participant_lines::{KEYS_EXPECTED, ParticipantLines};
use super::reach::ReachOptions;
use super::{ConfigError, Endpoint, Endpoints, FoundValue, Location, PeerTimeouts, Reach};
use crate::protocol::is_id;

/// The checked config of a participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantConfig {
    /// Id of the participant (line 1).
    pub id: String,
    /// Path of the message log (line 2), relative to the current directory. `None`: no log.
    pub log_file: Option<PathBuf>,
    /// Endpoints of the coordinators (line 3, and further lines), which are tried in turn.
    pub coordinators: Endpoints,
    /// The way in which messages come (further lines).
    pub reach: Reach,
    /// Path of the keys file, relative to the current directory. `None`: no TLS.
    pub keys: Option<PathBuf>,
    /// Times after which the coordinator's machine counts as gone.
    pub peer_timeouts: PeerTimeouts,
}

/// Fields from the command line and the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ParticipantFields {
    /// Value of `--id`.
    pub(super) id: Option<String>,
    /// Value of `--log`.
    pub(super) log_file: Option<String>,
    /// True for `--no-log`, which `--log` excludes.
    pub(super) has_no_log: bool,
    /// Values of `--coordinator`.
    pub(super) coordinators: Vec<String>,
    /// True for `--top`, which needs neither an id nor a log.
    pub(super) is_viewer: bool,
    /// Options of the listener.
    pub(super) reach: ReachOptions,
    /// Value of `--keys`.
    pub(super) keys: Option<String>,
    /// Values of `--keepalive` and `--user-timeout`.
    pub(super) peer_timeouts: [Option<String>; 2],
    /// `GROUPCAST_COORDINATOR`, for neither an option nor a file: one coordinator, or several with
    /// commas between them.
    pub(super) usual_coordinators: Option<String>,
}

impl ParticipantConfig {
    /// Makes a config of the fields. Those that are missing come from the file at `path`.
    pub(super) fn with_fields(
        path: Option<&Path>,
        fields: ParticipantFields,
    ) -> Result<Self, ConfigError> {
        let file = path.map(Self::load).transpose()?;
        let ParticipantFields { id, log_file, has_no_log, is_viewer, .. } = fields;
        let ParticipantFields { coordinators, usual_coordinators, reach, keys, .. } = fields;
        let reach =
            file.as_ref().map(|file| file.reach).unwrap_or_default().with_options(&reach)?;
        let keys = match (keys, &file) {
            (Some(name), _) => {
                let path = file_name(&name);
                Some(path.ok_or_else(|| option_error("keys", name, KEYS_EXPECTED))?)
            }
            (None, Some(file)) => file.keys.clone(),
            (None, None) => None,
        };
        if keys.is_some() && !cfg!(feature = "tls") {
            return Err(ConfigError::Usage(NO_TLS.to_owned()));
        }
        let peer_timeouts = file.as_ref().map(|file| file.peer_timeouts).unwrap_or_default();
        let peer_timeouts = peer_timeouts.with_options(fields.peer_timeouts)?;
        let id = match (id, &file) {
            (Some(id), _) if is_id(&id) => id,
            (Some(id), _) => return Err(option_error("id", id, ID_EXPECTED)),
            (None, Some(file)) => file.id.clone(),
            (None, None) if is_viewer => VIEWER_ID.to_owned(),
            (None, None) => {
                return Err(ConfigError::Usage(
                    "found 0 config files, expected one, or --id".to_owned(),
                ));
            }
        };
        let log_file = match (log_file, &file) {
            _ if has_no_log || is_viewer => None,
            (Some(name), _) => {
                let path = file_name(&name);
                Some(path.ok_or_else(|| option_error("log", name, LOG_EXPECTED))?)
            }
            // A log is the memory of one id.
            (None, Some(file)) if file.id == id => file.log_file.clone(),
            (None, _) => Some(format!("{id}.log").into()),
        };
        let named = Endpoints::of("coordinator", coordinators.iter().map(String::as_str))?;
        let coordinators = match (named, file, usual_coordinators) {
            (Some(named), ..) => named,
            (None, Some(file), _) => file.coordinators,
            (None, None, usual) => {
                let texts = usual.iter().flat_map(|usual| usual.split(',').map(str::trim));
                Endpoints::of(COORDINATOR_VARIABLE, texts)?.ok_or_else(|| {
                    ConfigError::Usage(format!(
                        "found no coordinator, expected --coordinator HOST:PORT, a config file, \
                         or {COORDINATOR_VARIABLE} in the environment"
                    ))
                })?
            }
        };
        Ok(Self { id, log_file, coordinators, reach, keys, peer_timeouts })
    }

    /// Loads the file at `path`.
    fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &lines::read(path, Fifos::Awaited)?)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ConfigError> {
        let mut lines = ConfigLines::new(path, bytes);
        let id = field(&mut lines, "participant_id", ID_EXPECTED, |text| {
            is_id(text).then(|| text.to_owned())
        })?;
        let log_file = Some(field(&mut lines, "log_file_name", LOG_EXPECTED, file_name)?);
        let line = lines.require("coordinator", Endpoint::EXPECTED)?;
        let coordinator = Endpoint::parse(line.text)
            .map_err(|expected| line.error("coordinator", line.text, expected.to_owned()))?;
        let mut coordinators = Endpoints::new(coordinator);
        let further = ParticipantLines::take(&mut lines, &mut coordinators, line.number)?;
        let ParticipantLines { reach, keys, peer_timeouts } = further;
        Ok(Self { id, log_file, coordinators, reach, keys, peer_timeouts })
    }
}

/// Variable of the environment with the usual coordinator.
pub const COORDINATOR_VARIABLE: &str = "GROUPCAST_COORDINATOR";

/// Id in the requests of `--top`, which every id may send.
const VIEWER_ID: &str = "top";

const NO_TLS: &str = "found a keys file, and this program was built without TLS (the cargo feature \
                      tls): it never connects without TLS instead";

const ID_EXPECTED: &str = "1 to 64 of A-Z a-z 0-9 . _ -";
const LOG_EXPECTED: &str = "the name of a file";

pub(super) fn option_error(field: &'static str, found: String, expected: &str) -> ConfigError {
    let (found, expected) = (FoundValue::Text(found), expected.to_owned());
    match field {
        COORDINATOR_VARIABLE => {
            ConfigError::Field { location: Location::Environment, field, found, expected }
        }
        _ => ConfigError::Field { location: Location::Option, field, found, expected },
    }
}

/// Parses the next line with `parse`.
fn field<'a, T>(
    lines: &mut ConfigLines<'a>,
    name: &'static str,
    expected: &str,
    parse: impl FnOnce(&'a str) -> Option<T>,
) -> Result<T, ConfigError> {
    let line: ConfigLine<'a> = lines.require(name, expected)?;
    parse(line.text).ok_or_else(|| line.error(name, line.text, expected.to_owned()))
}

/// Parses a file name: not the name of a directory, and without control characters.
pub(super) fn file_name(text: &str) -> Option<PathBuf> {
    let path = PathBuf::from(text);
    // A text with one of these ends names a directory, but `Path::file_name` ignores the end.
    let names_file =
        path.file_name().is_some() && !["/", "/."].iter().any(|end| text.ends_with(end));
    let printable = !text.chars().any(char::is_control);
    (names_file && printable).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], expected: Result<(&str, &str, &str), &str>) {
        let config = ParticipantConfig::parse(Path::new("p.txt"), text);
        let expected = expected.map(|(id, log_file, coordinator)| ParticipantConfig {
            id: id.to_owned(),
            log_file: Some(log_file.into()),
            coordinators: Endpoints::new(Endpoint::parse(coordinator).unwrap()),
            reach: Reach::default(),
            keys: None,
            peer_timeouts: PeerTimeouts::new(),
        });
        assert_eq!(config.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    }

    #[test]
    fn three_lines_are_the_id_the_log_and_the_coordinator() {
        let expected = Ok(("alice", "alice.log", "127.0.0.1:5000"));
        check(b"alice\nalice.log\n127.0.0.1 5000\n", expected);
        check(b"\xef\xbb\xbfalice\r\n alice.log \r\n127.0.0.1 \t 5000", expected);
        check(b"// me\nalice\n\n// it\nalice.log\n\n127.0.0.1 5000\n// end\n\n", expected);
        check(b"alice\nalice.log\n::ffff:127.0.0.1 5000\n", expected);
        check(b"a.B_9-\n/tmp/my log\n::1 65535\n", Ok(("a.B_9-", "/tmp/my log", "[::1]:65535")));
        check(b"a\nJan.\n::1 1", Ok(("a", "Jan.", "[::1]:1")));
        check("a\nbücher\n::1 1".as_bytes(), Ok(("a", "bücher", "[::1]:1")));
    }

    #[test]
    fn each_line_is_required_and_checked() {
        let id = "expected 1 to 64 of A-Z a-z 0-9 . _ -";
        let long = "a".repeat(65);
        for (text, found) in [
            ("", "p.txt:1: participant_id: found the end of the file".to_owned()),
            ("//\n//\n", "p.txt:2: participant_id: found the end of the file".to_owned()),
            ("al ice\nl\n::1 1", "p.txt:1: participant_id: found \"al ice\"".to_owned()),
            ("al#ice\nl\n::1 1", "p.txt:1: participant_id: found \"al#ice\"".to_owned()),
            (&long, format!("p.txt:1: participant_id: found {long:?}")),
        ] {
            check(text.as_bytes(), Err(&format!("{found}, {id}")));
        }
        let log = "expected the name of a file";
        for (text, found) in [
            ("a\n", "p.txt:1: log_file_name: found the end of the file"),
            ("a\n\nlogs/\n::1 1", "p.txt:3: log_file_name: found \"logs/\""),
            ("a\n.\n::1 1", "p.txt:2: log_file_name: found \".\""),
            ("a\nlogs/..\n::1 1", "p.txt:2: log_file_name: found \"logs/..\""),
            ("a\nlogs/.\n::1 1", "p.txt:2: log_file_name: found \"logs/.\""),
            ("a\nl\0g\n::1 1", "p.txt:2: log_file_name: found \"l\\0g\""),
        ] {
            check(text.as_bytes(), Err(&format!("{found}, {log}")));
        }
    }

    #[test]
    fn the_coordinator_is_a_host_and_a_port() {
        let expected = "expected an address or a host name, and a port from 1 to 65535, as in \
                        10.0.0.1 5000, hub:5000 or [::1]:5000";
        check(
            b"a\nl\n",
            Err(&format!("p.txt:2: coordinator: found the end of the file, {expected}")),
        );
        check(
            b"a\nl\nlocalhost 65536\n",
            Err(&format!("p.txt:3: coordinator: found \"localhost 65536\", {expected}")),
        );
        check(b"a\nl\nlocalhost 5000\n", Ok(("a", "l", "localhost:5000")));
    }

    #[test]
    fn a_link_local_coordinator_is_refused_with_its_own_reason() {
        for text in ["fe80::1 5000", "fe80::1%lo 5000", "FEBF:0::1%eth0 5000"] {
            let wrong = format!(
                "p.txt:3: coordinator: found {text:?}, expected an address that is not link-local \
                 (fe80::/10), as requests cannot name the network interface that such an address \
                 belongs to"
            );
            check(format!("a\nl\n{text}\n").as_bytes(), Err(&wrong));
        }
    }

    #[test]
    fn further_lines_and_bytes_that_are_not_utf8_are_refused() {
        check(
            b"a\nl\n::1 1\n\nsync=always\n",
            Err("p.txt:5: key: found \"sync\", expected passive, listen, advertise, keys, \
                 keepalive, user_timeout"),
        );
        for (text, number) in [
            (&b"\xff\nl\n::1 1\n"[..], 1),
            (b"a\nl\n::1 1\n\xe4", 4),
            (b"a\n// \xe4\nl\n::1 1\n", 2),
        ] {
            let wrong = "line: found bytes that are not UTF-8, expected UTF-8 text";
            check(text, Err(&format!("p.txt:{number}: {wrong}")));
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn a_keys_file_is_named_in_the_file_or_by_an_option_which_wins() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.txt");
        let keys = |line: &str, option: Option<&str>| {
            std::fs::write(&path, format!("alice\nalice.txt\n10.0.0.1 5000\n{line}\n")).unwrap();
            let keys = option.map(str::to_owned);
            let fields = ParticipantFields { keys, ..ParticipantFields::default() };
            let config = ParticipantConfig::with_fields(Some(&path), fields);
            config.map(|config| config.keys).map_err(|error| error.to_string())
        };
        assert_eq!(keys("", None), Ok(None));
        assert_eq!(keys("keys = alice.keys", None), Ok(Some("alice.keys".into())));
        assert_eq!(keys("keys=a", Some("b")), Ok(Some("b".into())));
        assert_eq!(keys("", Some("b")), Ok(Some("b".into())));
        let expected = "expected the name of a keys file";
        assert_eq!(keys("", Some("b/")), Err(format!("--keys: found \"b/\", {expected}")));
        let error = keys("keys=", None).unwrap_err();
        assert!(error.ends_with(&format!("p.txt:4: keys: found \"\", {expected}")), "{error}");
    }

    #[test]
    #[cfg(not(feature = "tls"))]
    fn a_keys_file_is_refused_without_tls() {
        let fields = ParticipantFields {
            id: Some("alice".to_owned()),
            coordinators: vec!["10.0.0.1:5000".to_owned()],
            keys: Some("alice.keys".to_owned()),
            ..ParticipantFields::default()
        };
        let config = ParticipantConfig::with_fields(None, fields);
        assert_eq!(config, Err(ConfigError::Usage(NO_TLS.to_owned())));
    }

    fn with_fields(path: Option<&Path>, words: &[(&str, &str)]) -> Result<String, String> {
        let mut fields = ParticipantFields::default();
        for (key, value) in words {
            let value = Some((*value).to_owned());
            match *key {
                "id" => fields.id = value,
                "log" => fields.log_file = value,
                "no-log" => fields.has_no_log = true,
                "top" => fields.is_viewer = true,
                "coordinator" => fields.coordinators.extend(value),
                "environment" => fields.usual_coordinators = value,
                other => panic!("{other}"),
            }
        }
        let config = ParticipantConfig::with_fields(path, fields);
        let shown = |config: ParticipantConfig| {
            let ParticipantConfig { id, log_file, coordinators, .. } = config;
            let log = log_file.map_or_else(|| "none".to_owned(), |it| it.display().to_string());
            format!("{id} {log} {coordinators}")
        };
        config.map(shown).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_file_the_fields_come_from_options_and_the_environment() {
        let check = |words: &[(&str, &str)], expected: Result<&str, &str>| {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(with_fields(None, words), expected, "{words:?}");
        };
        check(&[("id", "eve"), ("coordinator", "hub:5000")], Ok("eve eve.log hub:5000"));
        check(&[("id", "eve"), ("environment", "[::1]:5000")], Ok("eve eve.log [::1]:5000"));
        let both = [("id", "eve"), ("coordinator", "a:1"), ("environment", "b:2"), ("no-log", "")];
        check(&both, Ok("eve none a:1"));
        check(&[("id", "eve"), ("coordinator", "a:1"), ("log", "x/y.log")], Ok("eve x/y.log a:1"));
        let several = [("id", "eve"), ("coordinator", "a:1"), ("coordinator", "b:2")];
        check(&several, Ok("eve eve.log a:1, b:2"));
        check(&[("id", "eve"), ("environment", "a:1, b:2")], Ok("eve eve.log a:1, b:2"));
        check(
            &[("id", "eve"), ("coordinator", "a:1"), ("coordinator", "A:1")],
            Err("--coordinator: found \"A:1\", expected each coordinator once"),
        );
        check(&[("coordinator", "a:1"), ("top", "")], Ok("top none a:1"));
        check(&[("id", "eve"), ("environment", "a:1"), ("top", "")], Ok("eve none a:1"));
        check(&[("coordinator", "a:1")], Err("found 0 config files, expected one, or --id"));
        check(
            &[("id", "eve")],
            Err("found no coordinator, expected --coordinator HOST:PORT, a config file, or \
                 GROUPCAST_COORDINATOR in the environment"),
        );
        check(
            &[("id", "e ve"), ("coordinator", "a:1")],
            Err("--id: found \"e ve\", expected 1 to 64 of A-Z a-z 0-9 . _ -"),
        );
        check(
            &[("id", "eve"), ("log", "x/"), ("coordinator", "a:1")],
            Err("--log: found \"x/\", expected the name of a file"),
        );
        let expected = "an address or a host name, and a port from 1 to 65535, as in 10.0.0.1 \
                        5000, hub:5000 or [::1]:5000";
        for (key, shown) in
            [("coordinator", "--coordinator"), ("environment", "GROUPCAST_COORDINATOR")]
        {
            let error = format!("{shown}: found \"hub\", expected {expected}");
            check(&[("id", "eve"), (key, "hub")], Err(&error));
        }
    }

    #[test]
    fn an_option_wins_over_the_file_and_the_file_over_the_environment() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.txt");
        std::fs::write(&path, "alice\nalice.txt\n10.0.0.1 5000\n").unwrap();
        for (words, expected) in [
            (&[][..], "alice alice.txt 10.0.0.1:5000"),
            (&[("environment", "b:2")], "alice alice.txt 10.0.0.1:5000"),
            (&[("coordinator", "a:1")], "alice alice.txt a:1"),
            (&[("coordinator", "a:1"), ("coordinator", "b:2")], "alice alice.txt a:1, b:2"),
            (&[("id", "alice")], "alice alice.txt 10.0.0.1:5000"),
            (&[("id", "eve")], "eve eve.log 10.0.0.1:5000"),
            (&[("no-log", "")], "alice none 10.0.0.1:5000"),
            (&[("log", "x")], "alice x 10.0.0.1:5000"),
        ] {
            assert_eq!(with_fields(Some(&path), words), Ok(expected.to_owned()), "{words:?}");
        }
    }
}
