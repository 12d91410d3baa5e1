//! The participant's shell, played around a session: sockets, listener, message log.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use groupcast::protocol::LineBuffer;
use groupcast::session::{
    CommandSocket, LogEntry, LogPosition, MessageSocket, Notice, Session, SessionEffect,
    SessionInput, SessionState, Settings, Status,
};
use groupcast::time::Millis;

use crate::disk::Disk;
use crate::hub::HUB;
use crate::nature::{Node, RecoveryEvent};
use crate::net::{End, Ending};
use crate::sights::Sight;
use crate::texts::Texts;
use crate::world::World;

/// One participant, through all lives of its process.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) id: String,
    ip: IpAddr,
    pub(crate) life: u32,
    pub(crate) session: Option<Session>,
    started: u64,
    commands: BTreeMap<u64, Commands>,
    messages: BTreeMap<u64, Messages>,
    waiting: Vec<End>,
    pub(crate) listens: Option<SocketAddr>,
    sockets: u64,
    ports: u16,
    pub(crate) disk: Disk,
    /// What `status` said last, and what came for the user since it was asked.
    pub(crate) status: Option<Status>,
    pub(crate) replies: Vec<String>,
    pub(crate) texts: u32,
    pub(crate) fates: Texts,
    /// It comes back by itself.
    pub(crate) reconnects: bool,
    ends: bool,
    /// The connection that a line is of which is handed in.
    reading: Option<End>,
}

#[derive(Debug)]
struct Commands {
    end: End,
    is_connected: bool,
    input: LineBuffer,
    output: Vec<u8>,
    /// A `register` was the last request, and there is no reply yet.
    registers: bool,
}

#[derive(Debug)]
struct Messages {
    end: End,
    input: LineBuffer,
    ending: Option<Ending>,
    ack: Option<u64>,
    output: Vec<u8>,
}

impl Person {
    pub(crate) fn new(index: usize, (reconnects, must_sync): (bool, bool)) -> Self {
        let id = format!("p{index}");
        let last = u8::try_from(index).unwrap();
        Self {
            disk: Disk::new(index, &id, must_sync),
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
            fates: Texts::default(),
            reconnects,
            ends: false,
            reading: None,
        }
    }
}

impl World {
    pub(crate) fn start_person(&mut self, i: usize) {
        self.trace(|| format!("p{i}: starts"));
        let seed = self.nature.rng.next();
        let person = &mut self.people[i];
        let ledger = person.disk.open();
        let last = groupcast::protocol::Seq::new(ledger.last);
        person.life += 1;
        person.started = self.nature.now;
        person.session = Some(Session::new(Settings {
            id: person.id.as_str().into(),
            coordinator: HUB.to_string().into(),
            log_position: LogPosition { epoch: ledger.epoch, last },
            reconnects: person.reconnects,
            stays_after_input: true,
            seed,
        }));
    }

    /// The process is gone. What it had not written, it never had.
    pub(crate) fn end_person(&mut self, i: usize, with_machine: bool) {
        self.trace(|| format!("p{i}: ends"));
        let World { people, nature, model, .. } = self;
        let person = &mut people[i];
        let last = person.disk.ledger.last;
        person.disk.crash(nature, model, with_machine);
        if person.disk.ledger.last < last {
            model.see(Sight::MemoryLost);
        }
        person.fates.on_end();
        person.session = None;
        person.ends = false;
        person.listens = None;
        person.commands.clear();
        person.messages.clear();
        person.waiting.clear();
        nature.abandon(Node::Person(i), with_machine);
        let pause = if nature.calm { 10 } else { nature.rng.pick(&[10, 800, 6_000, 60_000]) };
        nature.after(pause, RecoveryEvent::Start(Node::Person(i)));
    }

    pub(crate) fn input(&mut self, i: usize, input: SessionInput<'_>) {
        let now = Millis::new(self.nature.now - self.people[i].started);
        let Some(session) = &mut self.people[i].session else { return };
        session.handle(input, now);
        while let Some(effect) = self.people[i].session.as_mut().and_then(Session::poll_effect) {
            self.carry_out(i, effect);
        }
    }

