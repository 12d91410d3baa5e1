//! Tests of whole sessions: each gives inputs to a session and compares all effects.

mod asking;
mod credentials;
mod dropped;
mod failover;
mod here;
mod inbox;
mod joining;
mod leaving;
mod newcomer;
mod numbers_went_back;
mod outbox;
mod refused;
mod sends;
mod until_online;
mod visit;
mod waiting;

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU64;

use super::*;
use crate::limits::OUTBOX_AHEAD_MAX;
use crate::protocol::{Epoch, Seq};

const COORDINATOR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 66));
const EPOCH: &str = "00000000000000aa";
const OK_REGISTER: &str = "OK register epoch=00000000000000aa next=1 ttl=60";
const OK_RECONNECT: &str = "OK reconnect epoch=00000000000000aa next=1 ttl=60 missed=0 expired=0";

/// A session, its clock, and its effects since the last check.
struct Harness {
    session: Session,
    now: u64,
    nonce: u128,
    effects: Vec<SessionEffect>,
    /// The effects that tell the outcome of a text, apart from the others.
    outcomes: Vec<SessionEffect>,
}

impl Harness {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            id: "me".into(),
            coordinators: ["10.0.0.1:5000".into()].into(),
            log_position: LogPosition::default(),
            reconnects: true,
            stays_after_input: false,
            is_passive: false,
            advertised: None,
            credentials: JoinCredentials::default(),
            visit: VisitKind::Stays,
            outbox: None,
            started: Millis::ZERO,
            seed: 1,
        };
        change(&mut settings);
        Self {
            session: Session::new(settings),
            now: 0,
            nonce: 0,
            effects: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    /// Creates a member that is online, with message socket 1 and command socket 1.
    fn online() -> Self {
        Self::new().register()
    }

    fn register(mut self) -> Self {
        self.user("register 9001");
        self.listening(9001);
        self.dialed(1);
        self.accepted(1);
        self.message(1, &format!("hello#{:032x}#{EPOCH}", self.nonce));
        self.written(1);
        self.reply(1, &format!("OK register epoch={EPOCH} next=1 ttl=60"));
        self.forget();
        self
    }

    fn input(&mut self, input: SessionInput<'_>) {
        self.session.handle(input, Millis::new(self.now));
        while let Some(effect) = self.session.poll_effect() {
            let is_outcome = matches!(effect, SessionEffect::TextDone { .. });
            if is_outcome { &mut self.outcomes } else { &mut self.effects }.push(effect);
        }
    }

    fn user(&mut self, line: &str) {
        self.input(SessionInput::UserLine(line.as_bytes()));
    }

    fn listening(&mut self, port: u16) {
        self.nonce += 1;
        self.input(SessionInput::Listening { port, nonce: self.nonce });
    }

    fn dialed(&mut self, socket: u64) {
        let ip = IpAddr::from([10, 0, 0, 2]);
        let coordinator = (COORDINATOR, 5000).into();
        self.input(SessionInput::Dialed { socket: CommandSocket(socket), ip, coordinator });
    }

    fn dial_failed(&mut self, socket: u64) {
        self.input(SessionInput::DialFailed { socket: CommandSocket(socket), reason: "refused" });
    }

    fn reply(&mut self, socket: u64, line: &str) {
        self.input(SessionInput::ReplyLine {
            socket: CommandSocket(socket),
            line: line.as_bytes(),
        });
    }

    fn command_socket_closed(&mut self, socket: u64) {
        self.command_socket_closed_with(socket, 0);
    }

    /// Closes a command socket with the last `unsent` bytes of the requests not sent.
    fn command_socket_closed_with(&mut self, socket: u64, unsent: usize) {
        let socket = CommandSocket(socket);
        self.input(SessionInput::CommandSocketClosed { socket, reason: "reset", unsent });
    }

    fn accepted(&mut self, socket: u64) {
        self.input(SessionInput::Accepted { socket: MessageSocket(socket), peer: COORDINATOR });
    }

    fn message(&mut self, socket: u64, line: &str) {
        self.input(SessionInput::MessageLine {
            socket: MessageSocket(socket),
            line: line.as_bytes(),
        });
    }

    fn hello(&mut self, socket: u64) {
        self.accepted(socket);
        self.message(socket, &format!("hello#{:032x}#{EPOCH}", self.nonce));
    }

    fn message_socket_closed(&mut self, socket: u64) {
        self.input(SessionInput::MessageSocketClosed {
            socket: MessageSocket(socket),
            reason: "reset",
        });
    }

    fn written(&mut self, entries: usize) {
        self.input(SessionInput::LogWritten { entries });
    }

    fn wait(&mut self, ms: u64) {
        self.now += ms;
        self.input(SessionInput::Tick);
    }

    /// Waits for the next deadline.
    fn wait_for_deadline(&mut self) -> u64 {
        let deadline = self.session.next_deadline().expect("something is waited for").as_u64();
        let ms = deadline - self.now;
        self.wait(ms);
        ms
    }

    fn wants(&self, socket: u64) -> bool {
        self.session.wants_message_line(MessageSocket(socket))
    }

    fn state(&self) -> SessionState {
        Status::of(&self.session, Millis::new(self.now)).state
    }

    fn forget(&mut self) {
        self.effects.clear();
    }

    /// Checks all effects since the last check, in their short form.
    #[track_caller]
    fn expect(&mut self, expected: &[&str]) {
        let effects: Vec<String> = self.effects.drain(..).map(brief).collect();
        assert_eq!(effects, expected);
    }
}

