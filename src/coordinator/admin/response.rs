//! HTTP responses: status, header fields, and texts of refusals.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use bytes::{BufMut as _, BytesMut};

use super::page;
use crate::time::UnixMillis;

/// Status of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusCode {
    Ok,
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    Misdirected,
    HeadTooLarge,
    Unavailable,
    VersionNotSupported,
}

/// Media type of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    Text,
    Metrics,
    Json,
    Html,
    Events,
}

/// A response before its body.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseHead {
    pub(super) status: StatusCode,
    pub(super) media: MediaType,
    /// Bytes of the body; `None` if the body ends with the connection.
    pub(super) length: Option<usize>,
    /// True if the connection ends after the response.
    pub(super) closes: bool,
}

impl StatusCode {
    /// All statuses, in the order of their codes.
    pub(super) const ALL: [Self; 11] = [
        Self::Ok,
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::Misdirected,
        Self::HeadTooLarge,
        Self::Unavailable,
        Self::VersionNotSupported,
    ];

    /// Returns the three digits of the code.
    pub(super) fn code(self) -> &'static str {
        self.line().split(' ').next().unwrap_or_default()
    }

    const fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::Unauthorized => "401 Unauthorized",
            Self::Forbidden => "403 Forbidden",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::RequestTimeout => "408 Request Timeout",
            Self::Misdirected => "421 Misdirected Request",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
            Self::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }

    /// Returns the text of a refusal.
    pub(super) const fn body(self) -> &'static str {
        match self {
            Self::Ok => "ok\n",
            Self::BadRequest => "this is not a request that this server can read\n",
            Self::Unauthorized => {
                "this page needs the token of http_token_file: as `Authorization: Bearer TOKEN`, \
                 or as the password of the user groupcast\n"
            }
            Self::Forbidden => "pages of other sites may only link to this server\n",
            Self::NotFound => {
                "there are /, /metrics, /healthz, /readyz, /status.json and /events\n"
            }
            Self::MethodNotAllowed => "only GET and HEAD\n",
            Self::RequestTimeout => "the request did not come in time\n",
            Self::Misdirected => {
                "the name in Host is not one of this server: use its address, or add the name to \
                 http_names\n"
            }
            Self::HeadTooLarge => "the head of the request is too large\n",
            Self::Unavailable => "too many responses wait to be sent: try again\n",
            Self::VersionNotSupported => "only HTTP/1\n",
        }
    }
}

impl MediaType {
    const fn field(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Metrics => "text/plain; version=0.0.4; charset=utf-8",
            Self::Json => "application/json",
            Self::Html => "text/html; charset=utf-8",
            Self::Events => "text/event-stream",
        }
    }
}

impl ResponseHead {
    /// Appends the head. `now` is the time for the `Date` field.
    pub(super) fn encode(&self, now: UnixMillis, out: &mut BytesMut) {
        let Self { status, media, length, closes } = *self;
        let millis = now.0.min(UnixMillis::END_OF_9999.0);
        let date = httpdate::HttpDate::from(UNIX_EPOCH + Duration::from_millis(millis));
        let mut head = format!(
            "HTTP/1.1 {}\r\nDate: {date}\r\nContent-Type: {}\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\n",
            status.line(),
            media.field(),
        );
        // Writing to a string cannot fail.
        let _ = write!(head, "Content-Security-Policy: {}\r\n", page::policy(media));
        match status {
            StatusCode::Unauthorized => {
                head.push_str("WWW-Authenticate: Basic realm=\"groupcast\", charset=\"UTF-8\"\r\n");
            }
            StatusCode::MethodNotAllowed => head.push_str("Allow: GET, HEAD\r\n"),
            StatusCode::Ok
            | StatusCode::BadRequest
            | StatusCode::Forbidden
            | StatusCode::NotFound
            | StatusCode::RequestTimeout
            | StatusCode::Misdirected
            | StatusCode::HeadTooLarge
            | StatusCode::Unavailable
            | StatusCode::VersionNotSupported => (),
        }
        if media == MediaType::Events {
            head.push_str("X-Accel-Buffering: no\r\n"); // nginx would keep the events back.
        }
        if let Some(length) = length {
            let _ = write!(head, "Content-Length: {length}\r\n");
        }
        head.push_str(if closes { "Connection: close\r\n\r\n" } else { "\r\n" });
        out.put_slice(head.as_bytes());
    }
}
