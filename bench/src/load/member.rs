//! One member: a command channel, a message socket, and the replies that it waits for.
//!
//! ```text
//!              disconnect          OK, message socket ended        time to come back
//!   Online ───────────────▶ Leaving ───────────────────────▶ Away ──────┬──────────▶ Connecting
//!     ▲ │ ╲            crash: every socket is closed          ▲         │ command channel open │
//!     │ │  ╲──────────────────────────────────────────────────╯         ▼                      │
//!     │ ╰── takeover: reconnect while online ──────────────────▶ Returning ◀───────────────────╯
//!     ╰────────────────────── OK and hello ────────────────────────╯          connected
//! ```

use std::collections::VecDeque;

use super::here::{HereSocket, Step};
use super::message_socket::{MessageSocket, read_all};
use super::participants::{Process, Transport};
use super::recorder::Recorder;
use super::verifier::fault::{excerpt, unexpected};
use super::verifier::stamp::Stamp;
use crate::socket::Socket;
use crate::stream::{Output, WholeLines, lines};

/// Longest line of a message socket.
const LINE_BYTES_MAX: usize = 128 * 1024;
/// Unsent bytes of a command channel above which its member publishes nothing.
const UNSENT_BYTES_MAX: usize = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Online,
    Leaving { is_answered: bool },
    Away,
    Connecting,
    Returning { is_answered: bool, is_connected: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Publish,
    Disconnect,
    Reconnect,
}

#[derive(Debug)]
struct CommandChannel {
    transport: Transport,
    output: Output,
    lines: WholeLines,
    unanswered: VecDeque<Request>,
}

/// Properties that a member keeps through all of its connections.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) index: usize,
    pub(super) id: String,
    /// Bytes before and behind each command.
    pub(super) frame: (String, String),
    pub(super) acks: bool,
    /// Own messages are tracked until every online member has them.
    pub(super) is_windowed: bool,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) profile: Profile,
    pub(super) state: State,
    commands: Option<CommandChannel>,
    messages: Option<MessageSocket>,
    /// Message socket before a takeover: open and no longer read until the new one is connected.
    previous: Option<MessageSocket>,
    /// Connection that shall be the next message socket.
    asking: Option<HereSocket>,
    /// Number of reconnects; each has its own nonce.
    attempt: u32,
    /// Own messages that some online member has still to receive.
    in_flight: VecDeque<u64>,
    /// CPU time of processes that were killed.
    ended_cpu_ns: u64,
}

impl Member {
    /// Returns a registered member; a process has no message socket here.
    pub(super) fn new(profile: Profile, transport: Transport, messages: Option<Socket>) -> Self {
        let mut member = Self {
            profile,
            state: State::Online,
            commands: None,
            messages: messages.map(MessageSocket::new),
            previous: None,
            asking: None,
            attempt: 0,
            in_flight: VecDeque::new(),
            ended_cpu_ns: 0,
        };
        member.open(transport);
        member
    }

    /// Takes a new command channel into use.
    pub(super) fn open(&mut self, transport: Transport) {
        let (output, lines, unanswered) =
            (Output::default(), WholeLines::default(), VecDeque::new());
        self.commands = Some(CommandChannel { transport, output, lines, unanswered });
    }

    pub(super) fn transport(&self) -> Option<&Transport> {
        self.commands.as_ref().map(|commands| &commands.transport)
    }

    pub(super) fn transport_mut(&mut self) -> Option<&mut Transport> {
        self.commands.as_mut().map(|commands| &mut commands.transport)
    }

    /// CPU time of all processes of a participant.
    pub(super) fn cpu_ns(&self) -> u64 {
        self.ended_cpu_ns
            + match self.transport() {
                Some(Transport::Process(process)) => process.cpu_ns(),
                Some(Transport::Socket(_)) | None => 0,
            }
    }

    pub(super) fn may_publish(&self) -> bool {
        let has_room = |commands: &CommandChannel| commands.output.waiting() < UNSENT_BYTES_MAX;
        self.state == State::Online && self.commands.as_ref().is_some_and(has_room)
    }

    /// Number of own messages without a reply, or not yet with every online member.
    pub(super) fn in_flight(&self, recorder: &Recorder) -> usize {
        recorder.verifier.unanswered(self.profile.index) + self.in_flight.len()
    }

    /// Forgets own messages that `others` members have.
    pub(super) fn open_window(&mut self, recorder: &Recorder, others: usize) {
        while self.in_flight.front().is_some_and(|seq| recorder.verifier.has_reached(*seq, others))
        {
            self.in_flight.pop_front();
        }
    }

