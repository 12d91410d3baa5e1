//! Promises of a coordinator by each step of a trace, as its clients saw them.

use std::collections::{BTreeMap, VecDeque};

use super::platter::Step;
use support::number;
use support::preload::shared::Operation;

/// Something that holds from a step on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// This id asks to be a member no more: from here on nobody knows.
    LeaveAsked(String),
    Member(String),
    NoMember(String),
    /// Sender and text of a number.
    Message(u64, String, String),
    /// This id has this number of texts that were accepted once.
    Published(String, u64),
}

/// One socket's bytes, cut into lines.
#[derive(Debug, Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(bytes);
        let end = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        String::from_utf8(whole).unwrap().lines().map(str::to_owned).collect()
    }
}

#[derive(Debug, Default)]
struct Socket {
    received: Lines,
    sent: Lines,
    requests: VecDeque<String>,
}

/// All promises with the step that makes them.
pub(crate) fn of(steps: &[Step]) -> Vec<(usize, Promise)> {
    let mut sockets: BTreeMap<u64, Socket> = BTreeMap::new();
    let mut promises = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let socket = sockets.entry(step.file).or_default();
        match step.operation {
            Operation::Begin => sockets.clear(),
            Operation::Receive => {
                for line in socket.received.take(&step.data) {
                    if let Some((id, _)) = line.split_once("#deregister#") {
                        promises.push((at, Promise::LeaveAsked(id.to_owned())));
                    }
                    if line.contains('#') {
                        socket.requests.push_back(line);
                    }
                }
            }
            Operation::Send => {
                for line in socket.sent.take(&step.data) {
                    promises.extend(made(socket, &line).into_iter().map(|promise| (at, promise)));
                }
            }
            Operation::Create
            | Operation::MakeDirectory
            | Operation::Write
            | Operation::Truncate
            | Operation::Rename
            | Operation::Remove
            | Operation::Sync
            | Operation::Say => (),
        }
    }
    promises
}

/// Returns the promises that a line makes.
fn made(socket: &mut Socket, line: &str) -> Vec<Promise> {
    if !line.starts_with("OK ") && !line.starts_with("ERR ") {
        let fields: Vec<&str> = line.splitn(4, '#').collect();
        let [seq, sender, _, text] = fields[..] else { return Vec::new() };
        let (sender, text) = (sender.to_owned(), text.to_owned());
        return vec![Promise::Message(seq.parse().unwrap(), sender, text)];
    }
    let request = socket.requests.pop_front().expect("a request before its reply");
    let (id, rest) = request.split_once('#').unwrap();
    let id = id.to_owned();
    let (command, _) = rest.rsplit_once('#').unwrap();
    let (asked, arguments) = command.split_once(' ').unwrap_or((command, ""));
    match (line.starts_with("OK "), asked) {
        (true, "register") => vec![Promise::Member(id)],
        (true, "deregister") => vec![Promise::NoMember(id)],
        (true, "msend") => vec![Promise::Message(number(line, "seq"), id, arguments.to_owned())],
        (true, "send") => {
            let (published, text) = arguments.split_once(' ').unwrap();
            let message = Promise::Message(number(line, "seq"), id.clone(), text.to_owned());
            vec![message, Promise::Published(id, published.parse().unwrap())]
        }
        _ => Vec::new(),
    }
}
