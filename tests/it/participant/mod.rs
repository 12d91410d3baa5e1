//! The participant as a program, with a real coordinator or a fake one.

mod coming_back;
mod exec;
mod failover;
mod input;
mod join;
mod json;
#[cfg(feature = "tls")]
mod keys;
mod last;
mod leaving;
mod line_editing;
mod message_log;
mod names;
mod newcomers;
mod outbox;
mod passive;
mod presence;
mod program;
mod prompt;
mod scripts;
mod sends;
mod streams;
mod takeover;
mod terminal;
mod top;
mod without_files;
