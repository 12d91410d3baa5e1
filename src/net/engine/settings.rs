//! Settings of the stream: how it is founded, and how it must be found.

use serde_json::{Value, json};

use super::NewStream;
use super::api::{self, at};
use super::error::EngineError;
use super::names::Names;
use super::report::EngineSubject;
use crate::limits::engine::ENTRY_BYTES_MAX;

/// Settings that must be these. `Value::Null` stands for one that must not be set.
fn fixed(names: &Names) -> Vec<(&'static str, Value)> {
    let subjects = [EngineSubject::Log, EngineSubject::Snapshot].map(|it| names.subject(it));
    vec![
        ("/name", json!(names.stream)),
        ("/subjects", json!(subjects)),
        ("/republish/src", json!(names.all_subjects())),
        ("/republish/dest", json!(names.feed())),
        ("/republish/headers_only", json!(false)),
        ("/retention", json!("limits")),
        ("/storage", json!("file")),
        // A full stream refuses. It never drops old entries by itself.
        ("/discard", json!("new")),
        ("/discard_new_per_subject", json!(false)),
        ("/max_age", json!(0)),
        ("/max_msgs", json!(-1)),
        ("/max_msgs_per_subject", json!(-1)),
        ("/no_ack", json!(false)),
        ("/sealed", json!(false)),
        // Entries leave by a purge below a position, and in no other way.
        ("/deny_delete", json!(true)),
        ("/deny_purge", json!(false)),
        ("/allow_rollup_hdrs", json!(false)),
        ("/allow_msg_ttl", json!(false)),
        ("/allow_msg_schedules", json!(false)),
        ("/allow_msg_counter", json!(false)),
        ("/allow_atomic", json!(false)),
        ("/allow_batched", json!(false)),
        ("/mirror", Value::Null),
        ("/sources", Value::Null),
        ("/subject_transform", Value::Null),
    ]
}

/// A setting that an answer leaves out has this value.
fn default_of(expected: &Value) -> Value {
    match expected {
        Value::Bool(_) => json!(false),
        Value::Number(number) if number.as_i64() == Some(0) => json!(0),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            Value::Null
        }
    }
}

/// The configuration of a new stream. `founder` differs for each attempt, so that of two at once
/// one is refused: the server takes an equal configuration as the same stream.
pub(super) fn of_new_stream(names: &Names, new: NewStream, founder: &str) -> Value {
    let mut config = json!({
        "num_replicas": new.replicas,
        "max_bytes": new.bytes_max,
        "max_consumers": -1,
        "max_msg_size": -1,
        // No publish has a message id. Zero would mean two minutes.
        "duplicate_window": 1_000_000_000_u64,
        "republish": {},
        "metadata": { "groupcast-founder": founder },
    });
    for (path, value) in fixed(names) {
        let (parent, name) = path.rsplit_once('/').unwrap_or_default();
        let object = config.pointer_mut(parent).and_then(Value::as_object_mut);
        if let Some(object) = object.filter(|_| !value.is_null()) {
            object.insert(name.to_owned(), value);
        }
    }
    config
}

