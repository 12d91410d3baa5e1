//! The simulated shell of a participant, around a real session: sockets, listener, message log.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use groupcast::protocol::LineBuffer;
use groupcast::session::{
    CommandSocket, LogEntry, LogPosition, MessageSocket, Notice, Session, SessionEffect,
    SessionInput, SessionState, Settings, Status,
};
use groupcast::time::Millis;

use crate::coordinator::HUB;
use crate::coverage::CoveragePoint;
use crate::disk::Disk;
use crate::environment::{Event, Node};
use crate::net::{CloseKind, End};
use crate::outbox_disk::OutboxDisk;
use crate::passive::cover_entry;
use crate::texts::Texts;
use crate::visits::{VISIT_PORTS, Visit};
use crate::world::World;

/// One participant, through all lives of its process.
#[derive(Debug)]
pub(crate) struct SimParticipant {
    pub(crate) id: String,
    pub(crate) ip: IpAddr,
    pub(crate) life: u32,
    pub(crate) session: Option<Session>,
    started: u64,
    pub(crate) commands: BTreeMap<u64, Commands>,
    pub(crate) messages: BTreeMap<u64, Messages>,
    waiting: Vec<End>,
    pub(crate) listens: Option<SocketAddr>,
    sockets: u64,
    pub(crate) ports: u16,
    pub(crate) disk: Disk,
    /// The message log survives the end of the process.
    has_log: bool,
    pub(crate) outbox: Option<OutboxDisk>,
    /// The last `status`, and the replies shown since it was asked for.
    pub(crate) status: Option<Status>,
    pub(crate) replies: Vec<String>,
    pub(crate) texts: u32,
    pub(crate) outcomes: Texts,
    /// State of the visit, if this program visits.
    pub(crate) visit: Option<Visit>,
    /// It comes back by itself.
    pub(crate) reconnects: bool,
    /// Its usual message socket is a command socket (`here`).
    pub(crate) is_passive: bool,
    ends: bool,
    /// The connection that a line is of which is handed in.
    reading: Option<End>,
}

#[derive(Debug)]
pub(crate) struct Commands {
    pub(crate) end: End,
    is_connected: bool,
    pub(crate) input: LineBuffer,
    pub(crate) output: Vec<u8>,
    /// A `register` was the last request, and there is no reply yet.
    registers: bool,
}

#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) end: End,
    pub(crate) input: LineBuffer,
    pub(crate) close_kind: Option<CloseKind>,
    pub(crate) ack: Option<u64>,
    pub(crate) output: Vec<u8>,
}

impl Commands {
    fn new(end: End) -> Self {
        let (input, output) = (LineBuffer::default(), Vec::new());
        Self { end, is_connected: false, input, output, registers: false }
    }
}

impl SimParticipant {
    pub(crate) fn new(
        index: usize,
        (reconnects, must_sync): (bool, bool),
        (has_log, has_outbox): (bool, bool),
    ) -> Self {
        let id = format!("p{index}");
        let last = u8::try_from(index).unwrap();
        Self {
            disk: Disk::new(index, &id, must_sync),
            has_log,
            outbox: has_outbox.then(|| OutboxDisk::new(index, must_sync)),
            id,
            ip: IpAddr::V4(Ipv4Addr::new(10, 0, 1, last)),
            life: 0,
            session: None,
            started: 0,
            commands: BTreeMap::new(),
            messages: BTreeMap::new(),
            waiting: Vec::new(),
            listens: None,
            sockets: 0,
            ports: 20_000,
            status: None,
            replies: Vec::new(),
            texts: 0,
            outcomes: Texts::default(),
            visit: None,
            reconnects,
            is_passive: false,
            ends: false,
            reading: None,
        }
    }

    /// Makes this a program that visits under this id.
    pub(crate) fn become_visit(&mut self, id: &str, ip: IpAddr) {
        (self.id, self.ip, self.ports) = (id.to_owned(), ip, VISIT_PORTS);
        self.visit = Some(Visit::default());
    }
}

impl World {
    pub(crate) fn start_participant(&mut self, i: usize) {
        self.trace(|| format!("p{i}: starts"));
        let seed = self.environment.rng.next();
        let participant = &mut self.participants[i];
        let now = self.environment.now;
        if self.environment.identities.has_tls && !self.environment.calm {
            participant.move_house(&mut self.environment.rng);
        }
        let outbox = participant.outbox.as_mut().map(|outbox| outbox.open(now));
        let texts = outbox.as_ref().map(|outbox| &outbox.texts[..]);
        participant.outcomes.on_start(texts.unwrap_or_default());
        let ledger = participant.disk.open();
        let last = groupcast::protocol::Seq::new(ledger.last);
        participant.life += 1;
        participant.started = self.environment.now;
        participant.session = Some(Session::new(Settings {
            id: participant.id.as_str().into(),
            coordinators: [HUB.to_string().into()].into(),
            log_position: LogPosition { epoch: ledger.epoch, last },
            reconnects: participant.reconnects,
            stays_after_input: true,
            is_passive: participant.is_passive,
            advertised: None,
            credentials: self.environment.identities.join_credentials(Node::Participant(i)),
            visit: participant.visit_kind(),
            outbox,
            started: Millis::ZERO,
            seed,
        }));
    }

