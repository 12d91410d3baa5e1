//! Detection of peers whose machines are gone: keys and options of both programs.

use super::{ConfigError, FoundValue, Location, value};
use crate::limits::{
    KEEPALIVE_S_DEFAULT, KEEPALIVE_S_HIGHEST, Keepalive, USER_TIMEOUT_MS_DEFAULT,
    USER_TIMEOUT_MS_HIGHEST, USER_TIMEOUT_MS_LOWEST,
};

/// Names of the keys.
pub(super) const PEER_TIMEOUT_KEYS: [&str; 2] = ["keepalive", "user_timeout"];

/// Times after which a peer counts as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerTimeouts {
    /// Seconds of silence before the first probe of TCP keepalive; 0: no probes.
    pub keepalive_s: u64,
    /// Milliseconds in which the peer's machine must acknowledge written bytes; 0: the operating
    /// system decides.
    pub user_ms: u32,
}

impl Default for PeerTimeouts {
    fn default() -> Self {
        Self::new()
    }
}

impl PeerTimeouts {
    /// Makes the default times.
    #[must_use]
    pub const fn new() -> Self {
        Self { keepalive_s: KEEPALIVE_S_DEFAULT, user_ms: USER_TIMEOUT_MS_DEFAULT }
    }

    /// Returns the probes of a silent peer; `None`: no probes.
    #[must_use]
    pub const fn keepalive(self) -> Option<Keepalive> {
        Keepalive::after(self.keepalive_s)
    }

    /// Sets the key of this name, or returns a description of the valid values.
    pub(super) fn assign(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key {
            "keepalive" => self.assign_keepalive(text),
            _ => self.assign_user_timeout(text),
        }
    }

    /// Returns the times with the values of the options, which win.
    pub(super) fn with_options(
        mut self,
        options: [Option<String>; 2],
    ) -> Result<Self, ConfigError> {
        for (field, text) in PEER_TIMEOUT_KEYS.into_iter().zip(options) {
            let Some(text) = text else { continue };
            self.assign(field, &text).map_err(|expected| ConfigError::Field {
                location: Location::Option,
                field,
                found: FoundValue::Text(text),
                expected,
            })?;
        }
        Ok(self)
    }

    /// Sets `keepalive`, or returns a description of the valid values.
    pub(super) fn assign_keepalive(&mut self, text: &str) -> Result<(), String> {
        let seconds = value::whole(text, 0..=KEEPALIVE_S_HIGHEST);
        self.keepalive_s =
            seconds.map_err(|_| format!("whole seconds from 1 to {KEEPALIVE_S_HIGHEST}, or 0"))?;
        Ok(())
    }

    /// Sets `user_timeout`, or returns a description of the valid values.
    pub(super) fn assign_user_timeout(&mut self, text: &str) -> Result<(), String> {
        let millis = value::seconds(text, 0..=USER_TIMEOUT_MS_HIGHEST).ok();
        let is_valid = |millis: &u64| *millis == 0 || *millis >= USER_TIMEOUT_MS_LOWEST;
        let millis = millis.filter(is_valid).and_then(|millis| u32::try_from(millis).ok());
        self.user_ms = millis.ok_or_else(|| {
            let [lowest, highest] =
                [USER_TIMEOUT_MS_LOWEST, USER_TIMEOUT_MS_HIGHEST].map(value::show_seconds);
            format!("seconds from {lowest} to {highest}, with at most three decimals, or 0")
        })?;
        Ok(())
    }

    /// Returns `user_timeout` in the form of the config file.
    pub(super) fn show_user_timeout(self) -> String {
        value::show_seconds(u64::from(self.user_ms))
    }
}
