use super::*;
use crate::config::key::{ConfigKey, KEYS};
use crate::config::{
    CountLimits, HttpConfig, PeerTimeouts, PresenceConfig, SecurityConfig, StorageConfig, Timeouts,
};
use crate::limits::{Overflow, SyncPolicy};

/// Options as they are given.
fn source(options: &[(&str, &str)]) -> ConfigSource {
    let mut source = ConfigSource::default();
    for (name, value) in options {
        let value = (*value).to_owned();
        match *name {
            "port" => source.port = Some(value),
            "ttl" => source.ttl = Some(value),
            _ => source.keys.push((Program::Coordinator.find_key(name).unwrap().name, value)),
        }
    }
    source
}

/// Parses `text` and `options`, and compares the config or the error.
#[track_caller]
fn check(text: &str, options: &[(&str, &str)], expected: Result<CoordinatorConfig, &str>) {
    let source = ConfigSource { file: Some("c.txt".into()), ..source(options) };
    let config = source.parse(Some(text.as_bytes()));
    assert_eq!(config.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
}

const DEFAULT: CoordinatorConfig = CoordinatorConfig::new(5000, 60);

#[test]
fn port_and_ttl_come_first_and_everything_else_may_be_left_out() {
    check("5000\n60\n", &[], Ok(DEFAULT));
    check("0\n0", &[], Ok(CoordinatorConfig::new(0, 0)));
    check("65535\n31536000\n", &[], Ok(CoordinatorConfig::new(65_535, 31_536_000)));
    let port = "expected a port from 0 to 65535";
    for (text, found) in [
        ("", "c.txt:1: port: found the end of the file"),
        ("\n// 5000\n", "c.txt:2: port: found the end of the file"),
        ("65536\n60\n", "c.txt:1: port: found \"65536\""),
        ("-1\n60\n", "c.txt:1: port: found \"-1\""),
        ("+5000\n60\n", "c.txt:1: port: found \"+5000\""),
        ("\n\nport=5000\n60\n", "c.txt:3: port: found \"port=5000\""),
        ("5000 60\n", "c.txt:1: port: found \"5000 60\""),
    ] {
        check(text, &[], Err(&format!("{found}, {port}")));
    }
    let ttl = "expected whole seconds from 0 to 31536000";
    for (text, found) in [
        ("5000\n", "c.txt:1: ttl: found the end of the file"),
        ("5000\n\n", "c.txt:2: ttl: found the end of the file"),
        ("5000\n31536001\n", "c.txt:2: ttl: found \"31536001\""),
        ("5000\n1.5\n", "c.txt:2: ttl: found \"1.5\""),
        ("5000\n-1\n", "c.txt:2: ttl: found \"-1\""),
        ("5000\nmax_line=1k\n", "c.txt:2: ttl: found \"max_line=1k\""),
    ] {
        check(text, &[], Err(&format!("{found}, {ttl}")));
    }
}

#[test]
fn port_and_ttl_are_options_too_which_win_and_need_no_file() {
    check("5000\n60\n", &[("port", "7"), ("ttl", "0")], Ok(CoordinatorConfig::new(7, 0)));
    check("5000\n60\n", &[("ttl", "9")], Ok(CoordinatorConfig::new(5000, 9)));
    let port = "c.txt:1: port: found \"x\", expected a port from 0 to 65535";
    check("x\n60\n", &[("port", "7")], Err(port));
    let without_file = |options: &[(&str, &str)], expected: Result<CoordinatorConfig, &str>| {
        let config = source(options).load(Fifos::Awaited).map_err(|error| error.to_string());
        assert_eq!(config, expected.map_err(str::to_owned), "{options:?}");
    };
    without_file(&[("port", "5000"), ("ttl", "60")], Ok(DEFAULT));
    let options = [("port", "5000"), ("ttl", "60"), ("max_line", "1k")];
    without_file(&options, Ok(CoordinatorConfig { max_line: 1024, ..DEFAULT }));
    for (options, missing) in [
        (&[][..], "expected one, or --port and --ttl"),
        (&[("max_line", "1k")], "expected one, or --port and --ttl"),
        (&[("port", "x")], "expected --ttl too, or one config file"),
        (&[("ttl", "x")], "expected --port too, or one config file"),
    ] {
        without_file(options, Err(&format!("found 0 config files, {missing}")));
    }
    let port = "--port: found \"65536\", expected a port from 0 to 65535";
    without_file(&[("port", "65536"), ("ttl", "60")], Err(port));
    let ttl = "--ttl: found \"1.5\", expected whole seconds from 0 to 31536000";
    without_file(&[("port", "1"), ("ttl", "1.5")], Err(ttl));
}

#[test]
fn blank_lines_comments_and_byte_order_marks_are_skipped_everywhere() {
    let config =
        CoordinatorConfig { counts: CountLimits { max_members: 5, ..DEFAULT.counts }, ..DEFAULT };
    check("\u{feff}5000\r\n60\r\nmax_members=5\r\n", &[], Ok(config.clone()));
    check("//a\n\n \t5000 \n//b\n60\n\u{feff}\n//\nmax_members=5", &[], Ok(config.clone()));
    check("5000\n60\n \u{feff} max_members \t=  5 \r\n", &[], Ok(config));
}

/// Values of all keys that are no defaults.
const VALUES: [(&str, &str); 28] = [
    ("bind", "::1"),
    ("max_backlog", "2g"),
    ("overflow", "drop-oldest"),
    ("keep", "20"),
    ("max_line", "1m"),
    ("max_connections", "7"),
    ("max_connections_per_address", "6"),
    ("max_members", "8"),
    ("max_members_per_address", "9"),
    ("forget_after", "1.5"),
    ("presence", "yes"),
    ("presence_delay", "0.25"),
    ("line_timeout", "1.5"),
    ("connect_timeout", "0.25"),
    ("stall_timeout", "86400"),
    ("keepalive", "600"),
    ("user_timeout", "1200.5"),
    ("log_level", "trace"),
    ("allow_foreign_ip", "yes"),
    ("data_dir", "/var/lib/my group"),
    ("sync", "250ms"),
    ("tls", "c.keys"),
    ("ca", "ca.pem"),
    ("access", "access.txt"),
    ("http", "127.0.0.1:9090"),
    ("http_token_file", "token.txt"),
    ("http_names", "box.lan,box"),
    ("metrics_members", "5"),
];

#[test]
fn every_key_is_read_from_the_file_and_from_an_option() {
    let [tls, ca, access] = ["c.keys", "ca.pem", "access.txt"].map(|it| Some(it.into()));
    let peer = PeerTimeouts { keepalive_s: 600, user_ms: 1_200_500 };
    let config = CoordinatorConfig {
        listen: "[::1]:5000".parse().unwrap(),
        ttl_s: 60,
        max_backlog: 2 << 30,
        overflow: Overflow::DropOldest,
        max_line: 1 << 20,
        counts: CountLimits {
            keep: 20,
            max_connections: 7,
            max_connections_per_address: 6,
            max_members: 8,
            max_members_per_address: 9,
        },
        presence: PresenceConfig { forget_after_ms: 1_500, is_announced: true, delay_ms: 250 },
        timeouts: Timeouts { line_ms: 1_500, connect_ms: 250, stall_ms: 86_400_000, peer },
        log_level: LevelFilter::Trace,
        storage: StorageConfig {
            data_dir: Some("/var/lib/my group".into()),
            sync: SyncPolicy::Every(250),
            #[cfg(feature = "engine")]
            engine: DEFAULT.storage.engine,
        },
        security: SecurityConfig { allow_foreign_ip: true, tls, ca, access },
        http: HttpConfig {
            listen: Some("127.0.0.1:9090".parse().unwrap()),
            token_file: Some("token.txt".into()),
            names: vec!["box.lan".to_owned(), "box".to_owned()],
            members_max: 5,
        },
    };
    assert_eq!(VALUES.map(|(name, _)| name), KEYS.each_ref().map(|key| key.name));
    for key in &KEYS {
        assert_ne!((key.show)(&config), (key.show)(&DEFAULT), "{}", key.name);
    }
    let lines = |show: &dyn Fn(&ConfigKey) -> String| {
        let lines = KEYS.each_ref().map(|key| format!("{} = {}\n", key.name, show(key)));
        format!("5000\n60\n{}", lines.concat())
    };
    let file = lines(&|key| VALUES.iter().find(|(name, _)| *name == key.name).unwrap().1.into());
    check(&file, &[], Ok(config.clone()));
    check("5000\n60\n", &VALUES, Ok(config.clone()));
    check(&lines(&|key| (key.show)(&config)), &[], Ok(config.clone()));
    check(&lines(&|key| (key.show)(&DEFAULT)), &VALUES, Ok(config));
}

#[test]
fn a_wrong_value_is_reported_with_its_location() {
    let size = "(k = 1024, m = 1024^2, g = 1024^3 bytes)";
    let time = "seconds from 0.001 to 86400, with at most three decimals";
    let count = "a whole number from 1 to 1000000";
    let user = "seconds from 5 to 86400, with at most three decimals, or 0";
    let forget = "seconds from 0 to 315360000, with at most three decimals";
    let delay = "seconds from 0 to 86400, with at most three decimals";
    for (key, value, expected) in [
        ("bind", "localhost", "an IPv4 or IPv6 address of this machine"),
        ("bind", "224.0.0.1", "an IPv4 or IPv6 address of this machine"),
        ("bind", "fe80::1%eth0", value::NOT_LINK_LOCAL),
        ("max_backlog", "1025g", &format!("a size from 0 to 1024g {size}")),
        ("overflow", "drop", "reject or drop-oldest"),
        ("keep", "100001", "a whole number from 0 to 100000"),
        ("max_line", "511", &format!("a size from 512 to 16m {size}")),
        ("max_line", "16777217", &format!("a size from 512 to 16m {size}")),
        ("max_line", "", &format!("a size from 512 to 16m {size}")),
        ("max_connections", "0", count),
        ("max_connections_per_address", "0", count),
        ("max_members_per_address", "1000001", count),
        ("forget_after", "never", forget),
        ("forget_after", "315360000.001", forget),
        ("presence", "on", "yes or no"),
        ("presence_delay", "86400.001", delay),
        ("presence_delay", "-1", delay),
        ("max_members", "1000001", count),
        ("max_members", "1k", count),
        ("line_timeout", "0", time),
        ("connect_timeout", "86400.001", time),
        ("stall_timeout", "1m", time),
        ("keepalive", "0.5", "whole seconds from 1 to 32767, or 0"),
        ("keepalive", "32768", "whole seconds from 1 to 32767, or 0"),
        ("user_timeout", "4.999", user),
        ("user_timeout", "86401", user),
        ("log_level", "loud", "off, error, warn, info, debug or trace"),
        ("allow_foreign_ip", "true", "yes or no"),
        ("allow_foreign_ip", "yes // no", "yes or no"),
        ("sync", "sometimes", "always, never, or a pause from 1ms to 3600000ms"),
        ("sync", "0ms", "always, never, or a pause from 1ms to 3600000ms"),
        ("sync", "3600001ms", "always, never, or a pause from 1ms to 3600000ms"),
    ] {
        let file = format!("5000\n60\n\n{key}={value}\n");
        let wrong = format!("found {value:?}, expected {expected}");
        check(&file, &[], Err(&format!("c.txt:4: {key}: {wrong}")));
        let option = key.replace('_', "-");
        check("5000\n60\n", &[(key, value)], Err(&format!("--{option}: {wrong}")));
        let fine = (Program::Coordinator.find_key(key).unwrap().show)(&DEFAULT);
        check(&file, &[(key, &fine)], Err(&format!("c.txt:4: {key}: {wrong}")));
    }
}

#[test]
fn each_line_has_a_known_key_once() {
    let keys = "expected bind, max_backlog, overflow, keep, max_line, max_connections, \
                max_connections_per_address, max_members, max_members_per_address, \
                forget_after, presence, presence_delay, line_timeout, connect_timeout, \
                stall_timeout, keepalive, user_timeout, log_level, allow_foreign_ip, \
                data_dir, sync, tls, ca, access, http, http_token_file, http_names, \
                metrics_members";
    for (line, found) in [
        ("color=always", "c.txt:3: key: found \"color\""),
        ("MAX_LINE=1k", "c.txt:3: key: found \"MAX_LINE\""),
        ("max-line=1k", "c.txt:3: key: found \"max-line\""),
        ("=1k", "c.txt:3: key: found \"\""),
        ("a\u{1b}[2J=1", "c.txt:3: key: found \"a\\u{1b}[2J\""),
    ] {
        check(&format!("5000\n60\n{line}\n"), &[], Err(&format!("{found}, {keys}")));
    }
    let long = "x".repeat(81);
    let expected = "expected key=value, or a comment that begins with //";
    let found = format!("c.txt:3: line: found \"{}\"..., {expected}", "x".repeat(80));
    check(&format!("5000\n60\n{long}\n"), &[], Err(&found));
    let found = format!("c.txt:3: line: found \"# keep\", {expected}");
    check("5000\n60\n# keep\n", &[], Err(&found));
    check(
        "5000\n60\nmax_line=1k\n\nmax_line = 1k\n",
        &[],
        Err("c.txt:5: max_line: found a second value (the first is on line 3), expected one"),
    );
}

#[test]
fn a_key_of_a_site_names_the_program_that_takes_it() {
    for key in ["engine", "engine_ca", "group", "site"] {
        let expected = "a key of the coordinator: this one belongs to the program `site`";
        let wrong = format!("c.txt:3: key: found \"{key}\", expected {expected}");
        check(&format!("5000\n60\n{key}=a\n"), &[], Err(&wrong));
    }
}