    /// Queues a command for the next write.
    fn command(&mut self, request: Request, append: impl FnOnce(&mut Vec<u8>)) {
        let Some(commands) = &mut self.commands else { return };
        let output = commands.output.bytes();
        output.extend_from_slice(self.profile.frame.0.as_bytes());
        append(output);
        output.extend_from_slice(self.profile.frame.1.as_bytes());
        commands.unanswered.push_back(request);
    }

    /// Queues a text for the next write.
    pub(super) fn publish(&mut self, recorder: &mut Recorder, due_ns: u64, size: usize) {
        let Some(stamp) = recorder.verifier.send(self.profile.index, due_ns) else { return };
        self.command(Request::Publish, |output| {
            output.extend_from_slice(b"msend ");
            stamp.push(output, size);
        });
    }

    pub(super) fn disconnect(&mut self, recorder: &mut Recorder) {
        self.state = State::Leaving { is_answered: false };
        self.command(Request::Disconnect, |output| output.extend_from_slice(b"disconnect"));
        self.write(recorder);
    }

    /// Closes every socket without a word, or kills the process.
    pub(super) fn crash(&mut self, recorder: &mut Recorder) {
        self.ended_cpu_ns = self.cpu_ns();
        (self.commands, self.messages) = (None, None);
        self.in_flight.clear();
        self.state = State::Away;
        recorder.verifier.on_connection_lost(self.profile.index);
    }

    /// Asks a participant to end, and returns its process.
    pub(super) fn quit(&mut self, recorder: &mut Recorder) -> Option<Process> {
        self.commands.as_mut()?.output.bytes().extend_from_slice(b"quit\n");
        self.write(recorder);
        match self.commands.take()?.transport {
            Transport::Socket(_) => None,
            Transport::Process(mut process) => {
                process.close_input();
                Some(process)
            }
        }
    }

    /// Asks to be connected back at the given port in the given epoch, or at a process' own port.
    /// From here on the message socket before is not read.
    pub(super) fn reconnect(&mut self, recorder: &mut Recorder, listener: Option<(u16, &str)>) {
        self.begin_return();
        self.state = State::Returning { is_answered: false, is_connected: listener.is_none() };
        let command = listener.map_or_else(
            || "reconnect 0".to_owned(),
            |(port, epoch)| self.reconnect_command(recorder, &port.to_string(), epoch),
        );
        self.command(Request::Reconnect, |output| output.extend_from_slice(command.as_bytes()));
        self.write(recorder);
    }

    /// Asks for the messages on `socket`, which connects.
    pub(super) fn reconnect_here(&mut self, recorder: &mut Recorder, socket: Socket, epoch: &str) {
        self.begin_return();
        self.state = State::Returning { is_answered: true, is_connected: false };
        let command = self.reconnect_command(recorder, "here", epoch);
        let (head, tail) = &self.profile.frame;
        let request = format!("{head}{command}{tail}").into_bytes();
        self.asking = Some(HereSocket::new(socket, request));
    }

    fn begin_return(&mut self) {
        self.attempt += 1;
        self.previous = self.messages.take();
    }

    fn reconnect_command(&self, recorder: &Recorder, target: &str, epoch: &str) -> String {
        let acks = if self.profile.acks { " acks=1" } else { "" };
        let (nonce, acked) = (self.nonce(), recorder.verifier.acked(self.profile.index));
        format!("reconnect {target}{acks} nonce={nonce} since={epoch}:{acked}")
    }

    pub(super) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// Continues to ask for messages on a connection. Returns true if it is a message socket now.
    pub(super) fn ask_here(&mut self, recorder: &mut Recorder, epoch: &str) -> bool {
        match self.asking.take().map(HereSocket::advance) {
            None => return false,
            Some(Step::Waiting(asking)) => self.asking = Some(asking),
            Some(Step::Ready(socket, hello))
                if hello == format!("hello#{}#{epoch}", self.nonce()) =>
            {
                self.on_connect_back(recorder, socket);
                return true;
            }
            Some(Step::Ready(_, line) | Step::Refused(line)) => {
                recorder.fail(self.profile.index, unexpected(line.as_bytes()));
            }
        }
        false
    }

    /// First field of the hello on the connection that was asked for last.
    pub(super) fn nonce(&self) -> String {
        format!("{:08x}{:08x}", self.profile.index, self.attempt)
    }

    pub(super) fn on_connect_back(&mut self, recorder: &mut Recorder, socket: Socket) {
        if let State::Returning { is_answered, .. } = self.state {
            self.messages = Some(MessageSocket::new(socket));
            self.previous = None;
            recorder.on_reconnected(self.profile.index);
            self.on_return(is_answered, true);
        }
    }

