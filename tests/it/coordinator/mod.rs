//! The coordinator as a program: config, files, output, journal, start and end.

mod access;
#[cfg(feature = "participant")]
mod backup;
mod config;
#[cfg(target_os = "linux")]
mod data_dir;
mod diagnostics;
#[cfg(feature = "participant")]
mod durable;
mod golden;
pub(crate) mod health;
mod http;
mod inspect;
mod metrics;
mod reload;
#[cfg(target_os = "linux")]
mod service;
#[cfg(feature = "tls")]
mod set_up;
mod shutdown;
mod standstill;
mod unread;
