//! The client of NATS JetStream with real servers, one and three on loopback. `make engine`
//! installs nats-server; without it the tests say so and are skipped.

#![cfg(test)]
#![expect(clippy::wildcard_enum_match_arm, reason = "a wait takes one kind of report of many")]

mod access;
mod alerts;
mod backup;
mod client;
mod credentials;
mod delay;
mod failures;
mod faults;
mod founding;
mod group;
mod import;
mod latency;
mod operation;
mod presence;
mod raw;
mod reading;
mod sample;
mod security;
mod servers;
mod sites;
mod start;
mod starting;
mod streams;
