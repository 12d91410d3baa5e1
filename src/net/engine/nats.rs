//! Connections to nats-server. No other file names `async_nats`.
//!
//! `async_nats` connects again by itself, and subscribes again. Its own requests are not used: they
//! keep a record for each question that is never answered.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, Message, StatusCode, Subscriber,
};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::Notify;
use tokio::task::unconstrained;

use super::EngineOptions;
use super::api::time_ns;
use super::error::EngineError;
use super::names::Names;
use super::report::EngineEntry;
use crate::limits::engine::{
    CONNECT_MS, MESSAGES_MAX, PING_MS, REASON_BYTES_MAX, RECONNECT_MS_MAX,
};

/// Message of a server, or change of the connection.
pub(super) enum NatsEvent {
    /// The answer to a question; `None` if no server takes its subject.
    Reply {
        number: u64,
        payload: Option<Bytes>,
    },
    Feed(EngineEntry),
    /// The connection has changed: [`NatsClient::link`] tells how.
    Link,
    /// The client has ended, and connects no more.
    Ended,
}

/// The server at the other end.
pub(super) struct ServerFacts {
    /// Name and address, for people.
    pub(super) name: String,
    pub(super) version: String,
    pub(super) payload_bytes_max: usize,
}

/// State of the connection, and what was said since the last look.
#[derive(Debug, Default)]
pub(super) struct LinkState {
    pub(super) is_connected: bool,
    /// Number of connections since the start. It shows a loss that was over before the look.
    pub(super) connects: u64,
    /// Reason why the last attempt to connect failed.
    pub(super) failure: Option<String>,
    /// Something that a server refused.
    pub(super) refusal: Option<String>,
    /// True if messages were dropped because they were not read in time.
    pub(super) has_dropped: bool,
}

/// News of the connection, from the task of `async_nats`.
#[derive(Default)]
struct LinkNews {
    changed: Notify,
    state: Mutex<LinkState>,
    /// True after the client was dropped. A task that cannot connect does not see this end.
    is_over: AtomicBool,
}

impl LinkNews {
    fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, event: &Event) {
        let said = |error: &dyn Display| Some(reason_of(error));
        match event {
            Event::SlowConsumer(_) => self.state().has_dropped = true,
            Event::ServerError(error) => self.state().refusal = said(error),
            Event::ClientError(error) => self.state().failure = said(error),
            Event::Connected
            | Event::Disconnected
            | Event::LameDuckMode
            | Event::Draining
            | Event::Closed => (),
        }
        self.changed.notify_one();
    }
}

/// Returns the text of an error, bounded. Some texts of `async_nats` get plainer words.
fn reason_of(error: &dyn Display) -> String {
    let text = error.to_string();
    let text = match text.strip_prefix("nats: ").unwrap_or(&text) {
        "IO error" => "no server can be reached",
        "DNS error" => "the name of a server is not known",
        "timed out" => "a server did not answer in time",
        other => other,
    };
    text.chars().filter(|char| !char.is_control()).take(REASON_BYTES_MAX / 4).collect()
}

/// A failed attempt to connect.
pub(super) struct Unconnected {
    pub(super) error: EngineError,
    /// True if a further attempt would fail, too.
    pub(super) is_final: bool,
}

/// A client with an inbox for answers, and a feed.
pub(super) struct NatsClient {
    client: Client,
    names: Names,
    replies: Subscriber,
    feed: Option<Subscriber>,
    news: Arc<LinkNews>,
}

impl NatsClient {
    /// Connects to one of the servers.
    pub(super) async fn connect(
        options: &EngineOptions,
        names: &Names,
    ) -> Result<Self, Unconnected> {
        let news = Arc::new(LinkNews::default());
        let to_connect = connect_options(options, &news)?;
        let client = to_connect.connect(&options.servers).await.map_err(|error| {
            let reason = reason_of(&error);
            let is_refused = matches!(
                error.kind(),
                ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication
            );
            let is_final = is_refused
                || error.kind() == ConnectErrorKind::ServerParse
                || reason.contains("certificate");
            let error = match is_refused {
                true => EngineError::Unauthorized { reason },
                false => EngineError::Unreachable { reason },
            };
            Unconnected { error, is_final }
        })?;
        let replies = client.subscribe(format!("{}.*", names.inbox)).await.map_err(|error| {
            let error = EngineError::Unreachable { reason: reason_of(&error) };
            Unconnected { error, is_final: false }
        })?;
        Ok(Self { client, names: names.clone(), replies, feed: None, news })
    }

    pub(super) fn server(&self) -> ServerFacts {
        let info = self.client.server_info();
        ServerFacts {
            name: format!("{} ({}:{})", info.server_name, info.host, info.port),
            version: info.version,
            payload_bytes_max: info.max_payload,
        }
    }

    /// Returns the state of the connection, and forgets what was said.
    pub(super) fn link(&self) -> LinkState {
        let mut link = std::mem::take(&mut *self.news.state());
        link.is_connected = self.client.connection_state() == State::Connected;
        link.connects = self.client.statistics().connects.load(Ordering::Relaxed);
        link
    }

