//! Access files: what each line means, and the error about each wrong one.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;

const K: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// Error text in the place of [`K`].
const MASKED: &str = "sha256:<64 characters>";

fn parse(text: &[u8], possible: PossibleProofs) -> Result<AccessFile, ConfigError> {
    AccessFile::parse(Path::new("a.txt"), text, possible)
}

/// Compares the rules as lines, or the error. `K` stands for the name of a key or a secret.
#[track_caller]
fn check_for(text: &str, possible: PossibleProofs, expected: Result<&[&str], &str>) {
    let bytes = text.replace('K', K);
    let parsed = parse(bytes.as_bytes(), possible);
    let lines = parsed.map(|file| {
        let lines = file.rules.iter().map(|rule| rule.to_string().replace(K, "K"));
        lines.collect::<Vec<_>>()
    });
    let expected = expected.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect());
    let expected = expected.map_err(|error| format!("a.txt:{}", error.replace('K', MASKED)));
    assert_eq!(lines.map_err(|error| error.to_string()), expected, "{text}");
}

#[track_caller]
fn check(text: &str, expected: Result<&[&str], &str>) {
    check_for(text, PossibleProofs::KeysAndCertificates, expected);
}

#[test]
fn a_line_is_who_how_and_rights() {
    for (text, line) in [
        ("alice key=K", "alice key=K send receive list"),
        ("alice key=K send", "alice key=K send"),
        ("* secret=K receive", "* secret=K receive"),
        ("dev* anyone list send", "dev* anyone send list"),
        ("dev-1.x_Y* ca", "dev-1.x_Y* ca send receive list"),
        ("a address=10.0.0.7", "a address=10.0.0.7 send receive list"),
        ("a address=::ffff:10.0.0.7/128 list", ""),
        ("a address=10.0.0.0/8 list", "a address=10.0.0.0/8 list"),
        ("a address=2001:db8::/32 list", "a address=2001:db8::/32 list"),
        ("@operator key=K", "@operator key=K"),
        ("@operator ca", "@operator ca"),
        ("@operator address=127.0.0.1", "@operator address=127.0.0.1"),
        ("* anyone rate=5", "* anyone send receive list rate=5"),
        (
            "* anyone send rate=1000000 max_text=2k ids=3",
            "* anyone send rate=1000000 max_text=2048 ids=3",
        ),
        ("a anyone ids=1", ""),
        ("* anyone receive ids=1000000", "* anyone receive ids=1000000"),
    ] {
        if !line.is_empty() {
            check(text, Ok(&[line]));
            check(
                &format!("\u{feff}// c\r\n\r\n \t{}\t \r\n", text.replace(' ', " \t ")),
                Ok(&[line]),
            );
        }
    }
    check(
        "a ca\nb ca\n// c\na anyone list\n",
        Ok(&["a ca send receive list", "b ca send receive list", "a anyone list"]),
    );
}

/// Only the key of an owner is known later, and not the line that let it in.
#[test]
fn no_owner_gains_rights_by_a_secret_that_it_did_not_bring() {
    const L: &str = "sha256:1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let is_valid = |text: &str| {
        let bytes = text.replace('K', K).replace('L', L);
        parse(bytes.as_bytes(), PossibleProofs::KeysAndCertificates).map(drop)
    };
    for (secret, other) in [
        ("secret=K", "secret=L receive"),
        ("secret=K receive", "secret=L"),
        ("secret=K rate=5", "secret=L rate=6"),
        ("secret=K", "anyone receive"),
        ("secret=K", "key=L send"),
        ("secret=K send list", "ca send"),
        ("secret=K", "address=10.0.0.0/8 rate=9"),
        ("secret=K max_text=20", "address=10.0.0.0/8 max_text=10"),
    ] {
        for who in ["*", "dev*", "dev1"] {
            for [first, second] in [[secret, other], [other, secret]] {
                let text = format!("// c\n{who} {first}\n{who} {second}\n");
                let error = is_valid(&text).unwrap_err().to_string();
                let found = second.split_once(' ').map_or("send receive list", |(_, it)| it);
                assert!(error.starts_with("a.txt:3: right: found \""), "{text}: {error}");
                assert!(error.contains(found), "{text}: {error}");
                assert!(error.contains("expected the rights of line 2, or "), "{text}: {error}");
            }
        }
        assert_eq!(is_valid(&format!("a* {secret}\n* {other}\n")), Ok(()), "other ids");
    }
    for (secret, other) in [
        ("secret=K rate=5", "secret=L rate=5"),
        ("secret=K receive", "anyone"),
        ("secret=K send rate=5", "key=L send list rate=9"),
        ("secret=K receive", "ca"),
    ] {
        for [first, second] in [[secret, other], [other, secret]] {
            assert_eq!(is_valid(&format!("* {first}\n* {second}\n")), Ok(()));
        }
    }
}

