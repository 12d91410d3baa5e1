//! The start: servers are found, and the stream is founded, or found and checked.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep, timeout_at};

use super::api::{self, ApiError};
use super::error::EngineError;
use super::names::Names;
use super::nats::{NatsClient, NatsEvent};
use super::report::EngineStream;
use super::{EngineOptions, NewStream, monitor, nats, settings};
use crate::limits::engine::{ANSWER_MS, PAYLOAD_BYTES_LOWEST, RETRY_MS, START_MS};
use crate::net::tls::CaRoots;

/// First version of nats-server with the behaviour that the client relies on.
const VERSION_LOWEST: (u32, u32) = (2, 15);

/// Makes the runtime of `async_nats`, on this thread.
pub(super) fn runtime() -> Result<Runtime, EngineError> {
    let built = Builder::new_current_thread().enable_all().build();
    built.map_err(|error| EngineError::thread(&error))
}

/// Checks the servers of all monitors.
pub(super) fn check_monitors(options: &EngineOptions) -> Result<(), EngineError> {
    options.monitors.iter().try_for_each(|url| monitor::check(url))
}

/// The time limit of a start.
fn start_limit() -> Instant {
    after(START_MS)
}

fn after(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

/// Waits before a repeated attempt. Returns false at the end of the limit.
async fn pause(limit: Instant) -> bool {
    timeout_at(limit, sleep(Duration::from_millis(RETRY_MS))).await.is_ok()
}

/// Connects, with further attempts while servers start.
async fn connect(
    options: &EngineOptions,
    names: &Names,
    limit: Instant,
) -> Result<NatsClient, EngineError> {
    check_options(options)?;
    let client = loop {
        match NatsClient::connect(options, names).await {
            Ok(client) => break client,
            Err(failed) if failed.is_final => return Err(failed.error),
            Err(failed) => {
                if !pause(limit).await {
                    return Err(failed.error);
                }
            }
        }
    };
    check_server(&client)?;
    Ok(client)
}

pub(super) fn check_options(options: &EngineOptions) -> Result<(), EngineError> {
    let fault = |key, reason: String| Err(EngineError::Options { key, reason });
    if options.servers.is_empty() {
        return fault("engine", "no server: expected nats://host:port".to_owned());
    }
    for url in &options.servers {
        let is_known = ["nats://", "tls://"].iter().any(|scheme| url.starts_with(scheme));
        if !is_known {
            let shown = url.rsplit('@').next().unwrap_or(url); // Without a password.
            return fault("engine", format!("{shown:?}: expected nats:// or tls://"));
        }
    }
    if let Some(path) = &options.ca {
        // It is read more than once, and opening a FIFO blocks until somebody writes to it.
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return fault("engine_ca", format!("{}: not a regular file", path.display()));
        }
        let read = fs::read(path).map_err(|error| error.to_string());
        let roots = read.and_then(|pem| CaRoots::from_pem(&pem).map_err(|error| error.to_string()));
        if let Err(reason) = roots {
            return fault("engine_ca", format!("{}: {reason}", path.display()));
        }
    }
    nats::check_credentials(options.credentials.as_deref())
}

pub(super) fn check_server(client: &NatsClient) -> Result<(), EngineError> {
    let server = client.server();
    let mut numbers = server.version.split('.').map(|number| number.parse().unwrap_or(0_u32));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let fault = |setting, found: String, expected: String| {
        Err(EngineError::Server { server: server.name.clone(), setting, found, expected })
    };
    if version < VERSION_LOWEST {
        let (major, minor) = VERSION_LOWEST;
        return fault("version", server.version.clone(), format!("{major}.{minor} or later"));
    }
    if server.payload_bytes_max < PAYLOAD_BYTES_LOWEST {
        let expected = format!("at least {PAYLOAD_BYTES_LOWEST}");
        return fault("max_payload", server.payload_bytes_max.to_string(), expected);
    }
    Ok(())
}

/// Numbers questions of a start, and waits for their answers.
struct StartQuestions<'a> {
    client: &'a mut NatsClient,
    names: &'a Names,
    asked: u64,
    limit: Instant,
    /// The last reason for a question without an answer.
    reason: String,
}

