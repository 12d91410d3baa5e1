//! Text for terminals and files: escapes of control characters, and counts with their nouns.

use std::fmt::{self, Write as _};

/// Escapes characters that can drive a terminal: control characters except TAB, line and paragraph
/// separators (U+2028, U+2029), which some viewers show as a line break, and bidirectional
/// controls, which can make one text look like another.
#[must_use]
pub fn for_terminal(text: &str) -> Escaped<'_> {
    Escaped { text, is_harmful: drives_a_terminal }
}

/// Escapes every control character except TAB, so that one line stays one line.
#[must_use]
pub fn for_file(text: &str) -> Escaped<'_> {
    Escaped { text, is_harmful: is_control }
}

/// A text whose harmful characters are escaped when it is displayed. All other characters stay as
/// they are, a backslash too.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a> {
    text: &'a str,
    is_harmful: fn(char) -> bool,
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain(self.text) {
            return f.write_str(self.text);
        }
        for char in self.text.chars() {
            match (self.is_harmful)(char) {
                true => write!(f, "{}", char.escape_unicode())?,
                false => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// A count and its noun, in the singular or in the plural: `1 entry`, `2 entries`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted<N>(pub(crate) N, pub(crate) &'static str, pub(crate) &'static str);

impl<N: fmt::Display + PartialEq + From<u8>> fmt::Display for Counted<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, one, many) = self;
        write!(f, "{count} {}", if *count == N::from(1) { one } else { many })
    }
}

/// A number of seconds, shown with its two largest units: `59 s`, `2 h 5 min`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Duration(pub(crate) u64);

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(seconds) = self;
        let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, "{seconds} s"),
            (0, 0, _) => write!(f, "{minutes} min {} s", seconds % 60),
            (0, _, _) => write!(f, "{hours} h {} min", minutes % 60),
            (_, _, _) => write!(f, "{days} d {} h", hours % 24),
        }
    }
}

/// Returns true if a text has only printable ASCII characters and TABs, which are harmless
/// everywhere.
///
/// This is the common case, and needs no decoding. The loop can end only after each piece of 32
/// bytes, so that the compiler can test all of them at once.
pub(crate) fn is_plain(text: &str) -> bool {
    let is_harmful = |byte: u8| !matches!(byte, b'\t' | b' '..=b'~');
    let (pieces, rest) = text.as_bytes().as_chunks::<32>();
    let any = |bytes: &[u8]| bytes.iter().fold(0, |any, &byte| any | u8::from(is_harmful(byte)));
    pieces.iter().all(|piece| any(piece) == 0) && any(rest) == 0
}

fn is_control(char: char) -> bool {
    char.is_control() && char != '\t'
}

/// Returns true for the characters that [`for_terminal`] escapes.
pub(crate) fn drives_a_terminal(char: char) -> bool {
    is_control(char)
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}')
        || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Appends a string of JSON. Characters that drive a terminal are escaped, too.
pub fn push_json(value: &str, json: &mut String) {
    json.push('"');
    for char in value.chars() {
        match char {
            '"' | '\\' => json.extend(['\\', char]),
            '\t' => json.push_str("\\t"),
            '\n' => json.push_str("\\n"),
            // They are all in the basic plane: four digits are enough.
            char if drives_a_terminal(char) => {
                // Writing to a string cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(char));
            }
            char => json.push(char),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_text_is_not_changed() {
        for text in ["", "plain \\ text", "tab\tbed", "gr\u{fc}\u{df}e \u{1f980}"] {
            assert_eq!(for_file(text).to_string(), text);
            assert_eq!(for_terminal(text).to_string(), text);
        }
    }

    #[test]
    fn every_character_that_drives_a_terminal_is_escaped() {
        for code in 0..=0x10_ffff {
            let Some(char) = char::from_u32(code) else { continue };
            let shown = for_terminal(&format!("a{char}b")).to_string();
            let harmful = char.is_control() && char != '\t'
                || [0x61c, 0x200e, 0x200f, 0x2028, 0x2029].contains(&code)
                || (0x202a..=0x202e).contains(&code)
                || (0x2066..=0x2069).contains(&code);
            assert_eq!(shown.contains(char), !harmful, "{code:x}");
        }
        assert_eq!(for_terminal("\u{1b}[2J").to_string(), "\\u{1b}[2J");
    }

    #[test]
    fn a_control_character_is_found_at_any_position() {
        for length in 1..100 {
            for at in 0..length {
                let mut text = vec![b'x'; length];
                text[at] = b'\n';
                let text = String::from_utf8(text).unwrap();
                let written = for_file(&text).to_string();
                assert_eq!(written, text.replace('\n', "\\u{a}"), "at {at} of {length}");
            }
        }
    }

    #[test]
    fn a_duration_has_its_two_largest_units() {
        for (seconds, expected) in
            [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3_600, "1 h 0 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(Duration(seconds).to_string(), expected);
        }
    }

    #[test]
    fn one_line_stays_one_line_in_a_file() {
        assert_eq!(for_file("a\r\nb").to_string(), "a\\u{d}\\u{a}b");
        assert_eq!(for_file("a\u{2028}b\u{2029}").to_string(), "a\u{2028}b\u{2029}");
        assert_eq!(for_file("a\r\nb\u{85}\u{202e}").to_string(), "a\\u{d}\\u{a}b\\u{85}\u{202e}");
    }
}