/// Compares the settings in an answer with those that are needed.
pub(super) fn check(answer: &Value, names: &Names) -> Result<(), EngineError> {
    let config = at(answer, "/config");
    let fault = |setting: &str, found: &Value, expected: String| EngineError::Setting {
        stream: names.stream.clone(),
        setting: setting.to_owned(),
        found: if found.is_null() { "unset".to_owned() } else { found.to_string() },
        expected,
    };
    for (path, expected) in fixed(names) {
        let found = config.pointer(path).cloned().unwrap_or_else(|| default_of(&expected));
        if found != expected {
            let shown = if expected.is_null() { "unset".to_owned() } else { expected.to_string() };
            return Err(fault(path.trim_start_matches('/'), &found, shown));
        }
    }
    // A stream without a limit would fill the disks of its servers.
    let bytes_max = at(config, "/max_bytes");
    if bytes_max.as_u64().is_none_or(|max| max < ENTRY_BYTES_MAX as u64) {
        return Err(fault("max_bytes", bytes_max, format!("at least {ENTRY_BYTES_MAX}")));
    }
    let message_bytes_max = at(config, "/max_msg_size");
    if message_bytes_max.as_i64().is_some_and(|max| max > 0 && max < ENTRY_BYTES_MAX as i64) {
        let expected = format!("-1 or at least {ENTRY_BYTES_MAX}");
        return Err(fault("max_msg_size", message_bytes_max, expected));
    }
    // With "async", a server acknowledges what it has not written.
    let persistence = at(config, "/persist_mode");
    if !matches!(persistence.as_str(), None | Some("" | "default")) {
        return Err(fault("persist_mode", persistence, "\"default\"".to_owned()));
    }
    api::stream(answer).map(drop).map_err(|error| EngineError::Unanswered {
        question: "STREAM.INFO",
        reason: error.reason(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> (Names, Value) {
        let names = Names::new("g").unwrap();
        let new = NewStream { replicas: 3, bytes_max: 1 << 30 };
        let config = of_new_stream(&names, new, "x");
        let state = json!({ "messages": 0, "first_seq": 0, "last_seq": 0, "bytes": 0 });
        let created = "2026-11-28T17:07:17.48306388Z";
        (names, json!({ "config": config, "state": state, "created": created }))
    }

    #[test]
    fn a_founded_stream_passes_also_without_settings_that_have_their_default() {
        let (names, mut answer) = answer();
        assert_eq!(check(&answer, &names), Ok(()));
        let config = answer["config"].as_object_mut().unwrap();
        for default in ["sealed", "allow_msg_ttl", "max_age", "no_ack"] {
            assert!(config.remove(default).is_some());
        }
        assert_eq!(check(&answer, &names), Ok(()));
    }

    #[test]
    fn each_other_setting_is_named_with_both_values() {
        let others = [
            ("/subjects", json!(["groupcast.g.>"]), "subjects"),
            ("/republish", Value::Null, "republish/src"),
            ("/republish/src", json!(">"), "republish/src"),
            ("/republish/dest", json!("x.>"), "republish/dest"),
            ("/republish/headers_only", json!(true), "republish/headers_only"),
            ("/retention", json!("interest"), "retention"),
            ("/storage", json!("memory"), "storage"),
            ("/discard", json!("old"), "discard"),
            ("/max_age", json!(1_000_000_000), "max_age"),
            ("/max_msgs", json!(10), "max_msgs"),
            ("/max_msgs_per_subject", json!(1), "max_msgs_per_subject"),
            ("/max_bytes", json!(-1), "max_bytes"),
            ("/max_msg_size", json!(1000), "max_msg_size"),
            ("/deny_delete", json!(false), "deny_delete"),
            ("/deny_purge", json!(true), "deny_purge"),
            ("/sealed", json!(true), "sealed"),
            ("/allow_rollup_hdrs", json!(true), "allow_rollup_hdrs"),
        ];
        for (path, value, setting) in others {
            let (names, mut answer) = answer();
            *answer["config"].pointer_mut(path).unwrap() = value;
            let error = check(&answer, &names).unwrap_err().to_string();
            assert!(error.contains(&format!(" has {setting} ")), "{path}: {error}");
            assert!(error.contains("expected "), "{path}: {error}");
        }
        let (names, mut answer) = answer();
        answer["config"]["mirror"] = json!({ "name": "X" });
        answer["config"]["persist_mode"] = json!("async");
        assert!(check(&answer, &names).unwrap_err().to_string().contains("has mirror {"));
        answer["config"].as_object_mut().unwrap().remove("mirror");
        assert!(check(&answer, &names).unwrap_err().to_string().contains("has persist_mode"));
    }
}
