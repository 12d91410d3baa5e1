//! Keys files: what they hold, and the error about each wrong line, which shows no secret.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;

const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
                   //GHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIB\nAQ==\n\
                   -----END PRIVATE KEY-----\n";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n\
                           -----END CERTIFICATE-----\n";
const OTHER: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const SECRET: &str = "00112233445566778899aabbccddeeff";

fn hex(number: u8) -> String {
    format!("{number:02x}").repeat(32)
}

fn invitation(number: u8) -> String {
    format!("gc1:{}:{SECRET}\n", hex(number))
}

fn participant(text: &str) -> Result<ParticipantKeys, ConfigError> {
    ParticipantKeys::parse(Path::new("a.keys"), text.as_bytes())
}

/// Compares what a participant's file holds, or its error: the trust, the secret, and its own PEM.
#[track_caller]
fn check(text: &str, expected: Result<(&str, Option<&str>, Option<&str>), &str>) {
    let parsed = participant(text).map(|ParticipantKeys { trust, secret, own }| {
        let trust = match trust {
            CoordinatorTrust::Keys(keys) => {
                let first = keys.iter().map(|KeyName([first, ..])| first.to_string());
                first.collect::<Vec<_>>().join(" ")
            }
            CoordinatorTrust::Ca { file, name } => format!("{} for {name}", file.display()),
        };
        let secret = secret.map(|secret| secret.reveal().to_owned());
        (trust, secret, own.map(|own| own.reveal().to_owned()))
    });
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let expected =
        expected.map(|(trust, secret, own)| (trust.to_owned(), owned(secret), owned(own)));
    let expected = expected.map_err(|error| format!("a.keys:{error}"));
    assert_eq!(parsed.map_err(|error| error.to_string()), expected, "{text}");
}

#[test]
fn an_invitation_is_enough_before_the_first_start() {
    check(&invitation(1), Ok(("1", Some(SECRET), None)));
    check(invitation(1).trim_end(), Ok(("1", Some(SECRET), None)));
    check(
        &format!("\u{feff}// bob\r\n\r\n {}\r\n", invitation(1).trim()),
        Ok(("1", Some(SECRET), None)),
    );
}

#[test]
fn keys_of_coordinators_follow_each_other_in_a_rotation() {
    let line = |number| format!("coordinator=sha256:{}\n", hex(number));
    check(&line(2), Ok(("2", None, None)));
    check(&[line(2), line(3), line(2)].concat(), Ok(("2 3", None, None)));
    check(&[invitation(1), line(1), line(2)].concat(), Ok(("1 2", Some(SECRET), None)));
    check(&[line(2), invitation(1)].concat(), Ok(("2 1", Some(SECRET), None)));
    let many: String = (0..=16).map(line).collect();
    check(
        &many,
        Err("17: coordinator: found \"another key\", expected at most 16 keys of coordinators"),
    );
}

#[test]
fn a_ca_and_a_name_stand_instead_of_keys() {
    check("ca=ca.pem name=hub.example", Ok(("ca.pem for hub.example", None, None)));
    check("ca= /etc/our ca.pem  name=10.0.0.1", Ok(("/etc/our ca.pem for 10.0.0.1", None, None)));
    check("ca=a name=b.pem name=hub", Ok(("a name=b.pem for hub", None, None)));
    let expected = "found a value that is not shown, expected ca=FILE name=NAME, with a host name \
                    or an IP address";
    for text in ["ca=", "ca=a", "ca= name=hub", "ca=a name=", "ca=a name=h u", "ca=a name=1.2"] {
        check(text, Err(&format!("1: ca: {expected}")));
    }
    let twice = "ca: found a second value (the first is on line 1), expected one";
    check("ca=a name=hub\nca=a name=hub\n", Err(&format!("2: {twice}")));
    let both = "2: coordinator: found \"keys and a CA\", expected either keys of the coordinator, \
                or a CA and a name";
    check(&format!("ca=a name=hub\n{}", invitation(1)), Err(both));
    check(&format!("{}ca=a name=hub\n", invitation(1)), Err(both));
}

