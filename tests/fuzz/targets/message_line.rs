//! Lines of the message socket, as a participant reads them.

use groupcast::limits::BYE_REASON_BYTES_MAX;
use groupcast::protocol::{Bye, Delivery, Gap, MessageLine, TimeText};
use groupcast::session::LogEntry;

use super::{simple_id, simple_number};

/// Checks the bytes as a line without its LF.
pub fn check(bytes: &[u8]) {
    // A line that is not UTF-8 ends the message socket before it is parsed.
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parsed = MessageLine::parse(text);
    assert_eq!(parsed.is_ok(), is_line(text), "{text:?}: {parsed:?}");
    let Ok(line) = parsed else { return };
    assert_eq!(line.to_string(), text);
    match line {
        MessageLine::Delivery(delivery) => check_delivery(delivery, text),
        MessageLine::Gap(gap) => check_gap(gap),
        MessageLine::Bye(reason) => {
            if let Some(bye) = Bye::parse(reason) {
                assert_eq!(Bye::parse(&bye.to_string()), Some(bye));
            }
        }
        MessageLine::Hello { .. } => (),
    }
}

fn check_delivery(delivery: Delivery<'_>, text: &str) {
    let mut encoded = Vec::new();
    delivery.encode(&mut TimeText::default(), &mut encoded);
    assert_eq!(encoded, format!("{text}\n").as_bytes());
    assert_eq!(encoded.len(), delivery.encoded_bytes());
    let mut shown = String::new();
    LogEntry::Message(delivery.into()).push_to(&mut shown);
    let is_harmful = |char: char| char.is_control() && char != '\t';
    assert!(!shown.contains(is_harmful), "{shown:?} can control a terminal");
    let plain = format!("{} {}: {}", delivery.seq, delivery.sender, delivery.text);
    let is_printable = |char| matches!(char, '\t' | ' '..='~');
    if plain.chars().all(is_printable) {
        assert_eq!(shown, plain);
    }
}

fn check_gap(gap: Gap) {
    let numbers = gap.last.as_u64().checked_sub(gap.first.as_u64()).map(|span| span as u128 + 1);
    assert!((1..=numbers.unwrap_or(0)).contains(&u128::from(gap.count)), "{gap:?}");
}

/// Returns true for a line of the message socket, by the words of PROTOCOL.md.
fn is_line(text: &str) -> bool {
    match text.split('#').collect::<Vec<_>>().as_slice() {
        ["hello", nonce, epoch] => is_hex(nonce, 1, 64) && is_epoch(epoch),
        ["gap", count, first, last] => {
            let [count, first, last] = [count, first, last].map(|number| simple_number(number));
            let (Some(count), Some(first), Some(last)) = (count, first, last) else { return false };
            first > 0 && first <= last && count > 0 && count - 1 <= last - first
        }
        ["hello" | "gap", ..] => false,
        ["bye", rest @ ..] => {
            let reason = rest.join("#");
            let is_printable = reason.bytes().all(|byte| (0x20..0x7F).contains(&byte));
            is_printable && !reason.is_empty() && reason.len() <= BYE_REASON_BYTES_MAX
        }
        [seq, sender, accepted, text @ ..] => {
            simple_number(seq).is_some_and(|seq| seq > 0)
                && simple_id(sender)
                && simple_number(accepted).is_some()
                && !text.join("#").is_empty()
        }
        _ => false,
    }
}

fn is_hex(text: &str, shortest: usize, longest: usize) -> bool {
    (shortest..=longest).contains(&text.len()) && text.chars().all(|it| it.is_ascii_hexdigit())
}

fn is_epoch(text: &str) -> bool {
    is_hex(text, 16, 16) && !text.contains(char::is_uppercase)
}