#[test]
fn a_file_without_a_line_is_refused() {
    let expected = "who: found the end of the file, expected an id, the start of ids and *, * \
                    alone, or @operator";
    for (text, number) in [("", 1), ("\n", 1), ("\n\n// a ca\n", 3), ("\u{feff}", 1), (" \r\n", 1)]
    {
        check(text, Err(&format!("{number}: {expected}")));
    }
}

#[test]
fn wrong_who_and_how_are_named() {
    let who = "an id, the start of ids and *, * alone, or @operator";
    let name = "sha256: and 64 lower-case hex digits";
    let range = "an IP address, or the lowest address of a range and its bits, as in 10.0.0.0/8";
    let how = "key=, ca, secret=, address= or anyone";
    for (text, found) in [
        ("al/ice ca", format!("1: who: found \"al/ice\", expected {who}")),
        ("a ca\n** ca", format!("2: who: found \"**\", expected {who}")),
        ("*a ca", format!("1: who: found \"*a\", expected {who}")),
        ("a*b ca", format!("1: who: found \"a*b\", expected {who}")),
        ("@admin ca", format!("1: who: found \"@admin\", expected {who}")),
        ("@operator* ca", format!("1: who: found \"@operator*\", expected {who}")),
        ("\u{1b}[2J ca", format!("1: who: found \"\\u{{1b}}[2J\", expected {who}")),
        ("Z\u{3}\u{4} ca", "1: who: found \"Z\\u{3}\\u{4}\"".to_owned()),
        ("alice", format!("1: how: found the end of the line, expected {how}")),
        ("alice  // c", format!("1: how: found \"//\", expected {how}")),
        ("a Ca", format!("1: how: found \"Ca\", expected {how}")),
        ("a ca=x", format!("1: how: found \"ca=x\", expected {how}")),
        ("a anyone=", format!("1: how: found \"anyone=\", expected {how}")),
        ("a key", format!("1: how: found \"key\", expected {how}")),
        ("a send ca", format!("1: how: found \"send\", expected {how}")),
        ("a key=", format!("1: key: found \"\", expected {name}")),
        ("a key=K0", "1: key: found \"sha256:<65 characters>\"".to_owned()),
        ("a key=sha512:ab", format!("1: key: found \"sha512:ab\", expected {name}")),
        ("a secret=x", format!("1: secret: found a value that is not shown, expected {name}")),
        ("a address=10.0.0.7/8", format!("1: address: found \"10.0.0.7/8\", expected {range}")),
        ("a address=", format!("1: address: found \"\", expected {range}")),
        ("@operator", format!("1: how: found the end of the line, expected {how}")),
    ] {
        let text = text.replace('K', K);
        let error = parse(text.as_bytes(), PossibleProofs::KeysAndCertificates).unwrap_err();
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("a.txt:{found}")), "{text}: {shown}");
    }
}

#[test]
fn wrong_rights_are_named() {
    let right = "send, receive, list, rate=, max_text= or ids=";
    let once = "each right once in a line";
    let sending = "send too: rate and max_text limit what an id sends";
    let ids = "ids only for a start of ids with *, as one id is one member";
    let rate = "a whole number from 1 to 1000000";
    for (text, found, expected) in [
        ("* ca sends", "right: found \"sends\"", right),
        ("* ca send=", "right: found \"send=\"", right),
        ("* ca rate", "right: found \"rate\"", right),
        ("* ca anyone", "right: found \"anyone\"", right),
        ("* ca // all", "right: found \"//\"", right),
        ("* ca send send", "right: found \"send\"", once),
        ("* ca rate=1 send rate=1", "right: found \"rate=1\"", once),
        ("* ca max_text=1 max_text=2", "right: found \"max_text=2\"", once),
        ("* ca ids=1 ids=2", "right: found \"ids=2\"", once),
        ("* ca rate=0", "rate: found \"0\"", rate),
        ("* ca rate=", "rate: found \"\"", rate),
        ("* ca rate=1000001", "rate: found \"1000001\"", rate),
        ("* ca rate=1.5", "rate: found \"1.5\"", rate),
        (
            "* ca max_text=0",
            "max_text: found \"0\"",
            "a size from 1 to 16m (k = 1024, m = 1024^2, g = 1024^3 bytes)",
        ),
        ("* ca ids=0", "ids: found \"0\"", "a whole number from 1 to 1000000"),
        ("* ca receive rate=1", "right: found \"rate=1\"", sending),
        ("* ca max_text=1 list", "right: found \"max_text=1\"", sending),
        ("alice ca ids=1", "right: found \"ids=1\"", ids),
        (
            "@operator ca send",
            "right: found \"send\"",
            "nothing more: @operator has its own rights",
        ),
        ("@operator anyone", "how: found \"anyone\"", "key=, ca or address= for @operator"),
        ("@operator secret=K", "how: found \"secret=K\"", "key=, ca or address= for @operator"),
    ] {
        check(text, Err(&format!("1: {found}, expected {expected}")));
    }
}