#[test]
fn the_own_key_stands_with_its_certificates() {
    let own = [KEY, CERTIFICATE, OTHER].concat();
    for text in [[KEY, CERTIFICATE, OTHER].concat(), [CERTIFICATE, KEY, OTHER].concat()] {
        check(&[invitation(1), text.clone()].concat(), Ok(("1", Some(SECRET), Some(&own))));
        let mixed = [&text, "\n// c\n", &invitation(1)].concat().replace('\n', "\r\n\r\n");
        check(&mixed, Ok(("1", Some(SECRET), Some(&own))));
    }
    let text = invitation(1);
    let lone = "PEM: found the end of the file, expected";
    check(&[&*text, KEY].concat(), Err(&format!("5: {lone} the key's CERTIFICATE too")));
    check(&[&*text, OTHER].concat(), Err(&format!("4: {lone} its PRIVATE KEY too")));
    let twice = "found a second value (the first is on line 1), expected one private key";
    check(&[KEY, &*text, KEY].concat(), Err(&format!("6: PEM: {twice}")));
    let many = OTHER.repeat(9);
    check(
        &[&*text, &many].concat(),
        Err("26: PEM: found \"CERTIFICATE\", expected at most 8 certificates"),
    );
}

#[test]
fn a_broken_block_is_named_and_not_shown() {
    let base64 = "expected lines of base64 up to -----END PRIVATE KEY-----";
    for (text, error) in [
        ("-----BEGIN PRIVATE KEY-----\n", format!("1: PEM: found the end of the file, {base64}")),
        (
            "-----BEGIN PRIVATE KEY-----\nAA\nA A\n",
            format!("3: PEM: found a value that is not shown, {base64}"),
        ),
        (
            "-----BEGIN PRIVATE KEY-----\n-----END CERTIFICATE-----\n",
            format!("2: PEM: found a value that is not shown, {base64}"),
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
            format!("2: PEM: found a value that is not shown, {base64}"),
        ),
    ] {
        check(text, Err(&error));
    }
    for label in ["ENCRYPTED PRIVATE KEY", "PUBLIC KEY", "OPENSSH PRIVATE KEY", "EC PARAMETERS"] {
        check(
            &format!("-----BEGIN {label}-----\n"),
            Err(&format!(
                "1: PEM: found {label:?}, expected CERTIFICATE, PRIVATE KEY, EC PRIVATE KEY or RSA \
             PRIVATE KEY, which are not encrypted"
            )),
        );
    }
}

#[test]
fn other_lines_are_refused_without_their_text() {
    let trust = "an invitation (gc1:...), coordinator=sha256:..., or ca=FILE name=NAME";
    for (text, error) in [
        ("", format!("1: coordinator: found the end of the file, expected {trust}")),
        ("\n// c\n", format!("2: coordinator: found the end of the file, expected {trust}")),
        (SECRET, format!("1: line: found a value that is not shown, expected {trust}")),
        ("secret=1", format!("1: line: found a value that is not shown, expected {trust}")),
        ("GC1:", format!("1: line: found a value that is not shown, expected {trust}")),
        (
            "gc1:1:2",
            "1: invitation: found a value that is not shown, expected gc1:, 64 lower-case \
                     hex digits, a colon and 32 lower-case hex digits"
                .to_owned(),
        ),
        (
            "coordinator=sha256:12",
            "1: coordinator: found a value that is not shown, expected \
                                   sha256: and 64 lower-case hex digits"
                .to_owned(),
        ),
    ] {
        check(text, Err(&error));
    }
    let twice = "2: invitation: found a second value (the first is on line 1), expected one";
    check(&invitation(1).repeat(2), Err(twice));
}

#[test]
fn the_program_appends_its_own_key() {
    let own = SecretPem::from([KEY, CERTIFICATE].concat());
    for before in [invitation(1), invitation(1).trim_end().to_owned()] {
        let after = ParticipantKeys::with_own_key(before.as_bytes(), &own);
        let after = String::from_utf8(after).unwrap();
        assert!(after.starts_with(&invitation(1)), "{after}");
        check(&after, Ok(("1", Some(SECRET), Some(own.reveal()))));
    }
    let alone = ParticipantKeys::with_own_key(b"", &own);
    assert!(alone.starts_with(b"//") && alone.ends_with(CERTIFICATE.as_bytes()));
}