/// Returns the short form of an effect. The nonce is a counter of the harness.
fn brief(effect: SessionEffect) -> String {
    match effect {
        SessionEffect::Dial { socket, coordinator: 0 } => format!("dial {}", socket.0),
        SessionEffect::Dial { socket, coordinator } => {
            format!("dial {} at {coordinator}", socket.0)
        }
        SessionEffect::CloseCommandSocket { socket } => format!("hang up {}", socket.0),
        SessionEffect::Send { socket, line } => {
            let line = line.trim_end_matches('\n').replace(&"0".repeat(31), "");
            format!("send {} {line}", socket.0)
        }
        SessionEffect::Listen { port } => format!("listen {port}"),
        SessionEffect::Upgrade { socket } => format!("upgrade {}", socket.0),
        SessionEffect::CloseListener => "close listener".to_owned(),
        SessionEffect::CloseMessageSocket { socket } => format!("close {}", socket.0),
        SessionEffect::Ack { socket, seq } => format!("ack {} {seq}", socket.0),
        SessionEffect::Append(entry) => {
            let mut text = "append ".to_owned();
            entry.push_to(&mut text);
            text
        }
        SessionEffect::Report(dropped) => format!("report {dropped}"),
        SessionEffect::ReadLast { count } => format!("read last {count}"),
        SessionEffect::Store(OutboxEntry::Text { order, number, text }) => {
            format!("store text {order} {} {text}", number.map_or(0, NonZeroU64::get))
        }
        SessionEffect::Store(OutboxEntry::Number { order, number }) => {
            format!("store number {order} {number}")
        }
        SessionEffect::Store(OutboxEntry::Done { order }) => format!("store done {order}"),
        SessionEffect::Store(OutboxEntry::Register { is_refused: false }) => {
            "store register asked".to_owned()
        }
        SessionEffect::Store(OutboxEntry::Register { is_refused: true }) => {
            "store register refused".to_owned()
        }
        SessionEffect::Store(OutboxEntry::Epoch { epoch }) => {
            format!("store epoch {}", epoch.map_or("-".to_owned(), |epoch| epoch.to_string()))
        }
        SessionEffect::RetryOutbox => "retry outbox".to_owned(),
        SessionEffect::RetryLog => "retry log".to_owned(),
        SessionEffect::TextDone { order, outcome } => format!("done {order} {outcome:?}"),
        SessionEffect::Show(notice) => format!("show {notice}"),
        SessionEffect::Exit { code } => format!("exit {code}"),
    }
}
