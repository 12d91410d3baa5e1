//! Colours of senders on a terminal: each sender has one colour, the same in every run.

use std::ffi::OsStr;

use crate::session::Message;
use crate::text;

/// Foreground colours of the 16-colour set that can be read on dark and on light backgrounds: red,
/// green, magenta, cyan, bright blue, bright magenta.
const COLOURS: [&str; 6] = ["\x1b[31m", "\x1b[32m", "\x1b[35m", "\x1b[36m", "\x1b[94m", "\x1b[95m"];

const DEFAULT_COLOUR: &str = "\x1b[39m";

/// Returns true if text for this output may have colours. `no_color` and `term` are the variables
/// `NO_COLOR` (no-color.org) and `TERM` of the environment.
pub(super) fn shows_colours(
    is_terminal: bool,
    no_color: Option<&OsStr>,
    term: Option<&OsStr>,
) -> bool {
    let is_refused = no_color.is_some_and(|value| !value.is_empty());
    let is_able = term.is_some_and(|term| !term.is_empty() && term != "dumb");
    is_terminal && !is_refused && is_able
}

/// Appends a message for the user, escaped for a terminal, with the sender in its colour.
pub(super) fn push_coloured(message: &Message, shown: &mut String) {
    shown.push_str(itoa::Buffer::new().format(message.seq().as_u64()));
    shown.push(' ');
    shown.push_str(colour_of(message.sender()));
    shown.push_str(message.sender());
    shown.push_str(DEFAULT_COLOUR);
    shown.push_str(": ");
    message.push_text(shown, text::for_terminal);
}

/// Returns the colour of a sender, by the FNV-1a hash of its id.
fn colour_of(id: &str) -> &'static str {
    let hash = id
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let folded = hash ^ (hash >> 16); // The low bits alone are alike for short ids.
    let number = usize::try_from(folded).unwrap_or_default() % COLOURS.len();
    COLOURS.get(number).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::protocol::{Delivery, Seq};
    use crate::session::LogEntry;
    use crate::time::UnixMillis;

    #[test]
    fn colours_need_a_terminal_that_can_show_them_and_a_user_who_wants_them() {
        for (is_terminal, no_color, term, expected) in [
            (true, None, Some("xterm"), true),
            (true, Some(""), Some("xterm"), true),
            (true, Some("0"), Some("xterm"), false),
            (true, Some("1"), Some("xterm"), false),
            (true, None, Some("dumb"), false),
            (true, None, Some(""), false),
            (true, None, None, false),
            (false, None, Some("xterm"), false),
        ] {
            let shows = shows_colours(is_terminal, no_color.map(OsStr::new), term.map(OsStr::new));
            assert_eq!(shows, expected, "{is_terminal} {no_color:?} {term:?}");
        }
    }

    #[test]
    fn without_its_codes_a_coloured_message_is_the_plain_one() {
        let mut seen = BTreeSet::new();
        for number in 0..100 {
            let sender = format!("member{number}");
            let (seq, accepted) = (Seq::new(number), UnixMillis(0));
            let delivery = Delivery { seq, sender: &sender, accepted, text: "\x1b[2J" };
            let message = Message::from(delivery);
            let [mut coloured, mut plain] = [String::new(), String::new()];
            push_coloured(&message, &mut coloured);
            LogEntry::Message(message).push_to(&mut plain);
            let (_, code) = coloured.split_once(' ').unwrap();
            let (code, _) = code.split_once(&sender).unwrap();
            seen.insert(code.to_owned());
            let coloured = coloured.replacen(code, "", 1).replacen(DEFAULT_COLOUR, "", 1);
            assert_eq!(coloured, plain);
        }
        assert_eq!(seen, COLOURS.map(str::to_owned).into(), "each colour is used");
    }

    #[test]
    fn a_sender_keeps_its_colour_in_every_run() {
        assert_eq!(["alice", "bob", "carol"].map(colour_of), ["\x1b[32m", "\x1b[94m", "\x1b[31m"]);
    }
}