    /// The process is gone. What it had not written, it never had.
    pub(crate) fn end_participant(&mut self, i: usize, with_machine: bool) {
        self.trace(|| format!("p{i}: ends"));
        let World { participants, environment, model, .. } = self;
        let participant = &mut participants[i];
        let last = participant.disk.ledger.last;
        participant.disk.crash(environment, model, with_machine);
        if !participant.has_log {
            participant.disk.forget(&participant.id);
        }
        if participant.disk.ledger.last < last {
            model.cover(CoveragePoint::MemoryLost);
        }
        if let Some(outbox) = &mut participant.outbox {
            let texts = outbox.crash(environment, with_machine);
            participant.outcomes.on_lost_entries(&texts);
            model.lost_texts.extend(texts);
        }
        participant.outcomes.on_end(participant.outbox.is_some());
        participant.session = None;
        participant.ends = false;
        participant.listens = None;
        participant.commands.clear();
        participant.messages.clear();
        participant.waiting.clear();
        environment.abandon(Node::Participant(i), with_machine);
        if participant.visit.is_some() {
            return; // The next visit starts when it is due.
        }
        let pause =
            if environment.calm { 10 } else { environment.rng.pick(&[10, 800, 6_000, 60_000]) };
        environment.after(pause, Event::Start(Node::Participant(i)));
    }

    pub(crate) fn input(&mut self, i: usize, input: SessionInput<'_>) {
        let now = Millis::new(self.environment.now - self.participants[i].started);
        let Some(session) = &mut self.participants[i].session else { return };
        session.handle(input, now);
        while let Some(effect) =
            self.participants[i].session.as_mut().and_then(Session::poll_effect)
        {
            self.run_effect(i, effect);
        }
    }

    fn read_last(&mut self, i: usize) {
        self.input(i, SessionInput::LastRead { failure: None });
    }

    fn run_effect(&mut self, i: usize, effect: SessionEffect) {
        self.trace(|| format!("p{i}: {effect:?}"));
        let World { participants, environment, model, .. } = self;
        let participant = &mut participants[i];
        match effect {
            SessionEffect::Dial { socket, .. } => {
                let end = environment.dial(Node::Participant(i), participant.ip, HUB);
                participant.on_dial_of_visit(environment.address(end));
                participant.commands.insert(socket.0, Commands::new(end));
            }
            SessionEffect::CloseCommandSocket { socket } => {
                let commands = participant.commands.remove(&socket.0);
                participant.outcomes.on_closed(socket.0, 0);
                environment.close(commands.expect("hung up once").end);
            }
            SessionEffect::Send { socket, line } => {
                let commands = participant.commands.get_mut(&socket.0);
                let commands = commands.expect("sent where there is a socket");
                commands.registers = line.contains("#register ");
                commands.output.extend(line.as_bytes());
                participant.outcomes.on_send(socket.0, &line, participant.outbox.as_ref());
                participant.on_request_of_visit(&line);
            }
            SessionEffect::Upgrade { socket } => self.upgrade(i, socket),
            SessionEffect::Listen { port } => self.listen(i, port),
            SessionEffect::CloseListener => self.close_listener(i),
            SessionEffect::CloseMessageSocket { socket } => {
                let end = participant.messages.remove(&socket.0).expect("closed once").end;
                if environment.rng.percent(50) {
                    environment.read(end, usize::MAX);
                }
                environment.close(end);
            }
            SessionEffect::Report(_) => model.cover(CoveragePoint::StrangerReported),
            SessionEffect::Ack { socket, seq } => {
                let messages = participant.messages.get_mut(&socket.0);
                let ack = &mut messages.expect("acknowledged where it came").ack;
                *ack = Some(seq.as_u64());
            }
            SessionEffect::Append(entry) => self.append(i, entry),
            SessionEffect::ReadLast { .. } => self.read_last(i),
            SessionEffect::Store(entry) => self.store(i, entry),
            SessionEffect::RetryOutbox => self.retry_outbox(i),
            SessionEffect::RetryLog => participant.disk.file.retry(environment, participant.life),
            SessionEffect::Show(Notice::Status(status)) => participant.status = Some(*status),
            SessionEffect::Show(notice) => {
                participant.outcomes.on_notice(&notice, model);
                participant.on_notice_of_visit(&notice);
                participant.replies.push(notice.to_string());
            }
            SessionEffect::TextDone { .. } => (),
            SessionEffect::Exit { code } => {
                participant.check_exit_of_visit(code, model);
                participant.ends = true;
            }
        }
    }

