//! Questions to JetStream and its answers, which are JSON.

use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::names::Names;
use super::report::{EngineEntry, EngineStream, Follower};
use crate::limits::engine::REASON_BYTES_MAX;

/// Error codes of JetStream.
const NO_STREAM: u64 = 10_059;
const NO_MESSAGE: u64 = 10_037;
const NOT_STORED: u64 = 10_077;
const TOO_LONG: u64 = 10_054;
/// A stream of that name exists, with other settings.
const NAME_IN_USE: u64 = 10_058;

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ApiError {
    /// No server takes the subject: there is no leader, or no stream.
    NoResponders,
    NoStream,
    NoMessage,
    NameInUse,
    /// The stream refuses an entry before it stores it: it is full, or the entry is too long.
    RefusedEntry(String),
    Other(String),
}

impl ApiError {
    /// Returns the reason for people.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::NoResponders => "no server leads the stream".to_owned(),
            Self::NoStream => "there is no such stream".to_owned(),
            Self::NoMessage => "there is no such entry".to_owned(),
            Self::NameInUse => "the stream exists".to_owned(),
            Self::RefusedEntry(reason) | Self::Other(reason) => reason.clone(),
        }
    }

    fn of(error: &Value) -> Self {
        let mut reason =
            at(error, "/description").as_str().unwrap_or("an unnamed error").to_owned();
        reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
        let is_limit = reason.starts_with("maximum ") && reason.ends_with(" exceeded");
        match at(error, "/err_code").as_u64() {
            Some(NO_STREAM) => Self::NoStream,
            Some(NO_MESSAGE) => Self::NoMessage,
            Some(NAME_IN_USE) => Self::NameInUse,
            Some(TOO_LONG) => Self::RefusedEntry(reason),
            Some(NOT_STORED) if is_limit => Self::RefusedEntry(reason),
            Some(_) | None => Self::Other(reason),
        }
    }
}

/// Returns the value at a path, `null` if there is none.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

/// Reads an answer.
pub(super) fn answer(bytes: &[u8]) -> Result<Value, ApiError> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| ApiError::Other(format!("the answer is no JSON: {error}")))?;
    match value.get("error") {
        Some(error) => Err(ApiError::of(error)),
        None => Ok(value),
    }
}

fn incomplete(field: &str) -> ApiError {
    ApiError::Other(format!("the answer has no {field} that makes sense"))
}

/// Reads a time in RFC 3339 as nanoseconds since 1970.
pub(super) fn time_ns(text: &str) -> Option<u64> {
    let since = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

/// The question for the first entry at `position` or behind it.
pub(super) fn entry_question(position: u64, names: &Names) -> Bytes {
    json!({ "seq": position, "next_by_subj": names.all_subjects() }).to_string().into()
}

/// The order to remove all entries below `position`.
pub(super) fn purge_question(below: u64) -> Bytes {
    json!({ "seq": below }).to_string().into()
}

/// Reads the answer to [`entry_question`].
pub(super) fn entry(bytes: &[u8], names: &Names) -> Result<EngineEntry, ApiError> {
    let answer = answer(bytes)?;
    let message = at(&answer, "/message");
    let position = at(message, "/seq").as_u64().ok_or_else(|| incomplete("seq"))?;
    let subject = at(message, "/subject").as_str().and_then(|name| names.of_subject(name));
    let subject = subject.ok_or_else(|| incomplete("subject"))?;
    let stored_ns = at(message, "/time").as_str().and_then(time_ns);
    let stored_ns = stored_ns.ok_or_else(|| incomplete("time"))?;
    // An empty entry has no data.
    let data = at(message, "/data").as_str().unwrap_or_default();
    let bytes = STANDARD.decode(data).map_err(|_| incomplete("data"))?.into();
    Ok(EngineEntry { position, stored_ns, subject, bytes })
}

/// Reads the position in the answer to a publish.
pub(super) fn stored(bytes: &[u8], names: &Names) -> Result<u64, ApiError> {
    let answer = answer(bytes)?;
    let stream = at(&answer, "/stream").as_str();
    if stream != Some(&names.stream) {
        let other = stream.unwrap_or_default();
        return Err(ApiError::Other(format!("stored by another stream: {other:?}")));
    }
    at(&answer, "/seq").as_u64().filter(|seq| *seq > 0).ok_or_else(|| incomplete("seq"))
}

/// Reads the state of the stream in an answer.
pub(super) fn stream(answer: &Value) -> Result<EngineStream, ApiError> {
    let number = |path: &str| at(answer, path).as_u64().ok_or_else(|| incomplete(path));
    let created_ns = at(answer, "/created").as_str().and_then(time_ns);
    let created_ns = created_ns.ok_or_else(|| incomplete("created"))?;
    let followers =
        at(answer, "/cluster/replicas").as_array().map(Vec::as_slice).unwrap_or_default();
    let last = number("/state/last_seq")?;
    let first = match number("/state/messages")? {
        0 => last + 1,
        _ => number("/state/first_seq")?.max(1),
    };
    Ok(EngineStream {
        created_ns,
        time_ns: at(answer, "/ts").as_str().and_then(time_ns),
        first,
        last,
        bytes: number("/state/bytes")?,
        bytes_max: at(answer, "/config/max_bytes").as_u64().unwrap_or(u64::MAX),
        replicas: u32::try_from(number("/config/num_replicas")?)
            .map_err(|_| incomplete("num_replicas"))?,
        leader: at(answer, "/cluster/leader").as_str().unwrap_or_default().to_owned(),
        followers: followers.iter().map(follower).collect(),
    })
}

fn follower(replica: &Value) -> Follower {
    Follower {
        name: at(replica, "/name").as_str().unwrap_or_default().to_owned(),
        is_current: at(replica, "/current").as_bool().unwrap_or_default(),
        is_offline: at(replica, "/offline").as_bool().unwrap_or_default(),
        lag: at(replica, "/lag").as_u64().unwrap_or_default(),
    }
}
