//! A real coordinator that serves its status page.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::Value;
use support::coordinator::Coordinator;
use support::port::ReservedPort;
use support::wire::Client;

use crate::http::{self, Answer};

/// A coordinator with `http=` on a port of its own.
pub(crate) struct Served {
    pub(crate) coordinator: Coordinator,
    port: Arc<ReservedPort>,
}

impl Served {
    /// Starts one without a journal.
    pub(crate) fn start() -> Self {
        Self::with(|http| Coordinator::start(600, &[http]))
    }

    /// Starts one with a further line of config.
    pub(crate) fn start_with(option: &str) -> Self {
        Self::with(|http| Coordinator::start(600, &[http, option]))
    }

    /// Starts one with a journal.
    pub(crate) fn start_with_journal() -> Self {
        Self::with(|http| Coordinator::start_with_data_dir(600, &[http]))
    }

    fn with(start: impl Fn(&str) -> Coordinator) -> Self {
        let port = Arc::new(ReservedPort::new());
        let coordinator = start(&format!("http=127.0.0.1:{port}"));
        Self { coordinator, port }
    }

    /// Starts the next one where this one was.
    pub(crate) fn start_again(&self) -> Self {
        Self { coordinator: self.coordinator.start_again(), port: Arc::clone(&self.port) }
    }

    pub(crate) fn http(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port.number()).into()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        http::request(self.http(), "GET", path, "")
    }

    /// Returns the state that the page gets first.
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status.json").body).unwrap()
    }

    /// Registers an id whose deliveries come on the connection that is returned.
    #[track_caller]
    pub(crate) fn register_here(&self, id: &str) -> Client {
        let mut client = self.coordinator.client();
        client.say(&format!("{id}#register here#-"));
        client.expect_start("OK register ");
        client
    }

    /// Registers ids that go offline at once, with a message of another member after each group
    /// of them: earlier ones have more pending. Returns the message socket of that member, the only
    /// one that is online.
    pub(crate) fn crowd(&self, groups: usize, size: usize) -> Client {
        let mut sender = self.coordinator.client();
        let inbox = self.register_here("sender");
        for number in 0..groups * size {
            drop(self.register_here(&format!("member-{number}")));
            if number % size == size - 1 {
                sender.say("sender#msend hello#-");
                sender.expect_start("OK msend ");
            }
        }
        let all = groups * size + 1;
        assert_eq!(sender.stat("members"), all as u64);
        sender.until_stat("online", 1);
        inbox
    }
}