#[test]
fn the_coordinators_certificates_stand_in_its_keys_file_or_beside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.keys");
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    };
    let load = || {
        let loaded =
            CoordinatorKeys::load(&path, Fifos::Awaited).map(|keys| keys.pem.reveal().to_owned());
        let folder = format!("{}/", directory.path().display());
        loaded.map_err(|error| error.to_string().replace(&folder, ""))
    };
    write("c.keys", KEY);
    assert!(load().unwrap_err().starts_with("c.crt: cannot be read: "));
    write("c.crt", OTHER);
    assert_eq!(load(), Ok([KEY, OTHER].concat()));
    write("c.keys", &[OTHER, CERTIFICATE, KEY].concat());
    assert_eq!(load(), Ok([KEY, OTHER, CERTIFICATE].concat()));
    write("c.keys", KEY);
    let expected = "expected CERTIFICATEs in PEM";
    let no_key = "PEM: found \"PRIVATE KEY\", expected no private key in a file that anybody may \
                  read";
    for (text, error) in [
        ("", format!("c.crt:1: PEM: found the end of the file, {expected}")),
        ("x\n", format!("c.crt:1: line: found a value that is not shown, {expected}")),
        (KEY, format!("c.crt:4: {no_key}")),
        (&[KEY, OTHER].concat(), format!("c.crt:7: {no_key}")),
    ] {
        write("c.crt", text);
        assert_eq!(load(), Err(error));
    }
    let expected = "expected one PRIVATE KEY in PEM, and CERTIFICATEs";
    for (text, error) in [
        ("", format!("1: PEM: found the end of the file, {expected}")),
        (OTHER, format!("3: PEM: found the end of the file, {expected}")),
        (&invitation(1), format!("1: line: found a value that is not shown, {expected}")),
    ] {
        write("c.keys", text);
        assert_eq!(load(), Err(format!("c.keys:{error}")));
    }
    write("c.keys", &"/".repeat(KEYS_FILE_BYTES_MAX + 1));
    assert_eq!(load(), Err("c.keys: larger than 65536 bytes: not a config file".to_owned()));
}

#[test]
fn a_file_that_others_can_read_or_write_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.keys");
    fs::write(&path, invitation(1)).unwrap();
    for mode in 0..=0o777 {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let checked = lines::check_private(&path, &fs::metadata(&path).unwrap());
        let (group, others) = (mode >> 3 & 7, mode & 7);
        let is_fine = group & 2 == 0 && others & 6 == 0;
        let expected = match is_fine {
            true => Ok(()),
            false => Err(format!(
                "{}: mode: found {mode:04o}, expected 0600 or 0640, so that no other user can \
                 read the secrets or change them: chmod 600 {}",
                path.display(),
                path.display()
            )),
        };
        assert_eq!(checked.map_err(|error| error.to_string()), expected);
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let error = ConfigError::Exposed { path: path.clone(), mode: 0o644 };
    assert_eq!(ParticipantKeys::load(&path).unwrap_err(), error);
    assert_eq!(CoordinatorKeys::load(&path, Fifos::Awaited).unwrap_err(), error);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    assert!(ParticipantKeys::load(&path).is_ok());
}

proptest! {
    #[test]
    fn no_error_and_no_debug_output_shows_a_secret(
        before in "[a-z:= ]{0,9}",
        at in 0_usize..400,
        changed in "[ \nx:/-]{0,2}",
    ) {
        let mut text = [&invitation(0x5a), KEY, CERTIFICATE].concat();
        text.insert_str(at.min(text.len()), &changed);
        let shown = match participant(&format!("{before}{text}")) {
            Ok(keys) => format!("{keys:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        for secret in [SECRET, "GHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIB"] {
            for part in secret.as_bytes().windows(8) {
                let part = std::str::from_utf8(part).unwrap();
                prop_assert!(!shown.contains(part), "{shown}");
            }
        }
    }
}

#[test]
fn a_ca_file_that_other_users_can_change_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    fs::write(&path, "certificates\n").unwrap();
    for (mode, is_refused) in [(0o644, false), (0o666, true), (0o646, true)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(load_ca(&path, Fifos::Awaited).is_err(), is_refused, "{mode:04o}");
    }
}