    fn close_listener(&mut self, i: usize) {
        let World { participants, environment, .. } = self;
        let participant = &mut participants[i];
        let listens = participant.listens.take().expect("closed once");
        environment.listeners.remove(&listens);
        let inbox = std::mem::take(&mut environment.inbox(Node::Participant(i)).accepted);
        for end in participant.waiting.drain(..).chain(inbox) {
            environment.close(end);
        }
    }

    fn append(&mut self, i: usize, entry: LogEntry) {
        if self.participants[i].visit.is_some() {
            return self.discard_entry(i, &entry);
        }
        let World { participants, environment, model, .. } = self;
        let participant = &mut participants[i];
        cover_entry(&entry, participant.reading, environment, model);
        let copies = participant.reading.map(|end| environment.conns[end.conn].copies);
        let (entry, life) = ((entry, copies.unwrap_or_default()), participant.life);
        participant.disk.file.append(entry, environment, life);
    }

    fn listen(&mut self, i: usize, port: u16) {
        let World { participants, environment, .. } = self;
        let participant = &mut participants[i];
        if !environment.calm && environment.rng.percent(4) {
            return self.input(i, SessionInput::ListenFailed { reason: "address in use" });
        }
        participant.check_join_of_visit();
        participant.ports += 1;
        let port = if port == 0 { participant.ports } else { port };
        let address = SocketAddr::new(participant.ip, port);
        assert_eq!(participant.listens.replace(address), None, "one listener at a time");
        environment.listeners.insert(address, Node::Participant(i));
        let nonce = u128::from(environment.rng.next());
        self.input(i, SessionInput::Listening { port, nonce });
    }

    pub(crate) fn participant_turn(&mut self, i: usize, ready: Vec<End>, accepted: Vec<End>) {
        if self.participants[i].session.is_none() {
            return;
        }
        self.participants[i].waiting = accepted;
        while !self.participants[i].waiting.is_empty() {
            let end = self.participants[i].waiting.remove(0);
            self.accept(i, end);
        }
        for end in ready {
            let commands = &self.participants[i].commands;
            let found = commands.iter().find(|(_, commands)| commands.end == end);
            if let Some((&socket, _)) = found {
                self.on_commands_ready(i, socket);
            }
        }
        while self.read_messages(i) {}
        let now = Millis::new(self.environment.now - self.participants[i].started);
        let is_due = |session: &Session| session.next_deadline().is_some_and(|due| due <= now);
        if self.participants[i].session.as_ref().is_some_and(is_due) {
            self.input(i, SessionInput::Tick);
            let is_due = self.participants[i].session.as_ref().is_some_and(is_due);
            assert!(!is_due, "p{i}: a deadline that stays would make the loop spin");
        }
        self.after_input(i);
    }

    /// Runs the effects of the session before the process sleeps.
    pub(crate) fn after_input(&mut self, i: usize) {
        while self.read_messages(i) {}
        if let Some(line) = self.next_line_of_visit(i) {
            return self.say(i, &line);
        }
        self.flush(i);
        if self.participants[i].ends {
            return self.end_participant(i, false);
        }
        let participant = &self.participants[i];
        let due = participant.session.as_ref().and_then(Session::next_deadline);
        if let Some(due) = due {
            let at = due.as_u64() + participant.started;
            let at = at.max(self.environment.now + 1);
            self.environment.wake(Node::Participant(i), at);
        }
    }

    fn accept(&mut self, i: usize, end: End) {
        let participant = &mut self.participants[i];
        participant.sockets += 1;
        let socket = participant.sockets;
        let (input, output) = (LineBuffer::default(), Vec::new());
        participant
            .messages
            .insert(socket, Messages { end, input, close_kind: None, ack: None, output });
        let peer = self.environment.conns[end.conn].from;
        self.input(i, SessionInput::Accepted { socket: MessageSocket(socket), peer });
    }

