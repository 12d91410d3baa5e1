//! A member as a client program would be one, with nothing of our own participant in it.

use super::coordinator::Coordinator;
use super::listener::{Listener, MessageSocket};
use super::wire::Client;
use super::{field, number};

/// An id with its command socket, its listener and its message socket.
pub struct Member {
    pub id: String,
    pub ip: String,
    pub command: Client,
    pub listener: Listener,
    /// Reply to `register` or to the last `reconnect`.
    pub reply: String,
    /// True if it asked for acknowledgements, so its message socket ends with `bye`.
    acks: bool,
    socket: Option<MessageSocket>,
}

impl Member {
    #[track_caller]
    pub fn join(coordinator: &Coordinator, id: &str, ip: &str, options: &str) -> Self {
        let listener = Listener::bind(&coordinator.transcript, ip);
        Self::join_at(coordinator, id, ip, listener, options)
    }

    /// Registers with a listener of the test's own.
    #[track_caller]
    pub fn join_at(
        coordinator: &Coordinator,
        id: &str,
        ip: &str,
        listener: Listener,
        options: &str,
    ) -> Self {
        let mut member = Self::outside(coordinator, id, ip, listener);
        member.connect("register", options);
        member
    }

    /// One that has not asked for anything yet.
    fn outside(coordinator: &Coordinator, id: &str, ip: &str, listener: Listener) -> Self {
        let command = coordinator.client_from(ip);
        let (id, ip) = (id.to_owned(), ip.to_owned());
        Self { id, ip, command, listener, reply: String::new(), acks: false, socket: None }
    }

    /// A member of before comes back, with a listener of its own.
    #[track_caller]
    pub fn come_back(coordinator: &Coordinator, id: &str, options: &str) -> Self {
        let listener = Listener::bind(&coordinator.transcript, "127.0.0.1");
        let mut member = Self::outside(coordinator, id, "127.0.0.1", listener);
        member.connect("reconnect", options);
        member
    }

    /// Asks to be connected to a new listener; returns the reply.
    #[track_caller]
    pub fn reconnect(&mut self, options: &str) -> String {
        self.connect("reconnect", options);
        self.reply.clone()
    }

    /// Reconnects, and checks the counts of kept and lost messages.
    #[track_caller]
    pub fn comes_back(&mut self, options: &str, missed: u64, expired: u64) {
        let reply = self.reconnect(options);
        let found = (number(&reply, "missed"), number(&reply, "expired"));
        assert_eq!(found, (missed, expired), "missed and expired in {reply:?}");
    }

    #[track_caller]
    fn connect(&mut self, word: &str, options: &str) {
        let space = if options.is_empty() { "" } else { " " };
        let reply = self.ask(&format!("{word} {}{space}{options}", self.listener.port()));
        if !reply.starts_with(&format!("OK {word} ")) {
            self.command.fail(&format!("{word}: {reply:?}"));
        }
        self.reply = reply;
        self.acks = options.contains("acks=1");
        self.socket = Some(self.listener.accept());
    }

    /// A command of this member as a request.
    pub fn request(&self, command: &str) -> String {
        format!("{}#{command}#{}", self.id, self.ip)
    }

    /// The first line of the reply to a command.
    #[track_caller]
    pub fn ask(&mut self, command: &str) -> String {
        let request = self.request(command);
        self.command.ask(&request)
    }

    /// A command must be answered so.
    #[track_caller]
    pub fn check(&mut self, command: &str, expected: &str) {
        let request = self.request(command);
        self.command.check(&request, expected);
    }

    /// A command must be refused with this code.
    #[track_caller]
    pub fn refused(&mut self, command: &str, code: u16) {
        let request = self.request(command);
        self.command.refused(&request, code, "");
    }

    /// Sends a text; returns its number.
    #[track_caller]
    pub fn msend(&mut self, text: &str) -> u64 {
        let reply = self.ask(&format!("msend {text}"));
        if !reply.starts_with("OK msend seq=") {
            self.command.fail(&format!("msend: {reply:?}"));
        }
        number(&reply, "seq")
    }

    /// Goes offline and sees the message socket end.
    #[track_caller]
    pub fn disconnect(&mut self) {
        self.check("disconnect", "OK disconnect");
        match self.acks {
            true => self.take_socket().expect_bye("disconnected"),
            false => self.take_socket().expect_eof(),
        }
    }

    /// The message socket that it has.
    #[track_caller]
    pub fn socket(&mut self) -> &mut MessageSocket {
        self.socket.as_mut().expect("the member has a message socket")
    }

    /// The message socket, for the test to keep; the next `reconnect` brings another.
    #[track_caller]
    pub fn take_socket(&mut self) -> MessageSocket {
        self.socket.take().expect("the member has a message socket")
    }

    /// Returns the member's line in `members`.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let id = self.id.clone();
        self.command.member(&id).unwrap_or_else(|| self.command.fail("not a member"))
    }

    /// Returns the member's `acked`, as the coordinator shows it.
    #[track_caller]
    pub fn acked(&mut self) -> u64 {
        number(&self.line(), "acked")
    }

    /// Waits until the coordinator shows this `acked` for the member.
    #[track_caller]
    pub fn until_acked(&mut self, acked: u64) {
        let id = self.id.clone();
        self.command.until_member(&id, |line| number(line, "acked") == acked);
    }

    /// Waits until the coordinator has it offline.
    #[track_caller]
    pub fn until_offline(&mut self) {
        let id = self.id.clone();
        self.command.until_member(&id, |line| line.contains(" offline "));
    }

    /// Waits until all that is kept for it, offline, has expired.
    #[track_caller]
    pub fn until_expired(&mut self) {
        let id = self.id.clone();
        self.command.until_member(&id, |line| number(line, "pending") == 0);
    }

    /// The epoch that the last reply named.
    pub fn epoch(&self) -> &str {
        field(&self.reply, "epoch")
    }
}
