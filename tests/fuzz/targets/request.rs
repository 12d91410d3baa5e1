//! Request lines.

use std::net::IpAddr;

use groupcast::protocol::{Command, LastRequest, Malformed, Request};

/// Checks the bytes as a whole line, and as the id, the text and the address of a line.
pub fn check(bytes: &[u8]) {
    if let Ok(request) = Request::parse(bytes) {
        let line = request.to_string();
        assert_eq!(Request::parse(line.as_bytes()), Ok(request), "{line}");
        let command = std::str::from_utf8(bytes).unwrap().split_once('#').unwrap().1;
        assert!(command.starts_with(request.command.word()), "{line}");
    }
    check_after_others(bytes);
    check_id(bytes);
    check_text(bytes);
    check_ip(bytes);
}

/// Checks the lines of the bytes as requests of one client, each of them twice.
fn check_after_others(bytes: &[u8]) {
    let mut last = LastRequest::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        for _ in 0..2 {
            assert_eq!(Request::parse_after(line, &mut last), Request::parse(line));
        }
    }
}

fn check_id(bytes: &[u8]) {
    let Ok(id) = std::str::from_utf8(bytes) else { return };
    if id.contains('#') {
        return;
    }
    let line = format!("{id}#ping#::1");
    let expected = if super::simple_id(id) { Ok(id) } else { Err(Malformed::Id) };
    assert_eq!(Request::parse(line.as_bytes()).map(|request| request.id), expected);
}

fn check_text(bytes: &[u8]) {
    let line = [b"a#msend ", bytes, b"#::1"].concat();
    let expected = match std::str::from_utf8(bytes) {
        Err(_) => Err(Malformed::NotUtf8),
        Ok("") => Err(Malformed::TextEmpty),
        Ok(text) if text.replace('\t', "").chars().any(char::is_control) => {
            Err(Malformed::TextControl)
        }
        Ok(text) => Ok(Command::Msend { text: text.into() }),
    };
    assert_eq!(Request::parse(&line).map(|request| request.command), expected);
}

fn check_ip(bytes: &[u8]) {
    let line = [b"a#ping#", bytes].concat();
    let expected = match std::str::from_utf8(bytes) {
        Err(_) => Err(Malformed::NotUtf8),
        // The last `#` is the one before the address.
        Ok(text) if text.contains('#') => Err(Malformed::Command),
        Ok("-") => Ok(None),
        Ok(text) => {
            let ip: Result<IpAddr, _> = text.parse();
            ip.map(|ip| Some(ip.to_canonical())).map_err(|_| Malformed::Ip)
        }
    };
    assert_eq!(Request::parse(&line).map(|request| request.ip), expected);
}