#[test]
fn the_same_ids_and_the_same_proof_stand_in_one_line() {
    let twice = "found a second value (the first is on line 2), expected one line for the same ids \
                 and the same proof";
    for (first, second) in [
        ("a ca send", "a ca receive"),
        ("* anyone", "* anyone"),
        ("a* key=K", "a* key=K list"),
        ("@operator ca", "@operator ca"),
        ("a address=10.0.0.7/32", "a address=10.0.0.7"),
        ("a address=2001:db8:0::/32", "a address=2001:db8::/32"),
    ] {
        check(&format!("// c\n{first}\nb ca\n{second}"), Err(&format!("4: line: {twice}")));
    }
    check(
        "a ca\na* ca\nA ca\n* ca\n",
        Ok(&[
            "a ca send receive list",
            "a* ca send receive list",
            "A ca send receive list",
            "* ca send receive list",
        ]),
    );
}

#[test]
fn proofs_that_no_client_can_give_are_refused() {
    let no_tls = "address= or anyone: without tls, clients have no keys";
    for (text, found) in [("a key=K", "key=K"), ("a secret=K", "secret=K"), ("a ca", "ca")] {
        let error = format!("1: how: found \"{found}\", expected {no_tls}");
        check_for(text, PossibleProofs::Addresses, Err(&error));
    }
    for text in ["a anyone send", "a address=10.0.0.7 send"] {
        check_for(text, PossibleProofs::Addresses, Ok(&[text]));
    }
    let no_ca = "key=, secret=, address= or anyone, and ca only with the key ca";
    let error = format!("1: how: found \"ca\", expected {no_ca}");
    check_for("a ca", PossibleProofs::Keys, Err(&error));
    check_for("a key=K send", PossibleProofs::Keys, Ok(&["a key=K send"]));
    check_for("a secret=K send", PossibleProofs::Keys, Ok(&["a secret=K send"]));
}

#[test]
fn bytes_that_are_not_text_are_refused() {
    for (bytes, error) in [
        (&b"a ca\n\x7fELF\x02\xff\n"[..], "a.txt:2: line: found bytes that are not UTF-8"),
        (b"\0\0\0\0", "a.txt:1: who: found \"\\0\\0\\0\\0\""),
        (b"a ca\n\0", "a.txt:2: who: found \"\\0\""),
        (b"a\0 ca", "a.txt:1: who: found \"a\\0\""),
    ] {
        let shown = parse(bytes, PossibleProofs::KeysAndCertificates).unwrap_err().to_string();
        assert!(shown.starts_with(error), "{shown}");
    }
}

#[test]
fn a_file_that_other_users_can_change_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.txt");
    fs::write(&path, "* anyone\n").unwrap();
    for mode in (0..0o1000).filter(|mode| mode & 0o400 != 0) {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let loaded = AccessFile::load(&path, PossibleProofs::Addresses, Fifos::Awaited);
        assert_eq!(loaded.is_ok(), mode & 0o002 == 0, "{mode:04o}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let error = AccessFile::load(&path, PossibleProofs::Addresses, Fifos::Awaited).unwrap_err();
    let path = path.display();
    let expected = format!(
        "{path}: mode: found 0666, expected one with which other users cannot change it: \
         chmod o-w {path}"
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_file_may_have_four_mebibytes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.txt");
    let mut text = "* anyone\n".to_owned();
    text.push_str(&"//".repeat((ACCESS_FILE_BYTES_MAX - text.len()) / 2));
    text.push_str(&"/".repeat(ACCESS_FILE_BYTES_MAX - text.len()));
    fs::write(&path, &text).unwrap();
    assert_eq!(
        AccessFile::load(&path, PossibleProofs::Addresses, Fifos::Awaited).unwrap().rules.len(),
        1
    );
    fs::write(&path, text + "/").unwrap();
    let error =
        AccessFile::load(&path, PossibleProofs::Addresses, Fifos::Awaited).unwrap_err().to_string();
    let expected = format!("{}: larger than 4194304 bytes: not a config file", path.display());
    assert_eq!(error, expected);
}

proptest! {
    #[test]
    fn no_error_shows_a_part_of_a_secret(
        before in "[a-z*@ =:\t]{0,12}",
        word in prop::sample::select(vec![
            "", "a ", "a secret=", "a secret=sha256:", "a key=sha256:", "* key=", "a address=",
            "a anyone ", "a anyone rate=", "a anyone ids=", "a ca send ", "@operator key=",
        ]),
        secret in "[0-9a-f]{64}",
        length in 8_usize..64,
        behind in "[ a-z=/:]{0,6}",
    ) {
        let secret = secret.get(..length).unwrap();
        let text = format!("{before}{word}{secret}{behind}");
        if let Err(error) = parse(text.as_bytes(), PossibleProofs::KeysAndCertificates) {
            let shown = error.to_string();
            let parts = secret.as_bytes().windows(8);
            for part in parts.map(|part| std::str::from_utf8(part).unwrap()) {
                prop_assert!(!shown.contains(part), "{text:?}: {shown}");
            }
        }
    }
}
