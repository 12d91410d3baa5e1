//! Metrics, health and the status page over HTTP.
//!
//! ```text
//!   other parts ──▶ Observed ─┐
//!   AdminView of a turn ──────┼──▶ response ──▶ HttpClient ──▶ socket
//!   tick, once a second ──────┘       ▲
//!                                     │
//!                 routes: /metrics /healthz /readyz /status.json /events /
//! ```
//!
//! The server runs on the loop, after all other work of a turn, and does a bounded part of its own
//! work in each turn. It changes nothing, and shows no text of a message.

mod build;
mod client;
mod disk_space;
mod exposition;
mod head;
mod listener;
mod observed;
mod page;
mod readiness;
mod response;
mod routes;
mod rows;
mod server;
mod settings;
mod shared_status;
#[cfg(feature = "engine")]
mod sites;
#[cfg(feature = "engine")]
mod sites_page;
mod status;
mod token;
mod view;

pub(super) use server::{Admin, AdminSettings};
pub(super) use settings::{load_token, settings};
pub(super) use token::HttpToken;
pub(super) use view::AdminView;
