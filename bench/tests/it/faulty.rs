//! A coordinator that speaks a small part of the protocol and makes one fault.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Number of the message with the fault.
const SEQ: u64 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// One member does not receive the message.
    Drops,
    DropsForAll,
    Doubles,
    /// One member receives the message after the next one.
    Swaps,
    Alters,
    /// The publisher receives its own message.
    Echoes,
    /// One member receives a message from before its registration.
    Revives,
    /// One member receives a line without the fields of a message.
    Garbles,
    /// A gap counts one message where two are lost.
    Miscounts,
    /// The reply names another number.
    Renumbers,
    /// `stats` counts a message that was never sent.
    Overcounts,
    /// One message socket is closed.
    Closes,
    /// The reply is not one of the protocol's.
    Babbles,
}

struct Member {
    id: String,
    messages: TcpStream,
    delayed: String,
}

struct Group {
    fault: Fault,
    next: u64,
    members: Vec<Member>,
}

/// Starts the coordinator, which ends with the test; returns its address.
pub(crate) fn coordinator(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let group = Arc::new(Mutex::new(Group { fault, next: 1, members: Vec::new() }));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let group = Arc::clone(&group);
            thread::spawn(move || serve(&stream.unwrap(), &group));
        }
    });
    address
}

fn serve(mut stream: &TcpStream, group: &Mutex<Group>) {
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let (id, tail) = line.split_once('#').unwrap();
        let (command, _ip) = tail.rsplit_once('#').unwrap();
        let reply = group.lock().unwrap().reply(stream, id, command);
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

impl Group {
    fn reply(&mut self, stream: &TcpStream, id: &str, command: &str) -> String {
        let (word, tail) = command.split_once(' ').unwrap_or((command, ""));
        match word {
            "register" => {
                let messages = match tail.split(' ').next().unwrap() {
                    "here" => stream.try_clone(),
                    port => TcpStream::connect(("127.0.0.1", port.parse().unwrap())),
                };
                let messages = messages.unwrap();
                messages.set_nodelay(true).unwrap();
                self.members.push(Member { id: id.to_owned(), messages, delayed: String::new() });
                format!("OK register epoch=00000000000000aa next={} ttl=60\n", self.next)
            }
            "msend" => {
                let seq = self.next;
                self.next += 1;
                self.deliver(seq, id, tail);
                match (self.fault, seq) {
                    (Fault::Babbles, SEQ) => "FINE\n".to_owned(),
                    (Fault::Renumbers, SEQ) => format!("OK msend seq={}\n", seq + 1),
                    _ => format!("OK msend seq={seq}\n"),
                }
            }
            "stats" => {
                let next = self.next + u64::from(self.fault == Fault::Overcounts);
                format!("OK stats 2\nuptime_s 1\nnext_seq {next}\n")
            }
            _ => format!("OK {word}\n"),
        }
    }

    fn deliver(&mut self, seq: u64, sender: &str, text: &str) {
        let line = format!("{seq}#{sender}#1700000000000#{text}\n");
        // The first two members publish in turns: the last one only receives.
        let last = self.members.len() - 1;
        for (index, member) in self.members.iter_mut().enumerate() {
            let fault = if index == last { self.fault } else { Fault::None };
            let lines = match (self.fault, seq) {
                (Fault::Echoes, SEQ) => line.clone(),
                _ if member.id == sender => continue,
                (Fault::DropsForAll, SEQ) => continue,
                _ => member.lines(fault, seq, &line),
            };
            let _ = member.messages.write_all(lines.as_bytes());
        }
    }
}

impl Member {
    /// Returns the bytes in place of `line`.
    fn lines(&mut self, fault: Fault, seq: u64, line: &str) -> String {
        match (fault, seq) {
            (Fault::Drops, SEQ) => String::new(),
            (Fault::Doubles, SEQ) => line.repeat(2),
            (Fault::Swaps, SEQ) => {
                self.delayed = line.to_owned();
                String::new()
            }
            (Fault::Alters, SEQ) => line.replace("groupcast", "groupcost"),
            (Fault::Revives, SEQ) => line.to_owned() + &line.replacen('5', "0", 1),
            (Fault::Garbles, SEQ) => line.replace('#', " "),
            (Fault::Miscounts, SEQ) => format!("gap#1#{SEQ}#{}\n", SEQ + 1),
            (Fault::Miscounts, seq) if seq == SEQ + 1 => String::new(),
            (Fault::Closes, SEQ) => {
                let _ = self.messages.shutdown(Shutdown::Both);
                String::new()
            }
            _ => line.to_owned() + &std::mem::take(&mut self.delayed),
        }
    }
}
