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
                    promises.extend(promise(socket, &line).map(|promise| (at, promise)));
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

fn promise(socket: &mut Socket, line: &str) -> Option<Promise> {
    if !line.starts_with("OK ") && !line.starts_with("ERR ") {
        let fields: Vec<&str> = line.splitn(4, '#').collect();
        let [seq, sender, _, text] = fields[..] else { return None };
        return Some(Promise::Message(seq.parse().unwrap(), sender.to_owned(), text.to_owned()));
    }
    let request = socket.requests.pop_front().expect("a request before its reply");
    let (id, rest) = request.split_once('#').unwrap();
    let (command, _) = rest.rsplit_once('#').unwrap();
    let word = line.split(' ').nth(1).unwrap_or_default();
    match (line.starts_with("OK "), word) {
        (true, "register") => Some(Promise::Member(id.to_owned())),
        (true, "deregister") => Some(Promise::NoMember(id.to_owned())),
        (true, "msend") => {
            let text = command.strip_prefix("msend ").unwrap();
            Some(Promise::Message(number(line, "seq"), id.to_owned(), text.to_owned()))
        }
        _ => None,
    }
}
