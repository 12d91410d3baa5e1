//! The real programs, run as users run them: the coordinator with clients of the tests' own, the
//! participant with a real coordinator or one that says what the test says.

#![cfg(test)]

mod clients;
mod coordinator;
mod documents;
mod hostile;
mod machine;
mod monitoring;
#[cfg(feature = "participant")]
mod participant;
#[cfg(feature = "tls")]
mod tls;
mod wire;
