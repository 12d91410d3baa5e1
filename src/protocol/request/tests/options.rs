//! Options of `register` and `reconnect`.

use super::*;

#[test]
fn each_option_may_be_given_once_in_any_order() {
    let epoch = Epoch::new(0xab);
    let since = Some(Since { epoch, seq: Seq::new(7) });
    let all = Options { acks: true, nonce: Some("aF09"), since, last: None, secret: None };
    let line = "bob#reconnect 1 since=00000000000000ab:7 nonce=aF09 acks=1#127.0.0.1";
    check(line, of_bob(Command::Reconnect { to: DeliverTo::Port(1), options: all }));
    let two = Options { since: None, ..all };
    let line = "bob#register 1 acks=1 nonce=aF09#127.0.0.1";
    check(line, of_bob(Command::Register { to: DeliverTo::Port(1), options: two }));
    let line = "bob#register 1 last=0 nonce=aF09 acks=1#127.0.0.1";
    let options = Options { last: Some(0), ..two };
    check(line, of_bob(Command::Register { to: DeliverTo::Port(1), options }));
    let longest = "f".repeat(64);
    let line = format!("bob#register 1 nonce={longest}#127.0.0.1");
    let options = Options { nonce: Some(&longest), ..Options::default() };
    check(&line, of_bob(Command::Register { to: DeliverTo::Port(1), options }));
}

#[test]
fn a_bad_option_is_named() {
    let (e, over) = ("00000000000000ab", "0".repeat(65));
    for word in ["register", "reconnect"] {
        let check = |options: &str, malformed| {
            check_command(&format!("{word} 9001 {options}"), malformed);
        };
        for option in ["", " ", "acks", "what", "what=1", "Acks=1", "=1", "acks=1 ", "acks=1  x=1"]
        {
            check(option, Malformed::Option);
        }
        for value in ["", "0", "2", "01", "yes", "1\t"] {
            check(&format!("acks={value}"), Malformed::Acks);
        }
        for value in ["", "g", "0x1", "-1", "a b=", &over] {
            let expected = if value == "a b=" { Malformed::Option } else { Malformed::Nonce };
            check(&format!("nonce={value}"), expected);
        }
        check("acks=1 acks=1", Malformed::OptionDoubled);
        check("nonce=a nonce=b", Malformed::OptionDoubled);
    }
    check_command("register 9001 since=0:0", Malformed::SinceOnRegister);
    for value in [
        "",
        e,
        ":1",
        &format!("{e}:"),
        &format!("{e}:01"),
        &format!("{e}:+1"),
        &format!("{e}:-1"),
        &format!("{e}:1:2"),
        &format!("{e}:18446744073709551616"),
        &format!("{e}:100000000000000000000"),
        "00000000000000AB:1",
        "0000000000000ab:1",
        "000000000000000ab:1",
        "+0000000000000ab:1",
        "000000000000000g:1",
    ] {
        check_command(&format!("reconnect 9001 since={value}"), Malformed::Since);
    }
    check_command("reconnect 9001 last=1", Malformed::LastOnReconnect);
    for value in ["", "-1", "+1", "01", "x", "1:1", "18446744073709551616"] {
        check_command(&format!("register 9001 last={value}"), Malformed::Last);
    }
    check_command("register 9001 last=1 last=1", Malformed::OptionDoubled);
    let secret = "0f".repeat(16);
    check_command(&format!("reconnect 9001 secret={secret}"), Malformed::SecretOnReconnect);
    for value in ["", "0f", &secret.to_uppercase(), &format!("{secret}0"), "..."] {
        check_command(&format!("register 9001 secret={value}"), Malformed::Secret);
    }
    let twice = format!("register here secret={secret} secret={secret}");
    check_command(&twice, Malformed::OptionDoubled);
    let twice = format!("reconnect 9001 since={e}:1 since={e}:1");
    check_command(&twice, Malformed::OptionDoubled);
}

#[test]
fn a_secret_stands_in_the_line_for_the_wire_and_in_no_other_text() {
    let secret = "0f".repeat(16);
    let line = format!("bob#register here acks=1 secret={secret}#-");
    let request = Request::parse(line.as_bytes()).unwrap();
    assert_eq!(request.reveal(), line.clone() + "\n");
    assert_eq!(request.to_string(), line.replace(&secret, "..."));
    assert!(!format!("{request:?}").contains(&secret), "{request:?}");
    let Command::Register { options: Options { secret: Some(text), .. }, .. } = request.command
    else {
        panic!("{request:?}")
    };
    assert_eq!(text.secret().reveal(), secret);
}
