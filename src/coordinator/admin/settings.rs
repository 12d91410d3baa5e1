//! Settings of the HTTP server, from the config and the machine.

use rustix::system::uname;

use super::disk_space::DiskWatch;
use super::server::AdminSettings;
use super::token::HttpToken;
use crate::config::{ConfigError, CoordinatorConfig, Fifos, HttpConfig, load_http_token};
use crate::coordinator::CoordinatorError;

/// Reads the token, if the config names a file.
pub(in crate::coordinator) fn load_token(
    config: &HttpConfig,
    fifos: Fifos,
) -> Result<Option<HttpToken>, ConfigError> {
    let token =
        config.token_file.as_deref().map(|path| load_http_token(path, fifos)).transpose()?;
    Ok(token.as_deref().map(HttpToken::new))
}

/// Returns the settings of a server.
pub(in crate::coordinator) fn settings(
    config: &CoordinatorConfig,
) -> Result<AdminSettings, CoordinatorError> {
    let token = load_token(&config.http, Fifos::Awaited).map_err(CoordinatorError::Config)?;
    let disk = config.storage.data_dir.clone().map(DiskWatch::start).transpose();
    let disk = disk.map_err(|error| CoordinatorError::System("cannot start a thread", error))?;
    Ok(AdminSettings { names: names(&config.http), token, disk })
}

/// Returns the names of this machine: its own one, also in the local network, and the configured
/// ones.
fn names(config: &HttpConfig) -> Vec<String> {
    let own = uname().nodename().to_string_lossy().into_owned();
    let local = format!("{own}.local");
    config.names.iter().cloned().chain([own, local]).collect()
}