    fn carry_out(&mut self, i: usize, effect: SessionEffect) {
        self.trace(|| format!("p{i}: {effect:?}"));
        let World { people, nature, model, .. } = self;
        let person = &mut people[i];
        match effect {
            SessionEffect::Dial { socket } => {
                let end = nature.dial(Node::Person(i), person.ip, HUB);
                let (input, output) = (LineBuffer::default(), Vec::new());
                let commands =
                    Commands { end, is_connected: false, input, output, registers: false };
                person.commands.insert(socket.0, commands);
            }
            SessionEffect::HangUp { socket } => {
                let commands = person.commands.remove(&socket.0);
                person.fates.on_closed(socket.0, 0);
                nature.close(commands.expect("hung up once").end);
            }
            SessionEffect::Send { socket, line } => {
                let commands = person.commands.get_mut(&socket.0);
                let commands = commands.expect("sent where there is a socket");
                commands.registers = line.contains("#register ");
                commands.output.extend(line.as_bytes());
                person.fates.on_send(socket.0, &line);
            }
            SessionEffect::Listen { port } => self.listen(i, port),
            SessionEffect::CloseListener => {
                let listens = person.listens.take().expect("closed once");
                nature.listeners.remove(&listens);
                let inbox = std::mem::take(&mut nature.inbox(Node::Person(i)).accepted);
                for end in person.waiting.drain(..).chain(inbox) {
                    nature.close(end);
                }
            }
            SessionEffect::CloseMessages { socket } => {
                let messages = person.messages.remove(&socket.0);
                let end = messages.expect("closed once").end;
                if nature.rng.percent(50) {
                    nature.read(end, usize::MAX);
                }
                nature.close(end);
            }
            SessionEffect::Report(_) => model.see(Sight::StrangerReported),
            SessionEffect::Ack { socket, seq } => {
                let messages = person.messages.get_mut(&socket.0);
                let ack = &mut messages.expect("acknowledged where it came").ack;
                *ack = Some(seq.as_u64());
            }
            SessionEffect::Append(entry) => self.append(i, entry),
            SessionEffect::RetryLog => person.disk.retry(nature, person.life),
            SessionEffect::Show(Notice::Status(status)) => person.status = Some(status),
            SessionEffect::Show(notice) => {
                person.fates.on_notice(&notice, model);
                person.replies.push(notice.to_string());
            }
            SessionEffect::Exit { .. } => person.ends = true,
        }
    }

    fn append(&mut self, i: usize, entry: LogEntry) {
        let World { people, nature, .. } = self;
        let person = &mut people[i];
        let copies = person.reading.map(|end| nature.conns[end.conn].copies);
        person.disk.append((entry, copies.unwrap_or_default()), nature, person.life);
    }

    fn listen(&mut self, i: usize, port: u16) {
        let World { people, nature, .. } = self;
        let person = &mut people[i];
        if !nature.calm && nature.rng.percent(4) {
            return self.input(i, SessionInput::ListenFailed { reason: "address in use" });
        }
        person.ports += 1;
        let port = if port == 0 { person.ports } else { port };
        let address = SocketAddr::new(person.ip, port);
        assert_eq!(person.listens.replace(address), None, "one listener at a time");
        nature.listeners.insert(address, Node::Person(i));
        let nonce = u128::from(nature.rng.next());
        self.input(i, SessionInput::Listening { port, nonce });
    }

    pub(crate) fn person_turn(&mut self, i: usize, ready: Vec<End>, accepted: Vec<End>) {
        if self.people[i].session.is_none() {
            return;
        }
        self.people[i].waiting = accepted;
        while !self.people[i].waiting.is_empty() {
            let end = self.people[i].waiting.remove(0);
            self.accept(i, end);
        }
        for end in ready {
            let commands = &self.people[i].commands;
            let found = commands.iter().find(|(_, commands)| commands.end == end);
            if let Some((&socket, _)) = found {
                self.attend_commands(i, socket);
            }
        }
        while self.read_messages(i) {}
        let now = Millis::new(self.nature.now - self.people[i].started);
        let is_due = |session: &Session| session.next_deadline().is_some_and(|due| due <= now);
        if self.people[i].session.as_ref().is_some_and(is_due) {
            self.input(i, SessionInput::Tick);
            let is_due = self.people[i].session.as_ref().is_some_and(is_due);
            assert!(!is_due, "p{i}: a deadline that stays would make the loop spin");
        }
        self.after_input(i);
    }

    /// What the process does before it sleeps.
    pub(crate) fn after_input(&mut self, i: usize) {
        while self.read_messages(i) {}
        self.flush(i);
        if self.people[i].ends {
            return self.end_person(i, false);
        }
        let person = &self.people[i];
        let due = person.session.as_ref().and_then(Session::next_deadline);
        if let Some(due) = due {
            let at = due.as_u64() + person.started;
            let at = at.max(self.nature.now + 1);
            self.nature.wake(Node::Person(i), at);
        }
    }

