//! Lines that a member writes on its message socket.

use groupcast::protocol::Ack;

/// Checks the bytes as a line without its LF.
pub fn check(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).ok();
    let expected = text.and_then(|text| text.strip_prefix("ack ")).and_then(super::simple_number);
    let parsed = Ack::parse(bytes);
    assert_eq!(parsed.ok().map(|ack| ack.seq.as_u64()), expected);
    if let Ok(ack) = parsed {
        assert_eq!(ack.to_string().as_bytes(), bytes);
    }
}