    fn on_commands_ready(&mut self, i: usize, number: u64) {
        let World { participants, environment, .. } = self;
        let participant = &mut participants[i];
        let socket = CommandSocket(number);
        let commands = participant.commands.get_mut(&number).unwrap();
        let end = commands.end;
        if !commands.is_connected {
            match environment.dialed(end) {
                None => return,
                Some(true) => {
                    commands.is_connected = true;
                    let ip = participant.ip;
                    self.input(i, SessionInput::Dialed { socket, ip, coordinator: HUB });
                }
                Some(false) => {
                    participant.commands.remove(&number);
                    environment.close(end);
                    let reason = "connection refused";
                    return self.input(i, SessionInput::DialFailed { socket, reason });
                }
            }
        }
        let (bytes, close_kind) = self.environment.read(end, usize::MAX);
        let commands = self.participants[i].commands.get_mut(&number);
        let Some(commands) = commands else { return };
        commands.input.extend(&bytes);
        while let Some(commands) = self.participants[i].commands.get_mut(&number) {
            let line = commands.input.next_line(1 << 20).unwrap();
            let Some(line) = line.map(<[u8]>::to_vec) else { break };
            commands.registers = false;
            let text = String::from_utf8_lossy(&line);
            self.participants[i].on_reply_to_visit(&text);
            self.participants[i].outcomes.on_reply(number, &text, &self.model.texts);
            self.input(i, SessionInput::ReplyLine { socket, line: &line });
            self.participants[i].outcomes.after_reply();
        }
        if close_kind.is_none() {
            return;
        }
        if let Some(commands) = self.participants[i].commands.remove(&number) {
            self.environment.close(end);
            let unsent = commands.output.len();
            self.participants[i].outcomes.on_closed(number, unsent);
            let said = self.participants[i].replies.len();
            self.input(i, SessionInput::CommandSocketClosed { socket, reason: "closed", unsent });
            let gives_up = |line: &String| line.starts_with("error: re");
            if commands.registers && !self.participants[i].replies[said..].iter().any(gives_up) {
                let state = self.state(i);
                assert_ne!(
                    state,
                    Some(SessionState::Offline),
                    "p{i}: a lost register is forgotten"
                );
            }
        }
    }

    /// Hands in message lines as long as they are wanted; whether there was one.
    fn read_messages(&mut self, i: usize) -> bool {
        let mut has_read = false;
        for number in self.participants[i].messages.keys().copied().collect::<Vec<u64>>() {
            while self.read_message(i, number) {
                has_read = true;
            }
        }
        has_read
    }

    fn read_message(&mut self, i: usize, number: u64) -> bool {
        let World { participants, environment, .. } = self;
        let participant = &mut participants[i];
        let socket = MessageSocket(number);
        let (Some(session), Some(messages)) =
            (&participant.session, participant.messages.get_mut(&number))
        else {
            return false;
        };
        if !session.wants_message_line(socket) {
            return false;
        }
        let max = session.message_line_bytes_max(socket);
        let line = messages.input.next_line(max);
        if let Ok(Some(line)) = line {
            let line = line.to_vec();
            participant.reading = Some(messages.end);
            self.input(i, SessionInput::MessageLine { socket, line: &line });
            self.participants[i].reading = None;
            return true;
        }
        if line.is_err() || messages.close_kind.is_some() {
            environment.close(messages.end);
            participant.messages.remove(&number);
            self.input(i, SessionInput::MessageSocketClosed { socket, reason: "closed" });
            return true;
        }
        let (bytes, close_kind) = environment.read(messages.end, 700);
        messages.input.extend(&bytes);
        messages.close_kind = close_kind;
        !bytes.is_empty() || close_kind.is_some()
    }

    fn flush(&mut self, i: usize) {
        let World { participants, environment, .. } = self;
        let participant = &mut participants[i];
        for commands in participant.commands.values_mut().filter(|commands| commands.is_connected) {
            while let Ok(count @ 1..) = environment.write(commands.end, &commands.output) {
                commands.output.drain(..count);
            }
        }
        for messages in participant.messages.values_mut() {
            if let (true, Some(seq)) = (messages.output.is_empty(), messages.ack) {
                messages.ack = None;
                messages.output = format!("ack {seq}\n").into_bytes();
            }
            while let Ok(count @ 1..) = environment.write(messages.end, &messages.output) {
                messages.output.drain(..count);
            }
        }
    }

    pub(crate) fn on_disk(&mut self, i: usize, life: u32) {
        if !self.is_write_done(i, life, Event::Disk(i, life)) {
            return;
        }
        let World { participants, environment, model, .. } = self;
        match participants[i].disk.done(environment, model, life) {
            Some(entries) => self.input(i, SessionInput::LogWritten { entries }),
            None => self.input(i, SessionInput::LogFailed { reason: "no space left" }),
        }
        self.after_input(i);
    }
}