    fn accept(&mut self, i: usize, end: End) {
        let person = &mut self.people[i];
        person.sockets += 1;
        let socket = person.sockets;
        let (input, output) = (LineBuffer::default(), Vec::new());
        person.messages.insert(socket, Messages { end, input, ending: None, ack: None, output });
        let peer = self.nature.conns[end.conn].from;
        self.input(i, SessionInput::Accepted { socket: MessageSocket(socket), peer });
    }

    fn attend_commands(&mut self, i: usize, number: u64) {
        let World { people, nature, .. } = self;
        let person = &mut people[i];
        let socket = CommandSocket(number);
        let commands = person.commands.get_mut(&number).unwrap();
        let end = commands.end;
        if !commands.is_connected {
            match nature.dialed(end) {
                None => return,
                Some(true) => {
                    commands.is_connected = true;
                    let ip = person.ip;
                    self.input(i, SessionInput::Dialed { socket, ip, coordinator: HUB });
                }
                Some(false) => {
                    person.commands.remove(&number);
                    nature.close(end);
                    let reason = "connection refused";
                    return self.input(i, SessionInput::DialFailed { socket, reason });
                }
            }
        }
        let (bytes, ending) = self.nature.read(end, usize::MAX);
        let commands = self.people[i].commands.get_mut(&number);
        let Some(commands) = commands else { return };
        commands.input.extend(&bytes);
        while let Some(commands) = self.people[i].commands.get_mut(&number) {
            let line = commands.input.next_line(1 << 20).unwrap();
            let Some(line) = line.map(<[u8]>::to_vec) else { break };
            commands.registers = false;
            let text = String::from_utf8_lossy(&line);
            self.people[i].fates.on_reply(number, &text, &self.model.texts);
            self.input(i, SessionInput::ReplyLine { socket, line: &line });
            self.people[i].fates.after_reply();
        }
        if ending.is_none() {
            return;
        }
        if let Some(commands) = self.people[i].commands.remove(&number) {
            self.nature.close(end);
            let unsent = commands.output.len();
            self.people[i].fates.on_closed(number, unsent);
            let said = self.people[i].replies.len();
            self.input(i, SessionInput::CommandsClosed { socket, reason: "closed", unsent });
            let gives_up = |line: &String| line.starts_with("error: re");
            if commands.registers && !self.people[i].replies[said..].iter().any(gives_up) {
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
        for number in self.people[i].messages.keys().copied().collect::<Vec<u64>>() {
            while self.read_message(i, number) {
                has_read = true;
            }
        }
        has_read
    }

    fn read_message(&mut self, i: usize, number: u64) -> bool {
        let World { people, nature, .. } = self;
        let person = &mut people[i];
        let socket = MessageSocket(number);
        let (Some(session), Some(messages)) = (&person.session, person.messages.get_mut(&number))
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
            person.reading = Some(messages.end);
            self.input(i, SessionInput::MessageLine { socket, line: &line });
            self.people[i].reading = None;
            return true;
        }
        if line.is_err() || messages.ending.is_some() {
            nature.close(messages.end);
            person.messages.remove(&number);
            self.input(i, SessionInput::MessagesClosed { socket, reason: "closed" });
            return true;
        }
        let (bytes, ending) = nature.read(messages.end, 700);
        messages.input.extend(&bytes);
        messages.ending = ending;
        !bytes.is_empty() || ending.is_some()
    }

    fn flush(&mut self, i: usize) {
        let World { people, nature, .. } = self;
        let person = &mut people[i];
        for commands in person.commands.values_mut().filter(|commands| commands.is_connected) {
            while let Ok(count @ 1..) = nature.write(commands.end, &commands.output) {
                commands.output.drain(..count);
            }
        }
        for messages in person.messages.values_mut() {
            if let (true, Some(seq)) = (messages.output.is_empty(), messages.ack) {
                messages.ack = None;
                messages.output = format!("ack {seq}\n").into_bytes();
            }
            while let Ok(count @ 1..) = nature.write(messages.end, &messages.output) {
                messages.output.drain(..count);
            }
        }
    }

    pub(crate) fn on_disk(&mut self, i: usize, life: u32) {
        let World { people, nature, model, .. } = self;
        let person = &mut people[i];
        if person.life != life || person.session.is_none() {
            return;
        }
        let paused_until = nature.inbox(Node::Person(i)).paused_until;
        if paused_until > nature.now {
            return nature.after(paused_until - nature.now, RecoveryEvent::Disk(i, life));
        }
        match person.disk.done(nature, model, life) {
            Some(entries) => self.input(i, SessionInput::LogWritten { entries }),
            None => self.input(i, SessionInput::LogFailed { reason: "no space left" }),
        }
        self.after_input(i);
    }
}
