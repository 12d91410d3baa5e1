//! groupcast: a group of programs on small machines talks; what one sends, all the others get.

pub mod config;
pub mod coordinator;
pub mod event_loop;
pub mod group;
pub mod limits;
#[cfg(feature = "participant")]
pub mod participant;
pub mod protocol;
pub mod session;
pub mod time;
