//! A coordinator that speaks just enough of the protocol, and does one thing wrong.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The number at which it errs.
const SEQ: u64 = 5;

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    /// One member does not get a message.
    Drops,
    /// Nobody gets it, though it was accepted.
    DropsForAll,
    /// One member gets it twice.
    Doubles,
    /// One member gets it after the next.
    Swaps,
    /// One member gets another text.
    Alters,
    /// Its publisher gets it.
    Echoes,
    /// One member is told that one message is lost where two are.
    Miscounts,
    /// The reply names another number.
    Renumbers,
    /// It counts a message that nobody sent.
    Overcounts,
    /// One member's message socket is closed.
    Closes,
    /// The reply is none.
    Babbles,
}

struct Member {
    id: String,
    messages: TcpStream,
    held: Option<String>,
}

struct Group {
    wrong: Wrong,
    next: u64,
    members: Vec<Member>,
}

/// Where such a coordinator listens; it goes when the test does.
pub(crate) fn coordinator(wrong: Wrong) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let group = Arc::new(Mutex::new(Group { wrong, next: 1, members: Vec::new() }));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let group = Arc::clone(&group);
            thread::spawn(move || serve(&stream.unwrap(), &group));
        }
    });
    address
}

fn serve(stream: &TcpStream, group: &Mutex<Group>) {
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let (id, rest) = line.split_once('#').unwrap();
        let (command, _ip) = rest.rsplit_once('#').unwrap();
        let reply = group.lock().unwrap().carry_out(id, command);
        let mut stream = stream;
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

impl Group {
    fn carry_out(&mut self, id: &str, command: &str) -> String {
        let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
        match word {
            "register" => {
                let port: u16 = rest.split(' ').next().unwrap().parse().unwrap();
                let messages = TcpStream::connect(("127.0.0.1", port)).unwrap();
                messages.set_nodelay(true).unwrap();
                self.members.push(Member { id: id.to_owned(), messages, held: None });
                format!("OK register epoch=00000000000000aa next={} ttl=60\n", self.next)
            }
            "msend" => {
                let seq = self.next;
                self.next += 1;
                self.deliver(seq, id, rest);
                let errs = |wrong| self.wrong == wrong && seq == SEQ;
                if errs(Wrong::Babbles) {
                    return "FINE\n".to_owned();
                }
                format!("OK msend seq={}\n", seq + u64::from(errs(Wrong::Renumbers)))
            }
            "stats" => {
                let next = self.next + u64::from(self.wrong == Wrong::Overcounts);
                format!("OK stats 2\nuptime_s 1\nnext_seq {next}\n")
            }
            _ => format!("OK {word}\n"),
        }
    }

    fn deliver(&mut self, seq: u64, sender: &str, text: &str) {
        let line = format!("{seq}#{sender}#1700000000000#{text}\n");
        // Messages are sent by the first two members in turn: the last is a receiver.
        let victim = self.members.len() - 1;
        for (index, member) in self.members.iter_mut().enumerate() {
            let is_own = member.id == sender;
            let lines = match (self.wrong, seq) {
                (Wrong::Echoes, SEQ) if is_own => line.clone(),
                _ if is_own => continue,
                (Wrong::DropsForAll, SEQ) => continue,
                (wrong, _) if index == victim => err(wrong, seq, &line, member),
                _ => line.clone(),
            };
            let _ = member.messages.write_all(lines.as_bytes());
        }
    }
}

/// What the victim gets instead of `line`.
fn err(wrong: Wrong, seq: u64, line: &str, victim: &mut Member) -> String {
    match (wrong, seq) {
        (Wrong::Drops, SEQ) => String::new(),
        (Wrong::Doubles, SEQ) => line.repeat(2),
        (Wrong::Swaps, SEQ) => {
            victim.held = Some(line.to_owned());
            String::new()
        }
        (Wrong::Alters, SEQ) => line.replace("groupcast", "groupcost"),
        (Wrong::Miscounts, SEQ) => format!("gap#1#{SEQ}#{}\n", SEQ + 1),
        (Wrong::Miscounts, seq) if seq == SEQ + 1 => String::new(),
        (Wrong::Closes, SEQ) => {
            let _ = victim.messages.shutdown(std::net::Shutdown::Both);
            String::new()
        }
        _ => format!("{line}{}", victim.held.take().unwrap_or_default()),
    }
}
