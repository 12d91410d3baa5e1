//! Members that ask for their messages on the connection of the request.

use groupcast::protocol::LineBuffer;

use crate::coordinator::HUB;
use crate::environment::{Environment, Node};
use crate::net::End;
use crate::raw::{Habit, Messages, Raw};
use crate::world::World;

/// A connection with a request for messages, until its reply has come.
#[derive(Debug, Default)]
pub(crate) struct HereSocket {
    input: LineBuffer,
    output: Vec<u8>,
}

impl Raw {
    pub(crate) fn flush_here(&mut self, environment: &mut Environment) {
        for (&end, here) in &mut self.here {
            while environment.dialed(end) == Some(true)
                && let Ok(count @ 1..) = environment.write(end, &here.output)
            {
                here.output.drain(..count);
            }
        }
    }
}

impl World {
    /// Asks for the messages, at the listener or on a new connection. Returns the request for the
    /// command socket, if it is for that.
    pub(crate) fn raw_ask(&mut self, i: usize, verb: &str, options: &str) -> String {
        let World { environment, raws, .. } = self;
        let raw = &mut raws[i];
        let rng = &mut environment.rng;
        if rng.percent(60) {
            return raw.request(&format!("{verb} 3000{options}"));
        }
        let mut lines = String::new();
        if rng.percent(40) {
            lines.push_str(&raw.request(rng.pick(&["ping", "members", "stats", "nonsense"])));
        }
        lines.push_str(&raw.request(&format!("{verb} here{options}")));
        // After an `ERR` these are requests; after the `OK` they are not.
        match rng.below(10) {
            0 => lines.push_str("ack 0\n"),
            1 if raw.habit != Habit::Exact => lines.push_str(&raw.request("deregister")),
            2 if raw.habit == Habit::None => lines.push_str(&raw.request("ping").repeat(300)),
            3 => lines.push_str("ack"), // The rest never comes.
            _ => (),
        }
        if lines.ends_with("ack") && raw.habit == Habit::Loose {
            lines.push_str(" 1000000\n");
        }
        let is_ended = !environment.calm && rng.percent(4);
        let end = environment.dial(Node::Raw(i), raw.address.ip(), HUB);
        raw.here.insert(end, HereSocket { output: lines.into(), ..HereSocket::default() });
        if is_ended {
            // It ends its direction behind the request, if the connection is there at once.
            raw.flush_here(environment);
            environment.shut_down(end);
        }
        String::new()
    }

    /// Reads replies, until `OK` makes the connection a message socket.
    pub(crate) fn raw_here_read(&mut self, i: usize, end: End) {
        let World { environment, raws, .. } = self;
        let raw = &mut raws[i];
        let Some(mut here) = raw.here.remove(&end) else { return };
        if environment.dialed(end) != Some(true) {
            if environment.dialed(end) == Some(false) {
                environment.close(end);
            } else {
                raw.here.insert(end, here);
            }
            return;
        }
        let (bytes, close_kind) = environment.read(end, usize::MAX);
        here.input.extend(&bytes);
        while let Some(line) = here.input.next_line(1 << 20).unwrap() {
            if line.starts_with(b"OK register ") || line.starts_with(b"OK reconnect ") {
                let is_greeted = raw.habit == Habit::None;
                let acks_at_once = environment.calm || environment.rng.percent(50);
                let HereSocket { input, output } = here;
                let messages = Messages { input, is_greeted, received: 0, acks_at_once, output };
                raw.messages.insert(end, messages);
                return self.raw_read(i, end);
            }
            if line.starts_with(b"ERR ") && !line.starts_with(b"ERR 400 command") {
                return environment.close(end);
            }
        }
        if close_kind.is_some() {
            return environment.close(end);
        }
        raw.here.insert(end, here);
    }
}