impl StartQuestions<'_> {
    /// Asks until there is an answer of JetStream, at most until the end of the limit.
    async fn ask(&mut self, call: &'static str, bytes: &Bytes) -> Result<Value, Failed> {
        loop {
            match self.ask_once(call, bytes).await {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(ApiError::NoStream)) => return Err(Failed::NoStream),
                Some(Err(ApiError::NameInUse)) => return Err(Failed::NameInUse),
                Some(Err(error)) => self.reason = error.reason(),
                None => self.reason = format!("no answer within {ANSWER_MS} ms"),
            }
            if let Some(refusal) = self.client.link().refusal {
                self.reason = refusal;
            }
            if !pause(self.limit).await {
                let reason = std::mem::take(&mut self.reason);
                return Err(Failed::Error(EngineError::Unanswered { question: call, reason }));
            }
        }
    }

    async fn ask_once(&mut self, call: &str, bytes: &Bytes) -> Option<Result<Value, ApiError>> {
        self.asked += 1;
        let subject = self.names.api(call);
        if let Err(reason) = self.client.send(subject, self.asked, bytes.clone()) {
            return Some(Err(ApiError::Other(reason)));
        }
        let limit = self.limit.min(after(ANSWER_MS));
        loop {
            match timeout_at(limit, self.client.next()).await.ok()? {
                NatsEvent::Reply { number, payload } if number == self.asked => {
                    let payload = payload.ok_or(ApiError::NoResponders);
                    return Some(payload.and_then(|payload| api::answer(&payload)));
                }
                NatsEvent::Ended => return None,
                NatsEvent::Reply { .. } | NatsEvent::Feed(_) | NatsEvent::Link => (),
            }
        }
    }
}

/// Reason for which a question of a start has no good answer.
enum Failed {
    NoStream,
    NameInUse,
    Error(EngineError),
}

impl Failed {
    fn into_error(self, names: &Names) -> EngineError {
        let stream = names.stream.clone();
        match self {
            Self::NoStream => EngineError::Missing { stream },
            Self::NameInUse => EngineError::Exists { stream },
            Self::Error(error) => error,
        }
    }
}

/// Numbers below this one are questions of a start.
pub(super) const FIRST_NUMBER: u64 = 1 << 32;

fn stream_of(answer: &Value) -> Result<EngineStream, EngineError> {
    api::stream(answer)
        .map_err(|error| EngineError::Unanswered { question: "INFO", reason: error.reason() })
}

/// Connects, finds the stream, and checks its settings.
pub(super) async fn open(
    options: &EngineOptions,
    names: &Names,
) -> Result<(NatsClient, EngineStream), EngineError> {
    let limit = start_limit();
    let mut client = connect(options, names, limit).await?;
    let reason = String::new();
    let mut questions = StartQuestions { client: &mut client, names, asked: 0, limit, reason };
    let answer = questions.ask("INFO", &Bytes::new()).await;
    let answer = answer.map_err(|failed| failed.into_error(names))?;
    settings::check(&answer, names)?;
    let stream = stream_of(&answer)?;
    Ok((client, stream))
}

/// Connects, and creates the stream if there is none.
pub(super) async fn found(
    options: &EngineOptions,
    names: &Names,
    new: NewStream,
) -> Result<EngineStream, EngineError> {
    let limit = start_limit();
    let mut client = connect(options, names, limit).await?;
    let mut founder = String::new();
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| EngineError::thread(&error))?;
    for byte in random {
        let _ = write!(founder, "{byte:02x}");
    }
    let config = settings::of_new_stream(names, new, &founder);
    let config = Bytes::from(config.to_string());
    let reason = String::new();
    let mut questions = StartQuestions { client: &mut client, names, asked: 0, limit, reason };
    match questions.ask("INFO", &Bytes::new()).await {
        Ok(_) => return Err(EngineError::Exists { stream: names.stream.clone() }),
        Err(Failed::NoStream) => (),
        Err(failed) => return Err(failed.into_error(names)),
    }
    // A repeated question finds what an unanswered one has created: the configuration is equal.
    let answer = questions.ask("CREATE", &config).await;
    let answer = answer.map_err(|failed| failed.into_error(names))?;
    settings::check(&answer, names)?;
    stream_of(&answer)
}
