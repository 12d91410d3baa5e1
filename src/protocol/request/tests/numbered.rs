//! Texts with a number.

use std::num::NonZeroU64;

use super::*;

#[test]
fn a_numbered_text_has_a_number_from_1_on() {
    let send = |number, text: &'static str| {
        let number = NonZeroU64::new(number).unwrap();
        of_bob(Command::Send { number, text: text.into() })
    };
    check("bob#send 1 hi#127.0.0.1", send(1, "hi"));
    check("bob#send 18446744073709551615  # #127.0.0.1", send(u64::MAX, " # "));
    for digits in 1..=19 {
        let number = (0..digits).fold(0, |number, digit| 10 * number + (digit + 1) % 10);
        check(format!("bob#send {number} 2 #127.0.0.1"), send(number, "2 "));
        check(format!("bob#send 0{number} hi#127.0.0.1"), Err(Malformed::Number));
        check(format!("bob#send {number}x hi#127.0.0.1"), Err(Malformed::Number));
        check(format!("bob#send {number}#127.0.0.1"), Err(Malformed::TextEmpty));
    }
    for arguments in ["", " ", " 0 hi", " 01 hi", " +1 hi", " -1 hi", " x hi", " 1\thi", "\t1 hi"] {
        let expected =
            if arguments.starts_with('\t') { Malformed::Command } else { Malformed::Number };
        check(format!("bob#send{arguments}#127.0.0.1"), Err(expected));
    }
    check("bob#send 18446744073709551616 hi#127.0.0.1", Err(Malformed::Number));
    for arguments in ["1", "1 "] {
        check(format!("bob#send {arguments}#127.0.0.1"), Err(Malformed::TextEmpty));
    }
    check("bob#send 1 \0#127.0.0.1", Err(Malformed::TextControl));
}
