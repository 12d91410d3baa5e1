//! A further connection with other options, while the present one goes on.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use tokio::time::timeout;

use super::EngineOptions;
use super::error::EngineError;
use super::names::Names;
use super::nats::NatsClient;
use super::startup::check_server;
use crate::limits::engine::LOGIN_MS;

type Attempt = Pin<Box<dyn Future<Output = Result<NatsClient, EngineError>>>>;

/// The attempt under way, if there is one.
#[derive(Default)]
pub(super) struct Login(Option<Attempt>);

impl Login {
    /// Begins an attempt. It replaces an earlier one.
    pub(super) fn begin(&mut self, options: EngineOptions, names: Names) {
        self.0 = Some(Box::pin(connect(options, names)));
    }

    /// Waits for the end of the attempt; without one for ever.
    pub(super) async fn ended(&mut self) -> Result<NatsClient, EngineError> {
        let Some(attempt) = &mut self.0 else { return pending().await };
        let result = attempt.await;
        self.0 = None;
        result
    }
}

async fn connect(options: EngineOptions, names: Names) -> Result<NatsClient, EngineError> {
    let limit = Duration::from_millis(LOGIN_MS);
    let connected = timeout(limit, NatsClient::connect(&options, &names)).await;
    let Ok(connected) = connected else {
        let reason = format!("no connection within {LOGIN_MS} ms");
        return Err(EngineError::Unreachable { reason });
    };
    let client = connected.map_err(|failed| failed.error)?;
    check_server(&client).map(|()| client)
}
