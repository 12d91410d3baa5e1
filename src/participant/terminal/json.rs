//! The output of `--json`: one object a line. `config/participant.schema.json` describes it.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use crate::participant::line_report::LineReport;
use crate::protocol::{ANNOUNCER, Gap, Seq};
use crate::session::{LogEntry, Message, NoticeKind};
use crate::text::push_json;
use crate::time::UnixMillis;

/// States that messages of [`ANNOUNCER`] tell.
const PRESENCE_STATES: [&str; 4] = ["registered", "online", "offline", "deregistered"];

/// Appends the object of an entry.
pub(super) fn push_entry(entry: &LogEntry, json: &mut String) {
    match entry {
        LogEntry::Message(message) => push_message(message, json),
        LogEntry::Gap(Gap { count, first, last }) => {
            // Writing to a string cannot fail.
            let _ = write!(
                json,
                "{{\"type\":\"gap\",\"count\":{count},\"first\":{first},\"last\":{last}}}"
            );
        }
        LogEntry::Epoch(epoch) => {
            let _ = write!(json, "{{\"type\":\"epoch\",\"epoch\":\"{epoch}\"}}");
        }
    }
}

/// Appends the object of a reply, an error or an event with this text.
pub(super) fn push_line(kind: NoticeKind, text: &str, json: &mut String) {
    match kind {
        NoticeKind::Reply if is_first_line(text) => {
            let is_ok = text.starts_with("OK");
            let _ = write!(json, "{{\"type\":\"reply\",\"ok\":{is_ok}");
        }
        NoticeKind::Reply | NoticeKind::Row => json.push_str("{\"type\":\"row\""),
        NoticeKind::Error => json.push_str("{\"type\":\"error\""),
        NoticeKind::Event => json.push_str("{\"type\":\"notice\""),
    }
    let text = match kind {
        NoticeKind::Reply | NoticeKind::Row => text,
        NoticeKind::Error | NoticeKind::Event => {
            text.strip_prefix("* ").or(text.strip_prefix("error: ")).unwrap_or(text)
        }
    };
    push_member("text", text, json);
    json.push('}');
}

/// Appends the object of a report about the lines of `--lines`.
pub(super) fn push_line_report(report: &LineReport, json: &mut String) {
    let LineReport { read, confirmed, kept, next } = report;
    let _ = write!(
        json,
        "{{\"type\":\"lines\",\"read\":{read},\"confirmed\":{confirmed},\"kept\":{kept},\
         \"next\":{next}}}"
    );
}

/// Returns true for the first line of a reply. Keys of `stats` are lower case.
fn is_first_line(text: &str) -> bool {
    ["OK ", "ERR "].iter().any(|beginning| text.starts_with(beginning))
}

fn push_message(message: &Message, json: &mut String) {
    match presence(message) {
        Some((id, state)) => {
            push_beginning("presence", message.seq(), message.accepted(), json);
            push_member("id", id, json);
            push_member("state", state, json);
        }
        None => {
            push_beginning("message", message.seq(), message.accepted(), json);
            push_member("sender", message.sender(), json);
            push_member("text", message.text(), json);
        }
    }
    json.push('}');
}

/// Returns id and state of a message about a member.
fn presence(message: &Message) -> Option<(&str, &str)> {
    let (id, state) = message.text().split_once(' ')?;
    let is_presence = message.sender() == ANNOUNCER && PRESENCE_STATES.contains(&state);
    is_presence.then_some((id, state))
}

fn push_beginning(kind: &str, seq: Seq, accepted: UnixMillis, json: &mut String) {
    let _ = write!(json, "{{\"type\":\"{kind}\",\"seq\":{seq},\"time\":\"");
    push_time(accepted, json);
    json.push('"');
}

/// Appends a time in UTC, as RFC 3339 wants it, with milliseconds.
/// A time after the year 9999 becomes the end of that year.
pub(in crate::participant) fn push_time(UnixMillis(millis): UnixMillis, shown: &mut String) {
    let millis = millis.min(UnixMillis::END_OF_9999.0);
    let time = UNIX_EPOCH + Duration::from_millis(millis);
    let _ = write!(shown, "{}", humantime::format_rfc3339_millis(time));
}

/// Appends a member of an object, behind another one.
fn push_member(name: &str, value: &str, json: &mut String) {
    json.push_str(",\"");
    json.push_str(name);
    json.push_str("\":");
    push_json(value, json);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Delivery;
    use crate::text::drives_a_terminal;

    fn line_of(sender: &str, text: &str) -> String {
        let (seq, accepted) = (Seq::new(7), UnixMillis(1_500));
        let message = Message::from(Delivery { seq, sender, accepted, text });
        let mut json = String::new();
        push_entry(&LogEntry::Message(message), &mut json);
        assert!(!json.chars().any(|char| char == '\t' || drives_a_terminal(char)), "{json:?}");
        json
    }

    fn object_of(sender: &str, text: &str) -> serde_json::Value {
        serde_json::from_str(&line_of(sender, text)).unwrap()
    }

    #[test]
    fn every_text_comes_back_from_its_json() {
        let all = (0..=0xffff).chain(0x1_f600..0x1_f700).filter_map(char::from_u32);
        let all = all.collect::<String>();
        for text in ["", "plain", "a \"quoted\" \\ text", all.as_str()] {
            let object = object_of("bob", text);
            assert_eq!(object["text"], text);
            assert_eq!(object["time"], "1970-01-01T00:00:01.500Z");
            assert_eq!(
                (object["seq"].as_u64(), object["type"].as_str()),
                (Some(7), Some("message"))
            );
        }
    }

    #[test]
    fn a_message_about_a_member_is_presence_and_no_other_is() {
        for state in PRESENCE_STATES {
            let object = object_of("@", &format!("bob {state}"));
            assert_eq!((&object["type"], &object["id"]), (&"presence".into(), &"bob".into()));
            assert_eq!(object["state"], state);
        }
        let line = "{\"type\":\"presence\",\"seq\":7,\"time\":\"1970-01-01T00:00:01.500Z\",\
                    \"id\":\"bob\",\"state\":\"online\"}";
        assert_eq!(line_of("@", "bob online"), line);
        for (sender, text) in [("bob", "bob online"), ("@", "bob asleep"), ("@", "online")] {
            assert_eq!(object_of(sender, text)["type"], "message");
        }
    }

    #[test]
    fn replies_rows_errors_and_events_have_types_of_their_own() {
        for (kind, line, expected) in [
            (NoticeKind::Reply, "OK ping", r#"{"type":"reply","ok":true,"text":"OK ping"}"#),
            (NoticeKind::Reply, "ERR 409 no", r#"{"type":"reply","ok":false,"text":"ERR 409 no"}"#),
            (NoticeKind::Reply, "uptime_s 3", r#"{"type":"row","text":"uptime_s 3"}"#),
            (NoticeKind::Row, "OK online", r#"{"type":"row","text":"OK online"}"#),
            (NoticeKind::Error, "error: a", r#"{"type":"error","text":"a"}"#),
            (NoticeKind::Event, "* a\tb", r#"{"type":"notice","text":"a\tb"}"#),
        ] {
            let mut json = String::new();
            push_line(kind, line, &mut json);
            assert_eq!(json, expected);
        }
    }
}
