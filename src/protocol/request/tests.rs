use std::net::{Ipv4Addr, Ipv6Addr};
mod numbered;
mod options;

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::protocol::Listing;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[track_caller]
fn check(line: impl AsRef<[u8]>, expected: Result<Request<'_>, Malformed>) {
    let line = line.as_ref();
    assert_eq!(Request::parse(line), expected, "{}", line.escape_ascii());
}

fn of_bob(command: Command<'_>) -> Result<Request<'_>, Malformed> {
    Ok(Request { id: "bob", command, ip: Some(LOCAL) })
}

/// Checks that a request of bob from 127.0.0.1 has this syntax error.
#[track_caller]
fn check_command(command: &str, malformed: Malformed) {
    check(format!("bob#{command}#127.0.0.1"), Err(malformed));
}

#[test]
fn each_command_is_understood() {
    let (to, options) = (DeliverTo::Port(9001), Options::default());
    check("bob#register 9001#127.0.0.1", of_bob(Command::Register { to, options }));
    check("bob#reconnect 9001#127.0.0.1", of_bob(Command::Reconnect { to, options }));
    let here = Command::Register { to: DeliverTo::Here, options };
    check("bob#register here#127.0.0.1", of_bob(here));
    check("bob#deregister#127.0.0.1", of_bob(Command::Deregister));
    check("bob#disconnect#127.0.0.1", of_bob(Command::Disconnect));
    check("bob#members#127.0.0.1", of_bob(Command::Query(Query::List(Listing::Members))));
    check("bob#stats#127.0.0.1", of_bob(Command::Query(Query::List(Listing::Stats))));
    check("bob#ping#127.0.0.1", of_bob(Command::Query(Query::Ping)));
    check("bob#msend hi#127.0.0.1", of_bob(Command::Msend { text: "hi".into() }));
}

#[test]
fn an_unknown_command_gets_the_words_that_are_understood() {
    let expected = "command: expected register, reconnect, deregister, disconnect, msend, send, \
                    members, stats or ping";
    assert_eq!(Malformed::Command.to_string(), expected);
    let words = expected.trim_start_matches("command: expected ").replace(" or ", ", ");
    for word in words.split(", ") {
        let line = format!("bob#{word}#127.0.0.1");
        assert_ne!(Request::parse(line.as_bytes()), Err(Malformed::Command), "{word}");
    }
}

#[test]
fn the_id_has_1_to_64_of_its_characters() {
    let all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
    for id in ["a", "-", ".", "_", "0", "gap", "hello", all, &"x".repeat(64)] {
        let line = format!("{id}#ping#127.0.0.1");
        check(&line, Ok(Request { id, command: Command::Query(Query::Ping), ip: Some(LOCAL) }));
    }
    for id in ["", " ", "b b", " bob", "bob ", "b\tb", "b/b", "ä", "b\0", &"x".repeat(65)] {
        check(format!("{id}#ping#127.0.0.1"), Err(Malformed::Id));
    }
}

#[test]
fn the_ip_is_a_literal_without_scope() {
    for (text, ip) in [
        ("192.0.2.1", Some(IpAddr::from([192, 0, 2, 1]))),
        ("::1", Some(Ipv6Addr::LOCALHOST.into())),
        ("2001:DB8::A", Some("2001:db8::a".parse().unwrap())),
        ("::ffff:192.0.2.1", Some(IpAddr::from([192, 0, 2, 1]))),
        ("0.0.0.0", Some(Ipv4Addr::UNSPECIFIED.into())),
        ("-", None),
    ] {
        let line = format!("bob#ping#{text}");
        check(&line, Ok(Request { id: "bob", command: Command::Query(Query::Ping), ip }));
    }
    for ip in [
        "",
        " 127.0.0.1",
        "127.0.0.1 ",
        "127.0.0.1\r",
        "127.1",
        "127.0.0.01",
        "256.0.0.1",
        "127.0.0.1:9001",
        "localhost",
        "fe80::1%lo",
        "fe80::1%1",
        "[::1]",
        ":::",
        "1:2:3:4:5:6:7",
    ] {
        check(format!("bob#ping#{ip}"), Err(Malformed::Ip));
    }
}

#[test]
fn the_command_is_one_of_eight_lower_case_words() {
    for command in
        ["", " ", "Ping", "PING", "pin", "pings", " ping", "quit", "registe 9001", "ping\t", "x#y"]
    {
        check_command(command, Malformed::Command);
    }
    for word in ["deregister", "disconnect", "members", "stats", "ping"] {
        check_command(&format!("{word} "), Malformed::Arguments(word));
        check_command(&format!("{word} 1"), Malformed::Arguments(word));
        check_command(&format!("{word}\t"), Malformed::Command);
    }
}

#[test]
fn the_port_is_here_or_plain_digits_from_1_to_65535() {
    for word in ["register", "reconnect"] {
        for port in [1, 80, 1024, 65_535] {
            assert!(Request::parse(format!("bob#{word} {port}#::1").as_bytes()).is_ok(), "{port}");
        }
        check_command(word, Malformed::NoPort);
        for port in [
            "",
            " 9001",
            "0",
            "00",
            "09001",
            "65536",
            "99999",
            "100000",
            "+9001",
            "-1",
            "9001x",
            "0x50",
            "acks=1",
            "\u{661}",
            "18446744073709560617",
            "HERE",
            "here1",
            "-",
        ] {
            check_command(&format!("{word} {port}"), Malformed::Port);
        }
    }
}

#[test]
fn a_text_is_kept_byte_for_byte() {
    for text in
        [" ", "  two", "a#b", "#", "##", "x#127.0.0.9", "\t", "größer 世界 🦀", "~", "\u{a0}"]
    {
        check(format!("bob#msend {text}#127.0.0.1"), of_bob(Command::Msend { text: text.into() }));
    }
}

#[test]
fn a_text_has_a_character_and_no_control_character_but_tab() {
    check_command("msend", Malformed::TextEmpty);
    check_command("msend ", Malformed::TextEmpty);
    for control in (0..=0x1f).chain(0x7f..=0x9f).filter_map(char::from_u32) {
        let expected = if control == '\t' { None } else { Some(Malformed::TextControl) };
        for text in [format!("{control}"), format!("a{control}b"), format!("ä{control}")] {
            let line = format!("bob#msend {text}#127.0.0.1");
            assert_eq!(Request::parse(line.as_bytes()).err(), expected, "{control:?}");
        }
    }
}

#[test]
fn a_line_that_is_no_request_is_named() {
    check("", Err(Malformed::Empty));
    for line in [&b"\xff"[..], b"bob#msend \xc3#127.0.0.1", b"bob#msend \xed\xa0\x80#127.0.0.1"] {
        check(line, Err(Malformed::NotUtf8));
    }
    for line in ["bob", " ", "ping", "\0"] {
        check(line, Err(Malformed::NoCommand));
    }
    for line in ["bob#", "bob#ping", "bob#msend a"] {
        check(line, Err(Malformed::NoIp));
    }
}

#[test]
fn of_several_errors_the_leftmost_is_named() {
    for (line, malformed) in [
        (&b"b b#nonsense#\xff"[..], Malformed::NotUtf8),
        (b"b b#nonsense", Malformed::Id),
        (b"b b#nonsense#nowhere", Malformed::Id),
        (b"bob#nonsense#nowhere", Malformed::Command),
        (b"bob#register 0 what=1#nowhere", Malformed::Port),
        (b"bob#register 1 what=1 acks=2#nowhere", Malformed::Option),
        (b"bob#register 1 acks=2 what=1#nowhere", Malformed::Acks),
        (b"bob#register 1 acks=1 acks=1 nonce=x#nowhere", Malformed::OptionDoubled),
        (b"bob#msend \0#nowhere", Malformed::TextControl),
        (b"bob#ping #nowhere", Malformed::Arguments("ping")),
        (b"bob#ping#nowhere", Malformed::Ip),
    ] {
        check(line, Err(malformed));
    }
}

#[test]
fn every_reason_begins_with_the_part_it_is_about() {
    for (malformed, part) in [
        (Malformed::Empty, "line: "),
        (Malformed::NotUtf8, "line: "),
        (Malformed::Id, "id: "),
        (Malformed::NoCommand, "command: "),
        (Malformed::Command, "command: "),
        (Malformed::Arguments("ping"), "command: ping "),
        (Malformed::NoPort, "port: "),
        (Malformed::Port, "port: "),
        (Malformed::Option, "option: "),
        (Malformed::OptionDoubled, "option: "),
        (Malformed::Acks, "option acks: "),
        (Malformed::Nonce, "option nonce: "),
        (Malformed::Since, "option since: "),
        (Malformed::SinceOnRegister, "option since: "),
        (Malformed::SinceAbove(Seq::new(7)), "option since: above 7"),
        (Malformed::Secret, "option secret: "),
        (Malformed::SecretOnReconnect, "option secret: "),
        (Malformed::TextEmpty, "text: "),
        (Malformed::TextControl, "text: "),
        (Malformed::NoIp, "ip: "),
        (Malformed::Ip, "ip: "),
    ] {
        let words = malformed.to_string();
        assert!(words.starts_with(part), "{words:?} does not begin with {part:?}");
        assert!(!words.contains('\n'));
    }
}

/// A character that a text may contain, with more `#` and TAB than by chance.
fn text_char() -> impl Strategy<Value = char> {
    let any = any::<char>().prop_map(|c| if c.is_control() { '\u{a0}' } else { c });
    prop_oneof![Just('#'), Just('\t'), any]
}

fn options(since: bool) -> impl Strategy<Value = (bool, Option<String>, Option<Since>)> {
    let number = any::<(u64, u64)>();
    let since = option::weighted(if since { 0.5 } else { 0.0 }, number).prop_map(|number| {
        number.map(|(epoch, seq)| Since { epoch: Epoch::new(epoch), seq: Seq::new(seq) })
    });
    (any::<bool>(), option::of("[0-9a-fA-F]{1,64}"), since)
}

fn ip() -> impl Strategy<Value = Option<IpAddr>> {
    any::<Option<IpAddr>>().prop_map(|ip| ip.map(|ip| ip.to_canonical()))
}

fn to() -> impl Strategy<Value = DeliverTo> {
    prop_oneof![Just(DeliverTo::Here), (1..=u16::MAX).prop_map(DeliverTo::Port)]
}

proptest! {
    #[test]
    fn a_register_or_reconnect_reads_as_it_was_written(
        id in "[A-Za-z0-9._-]{1,64}",
        ip in ip(),
        to in to(),
        again in any::<bool>(),
        (acks, nonce, since) in options(true),
        last in option::of(any::<u64>()),
        secret in option::of("[0-9a-f]{32}"),
    ) {
        let nonce = nonce.as_deref();
        let secret = secret.as_deref().and_then(SecretText::parse);
        let command = if again {
            let options = Options { acks, nonce, since, ..Options::default() };
            Command::Reconnect { to, options }
        } else {
            Command::Register { to, options: Options { acks, nonce, since: None, last, secret } }
        };
        let request = Request { id: &id, command, ip };
        let line = request.reveal();
        check(line.strip_suffix('\n').unwrap(), Ok(request));
    }

    #[test]
    fn a_text_sent_reads_as_it_was_written(
        id in "[A-Za-z0-9._-]{1,64}",
        ip in ip(),
        text in vec(text_char(), 1..200).prop_map(String::from_iter),
    ) {
        let command = Command::Msend { text: text.as_str().into() };
        let request = Request { id: &id, command, ip };
        check(request.to_string(), Ok(request));
    }

    #[test]
    fn a_bare_command_reads_as_it_was_written(id in "[A-Za-z0-9._-]{1,64}", ip in ip()) {
        let bare = [Command::Deregister, Command::Disconnect].into_iter();
        for command in bare.chain(Query::ALL.map(Command::Query)) {
            let request = Request { id: &id, command, ip };
            check(request.to_string(), Ok(request));
        }
    }

    /// A line that parses gives the same request when it is written and parsed again.
    #[test]
    fn no_line_is_understood_in_two_ways(
        line in vec(prop_oneof![Just(b'#'), Just(b' '), any::<u8>(), 0x20..0x7f_u8], 0..100),
        start in prop::sample::select(vec!["", "bob#", "bob#msend ", "bob#register 9001 "]),
    ) {
        let line = [start.as_bytes(), &line, b"#::1"].concat();
        if let Ok(request) = Request::parse(&line) {
            check(request.to_string(), Ok(request));
        }
    }
}

/// Compares with a test of each character, for each length, position and character.
#[test]
fn a_text_is_tested_as_one_character_after_the_other_would_be() {
    let expected = |text: &str| match text.chars().all(|c| !c.is_control() || c == '\t') {
        _ if text.is_empty() => Some(Malformed::TextEmpty),
        true => None,
        false => Some(Malformed::TextControl),
    };
    let others =
        ['\0', '\t', '\n', '\x1f', ' ', '~', '\x7f', '\u{80}', '\u{9f}', '\u{a0}', '\u{ffff}'];
    for length in 0..=40 {
        for (position, other) in (0..=length).flat_map(|at| others.map(|other| (at, other))) {
            for (fill, second) in [('x', None), (' ', Some('\x7f')), ('~', Some('\t'))] {
                let mut text: Vec<char> = vec![fill; length];
                if let Some(at) = text.get_mut(position) {
                    *at = other;
                }
                if let (Some(at), Some(second)) = (text.get_mut(position / 2), second) {
                    *at = second;
                }
                let text: String = text.into_iter().collect();
                assert_eq!(Text::parse(text.as_bytes()).err(), expected(&text), "{text:?}");
            }
        }
    }
}
