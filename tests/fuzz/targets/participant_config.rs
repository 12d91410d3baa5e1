//! The participant's config file.

use std::fs;
use std::path::Path;

use groupcast::config::{ConfigError, Invocation, ParticipantConfig, ParticipantRun};

use super::config_file;

/// Checks the bytes as a config file.
pub fn check(bytes: &[u8]) {
    let Some(config) = config_file::check(bytes, load) else { return };
    assert!(super::simple_id(&config.id));
    let ParticipantConfig { id, log_file, coordinators, .. } = &config;
    let log_file = log_file.as_ref().expect("a file names a log");
    let path = config_file::path();
    let coordinators = coordinators.iter().map(|coordinator| format!("{coordinator}\n"));
    let text = format!("{id}\n{}\n{}", log_file.display(), coordinators.collect::<String>());
    fs::write(&path, text).expect("the file can be written");
    assert_eq!(load(&path), Ok(config));
}

fn load(path: &Path) -> Result<ParticipantConfig, ConfigError> {
    match ParticipantRun::from_arguments([path.into()], None)? {
        Invocation::Run(run) => Ok(run.config),
        Invocation::Show(_) => unreachable!("the only argument is the file"),
    }
}