    /// Publishes a message whose answer is the reply of `number`.
    ///
    /// # Errors
    ///
    /// The reason why nothing was sent.
    pub(super) fn send(&self, subject: String, number: u64, bytes: Bytes) -> Result<(), String> {
        let sending = self.client.publish_with_reply(subject, self.names.reply(number), bytes);
        match unconstrained(sending).now_or_never() {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(reason_of(&error)),
            None => Err("too much waits to be sent".to_owned()),
        }
    }

    /// Returns true if the feed is subscribed to.
    pub(super) const fn has_feed(&self) -> bool {
        self.feed.is_some()
    }

    /// Subscribes to the feed. What is sent later arrives after the subscription.
    pub(super) fn subscribe_feed(&mut self) {
        let subscribing = unconstrained(self.client.subscribe(self.names.feed())).now_or_never();
        self.feed = subscribing.and_then(Result::ok);
    }

    /// Drops the feed, with what it has not delivered.
    pub(super) fn unsubscribe_feed(&mut self) {
        self.feed = None;
    }

    /// Waits for the next event. A message that makes no sense is none.
    pub(super) async fn next(&mut self) -> NatsEvent {
        let Self { replies, feed, names, news, .. } = self;
        loop {
            let feed = async {
                match feed {
                    Some(feed) => feed.next().await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                reply = replies.next() => match reply {
                    Some(reply) => reply_of(reply, names),
                    None => Some(NatsEvent::Ended),
                },
                message = feed => match message {
                    Some(message) => entry_of(message, names).map(NatsEvent::Feed),
                    None => Some(NatsEvent::Ended),
                },
                () = news.changed.notified() => Some(NatsEvent::Link),
            };
            if let Some(event) = event {
                return event;
            }
        }
    }
}

impl Drop for NatsClient {
    fn drop(&mut self) {
        self.news.is_over.store(true, Ordering::Relaxed);
    }
}

fn reply_of(message: Message, names: &Names) -> Option<NatsEvent> {
    let number = message.subject.strip_prefix(names.inbox.as_str())?.strip_prefix('.')?;
    let is_unheard = message.status == Some(StatusCode::NO_RESPONDERS);
    let payload = (!is_unheard).then_some(message.payload);
    Some(NatsEvent::Reply { number: number.parse().ok()?, payload })
}

/// Reads a republished entry.
fn entry_of(message: Message, names: &Names) -> Option<EngineEntry> {
    let headers = message.headers?;
    let header = |name: &str| headers.get(name).map(|value| value.as_str());
    if header("Nats-Stream")? != names.stream {
        return None;
    }
    Some(EngineEntry {
        position: header("Nats-Sequence")?.parse().ok()?,
        stored_ns: time_ns(header("Nats-Time-Stamp")?)?,
        subject: names.of_subject(header("Nats-Subject")?)?,
        bytes: message.payload,
    })
}

fn connect_options(
    options: &EngineOptions,
    news: &Arc<LinkNews>,
) -> Result<ConnectOptions, Unconnected> {
    let (news, ended) = (Arc::clone(news), Arc::clone(news));
    let mut connect = ConnectOptions::new()
        .name("groupcast")
        .connection_timeout(Duration::from_millis(CONNECT_MS))
        .ping_interval(Duration::from_millis(PING_MS))
        .subscription_capacity(MESSAGES_MAX)
        // The config names the servers. Others may have no certificate for their address.
        .ignore_discovered_servers()
        .reconnect_delay_callback(move |attempts| {
            if ended.is_over.load(Ordering::Relaxed) {
                return Duration::from_secs(u32::MAX.into()); // No further attempt.
            }
            let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
            Duration::from_millis((5 << doublings).min(RECONNECT_MS_MAX))
        })
        .event_callback(move |event| {
            news.take(&event);
            std::future::ready(())
        });
    if let Some(ca) = &options.ca {
        connect = connect.add_root_certificates(ca.clone()).require_tls(true);
    }
    log_in(connect, options.credentials.as_deref())
}

/// Checks that credentials are of a known form.
pub(super) fn check_credentials(credentials: Option<&str>) -> Result<(), EngineError> {
    log_in(ConnectOptions::new(), credentials).map(drop).map_err(|unusable| unusable.error)
}

/// Adds credentials to the options of a connection.
fn log_in(
    connect: ConnectOptions,
    credentials: Option<&str>,
) -> Result<ConnectOptions, Unconnected> {
    match credentials.map(str::trim) {
        None => Ok(connect),
        // A seed alone is one word.
        Some(seed) if seed.starts_with("SU") && !seed.contains(char::is_whitespace) => {
            Ok(connect.nkey(seed.to_owned()))
        }
        // The line behind the seed must end, also in a file without a last LF.
        Some(credentials) => {
            connect.credentials(&format!("{credentials}\n")).map_err(|_| no_credentials())
        }
    }
}

fn no_credentials() -> Unconnected {
    let reason = "expected a JWT and a seed as nsc writes them, or a seed that begins with SU";
    let error = EngineError::Options { key: "engine_credentials", reason: reason.to_owned() };
    Unconnected { error, is_final: true }
}