    fn on_return(&mut self, is_answered: bool, is_connected: bool) {
        self.state = match (is_answered, is_connected) {
            (true, true) => State::Online,
            (is_answered, is_connected) => State::Returning { is_answered, is_connected },
        };
    }

    /// Writes as many commands as the channel takes.
    pub(super) fn write(&mut self, recorder: &mut Recorder) {
        let Some(commands) = &mut self.commands else { return };
        if commands.output.write_to(&mut commands.transport).is_err() {
            self.on_commands_closed(recorder);
        }
    }

    fn on_commands_closed(&self, recorder: &mut Recorder) {
        recorder.fail(self.profile.index, "the coordinator closed the command channel");
    }

    /// Reads the replies, and the messages that a participant shows.
    pub(super) fn read_replies(
        &mut self,
        recorder: &mut Recorder,
        scratch: &mut [u8],
        has_ended: bool,
    ) {
        let Some(mut commands) = self.commands.take() else { return };
        let now_ns = recorder.now_ns();
        let CommandChannel { transport, lines: whole, unanswered, .. } = &mut commands;
        let is_process = matches!(transport, Transport::Process(_));
        let is_open = read_all(transport, scratch, has_ended, |bytes| {
            whole.take(bytes, |run| {
                for line in lines(run) {
                    match line.first() {
                        Some(b'*') if is_process => (), // A notice of the participant.
                        Some(b'0'..=b'9') if is_process => self.on_shown(recorder, line, now_ns),
                        Some(_) | None => self.on_reply(recorder, unanswered.pop_front(), line),
                    }
                }
            });
        });
        if is_open {
            self.commands = Some(commands);
        } else {
            self.on_commands_closed(recorder);
        }
    }

    /// A participant shows a message as `<seq> <sender>: <text>`.
    fn on_shown(&self, recorder: &mut Recorder, line: &[u8], now_ns: u64) {
        let text = line.splitn(3, |&byte| byte == b' ').nth(2).unwrap_or_default();
        match Stamp::parse(text, text.len()) {
            Some(stamp) => recorder.on_shown(self.profile.index, stamp.due_ns, now_ns),
            None => {
                let fault = format!("shown text is altered: {:?}", excerpt(line));
                recorder.verifier.fault(self.profile.index, fault);
            }
        }
    }

    fn on_reply(&mut self, recorder: &mut Recorder, request: Option<Request>, line: &[u8]) {
        let index = self.profile.index;
        match (request, self.state) {
            (Some(Request::Publish), _) => {
                let seq = recorder.on_publish_reply(index, line);
                self.in_flight.extend(seq.filter(|_| self.profile.is_windowed));
            }
            (Some(Request::Disconnect), State::Leaving { .. }) if line == b"OK disconnect" => {
                let is_gone = self.messages.is_none();
                self.state =
                    if is_gone { State::Away } else { State::Leaving { is_answered: true } };
            }
            (Some(Request::Reconnect), State::Returning { is_connected, .. })
                if line.starts_with(b"OK reconnect ") =>
            {
                self.on_return(true, is_connected);
                if is_connected && self.messages.is_none() {
                    recorder.on_reconnected(index); // A process: the reply is the only sign.
                }
            }
            (_, _) => recorder.fail(index, unexpected(line)),
        }
    }

    /// Reads the message socket and acknowledges the messages.
    pub(super) fn read_messages(
        &mut self,
        recorder: &mut Recorder,
        scratch: &mut [u8],
        has_ended: bool,
    ) {
        let Some(messages) = &mut self.messages else { return };
        let index = self.profile.index;
        let MessageSocket { socket, lines: whole, .. } = messages;
        let is_open = read_all(socket, scratch, has_ended, |bytes| {
            let now_ns = recorder.now_ns();
            whole.take(bytes, |run| recorder.on_lines(index, run, now_ns));
        });
        if whole.begun() > LINE_BYTES_MAX {
            recorder.fail(index, "a line without end");
        }
        if is_open {
            return self.acknowledge(recorder);
        }
        self.messages = None;
        match self.state {
            State::Leaving { is_answered: true } => self.state = State::Away,
            State::Leaving { is_answered: false } => (),
            State::Online | State::Away | State::Connecting | State::Returning { .. } => {
                recorder.fail(index, "the coordinator closed the message socket");
            }
        }
    }

    fn acknowledge(&mut self, recorder: &Recorder) {
        let acked = recorder.verifier.acked(self.profile.index);
        let Some(messages) = &mut self.messages else { return };
        if self.profile.acks && acked > messages.acked && messages.acks.waiting() == 0 {
            messages.acked = acked;
            messages.acks.bytes().extend_from_slice(format!("ack {acked}\n").as_bytes());
        }
        // A failed write means that the socket has ended, which the next read reports.
        let _ = messages.write();
    }
}
