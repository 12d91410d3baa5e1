//! The network: byte streams that are late, in pieces, full, cut, or dead without a word.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use groupcast::net::{Readiness, UnackedBytes};

use crate::access::model::Shown;
use crate::environment::{Environment, Event, Node};

/// One end of a connection: 0 dialed, 1 was dialed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct End {
    pub(crate) conn: usize,
    pub(crate) side: usize,
}

impl End {
    pub(crate) fn peer(self) -> Self {
        Self { side: 1 - self.side, ..self }
    }
}

/// Kind of the end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseKind {
    /// After everything that was sent.
    Closed,
    Reset,
}

#[derive(Debug)]
enum Packet {
    Bytes(Vec<u8>),
    End(CloseKind),
    /// No probe was answered. While bytes are on their way, there are no probes.
    Silence,
}

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) owner: [Node; 2],
    pub(crate) from: IpAddr,
    /// Key and certificate that the dialing client shows.
    pub(crate) shown: Shown,
    to: SocketAddr,
    /// Result of connecting, as far as the dialer knows it.
    dialed: Option<bool>,
    reached: bool,
    closed: [bool; 2],
    /// Nothing gets through any more since then.
    cut_at: Option<u64>,
    /// A command socket became a message socket: both ends probe.
    pub(crate) is_upgraded: bool,
    latency: u64,
    /// Number of restores from a copy before it reached its listener.
    pub(crate) copies: u32,
    /// Bytes under way to each side.
    pipes: [Pipe; 2],
}

#[derive(Debug)]
struct Pipe {
    /// Packets under way, each with the time of its arrival.
    flying: VecDeque<(u64, Packet)>,
    last_at: u64,
    arrived: Vec<u8>,
    end: Option<CloseKind>,
    /// Bytes written and not read.
    unread_bytes: usize,
    capacity: usize,
    is_blocked: bool,
}

impl Pipe {
    fn new(capacity: usize) -> Self {
        Self {
            flying: VecDeque::new(),
            last_at: 0,
            arrived: Vec::new(),
            end: None,
            unread_bytes: 0,
            capacity,
            is_blocked: false,
        }
    }
}

impl Environment {
    pub(crate) fn dial(&mut self, owner: Node, from: IpAddr, to: SocketAddr) -> End {
        let is_calm = self.calm;
        let mut capacity = || match self.rng.below(6) {
            _ if is_calm => 65_536,
            0 => self.rng.between(1, 40),
            1 | 2 => self.rng.between(100, 2_000),
            _ => 65_536,
        };
        let pipes = [0, 1].map(|_| Pipe::new(usize::try_from(capacity()).unwrap()));
        let latency = if self.calm { 2 } else { self.rng.pick(&[0, 1, 1, 5, 40, 200, 1_500]) };
        let conn = self.conns.len();
        let shown = self.identities.of(owner, &mut self.rng);
        self.conns.push(Conn {
            owner: [owner, Node::Nobody],
            from,
            shown,
            to,
            dialed: None,
            reached: false,
            closed: [false; 2],
            cut_at: None,
            is_upgraded: false,
            latency,
            copies: self.copies,
            pipes,
        });
        let outcome = if self.calm { 99 } else { self.rng.below(100) };
        match outcome {
            0..=2 => (), // Never answered.
            3..=6 => self.after(latency, Event::Dialed(conn)),
            _ => self.after(latency, Event::Reach(conn)),
        }
        End { conn, side: 0 }
    }

    /// A connection reaches its listener: the system answers at once, and the process learns of it
    /// later.
    pub(crate) fn reach(&mut self, conn: usize) {
        let Conn { to, latency, closed, .. } = self.conns[conn];
        if closed[0] {
            return;
        }
        if let Some(&owner) = self.listeners.get(&to) {
            self.conns[conn].owner[1] = owner;
            self.conns[conn].reached = true;
            self.conns[conn].copies = self.copies;
            self.inbox(owner).accepted.push(End { conn, side: 1 });
            self.wake_soon(owner);
        }
        self.after(latency, Event::Dialed(conn));
    }

    pub(crate) fn on_dialed(&mut self, conn: usize) {
        let reached = self.conns[conn].reached;
        if self.conns[conn].dialed.replace(reached).is_none() {
            self.notify(End { conn, side: 0 });
            if self.identities.has_tls {
                self.notify(End { conn, side: 1 }); // The handshake goes on.
            }
        }
    }

    /// Returns the result of dialing, if it is known.
    pub(crate) fn dialed(&self, end: End) -> Option<bool> {
        self.conns[end.conn].dialed
    }

    /// Returns the number of bytes that the socket takes; 0 if it takes none now.
    pub(crate) fn write(&mut self, end: End, bytes: &[u8]) -> Result<usize, CloseKind> {
        let to = end.peer();
        let conn = &mut self.conns[end.conn];
        if conn.pipes[end.side].end == Some(CloseKind::Reset) {
            return Err(CloseKind::Reset);
        }
        let pipe = &mut conn.pipes[to.side];
        let most = bytes.len().min(pipe.capacity - pipe.unread_bytes);
        if most == 0 {
            pipe.is_blocked |= !bytes.is_empty();
            return Ok(0);
        }
        let count = if self.rng.percent(15) { self.rng.index(most) + 1 } else { most };
        pipe.unread_bytes += count;
        if conn.cut_at.is_some() {
            return Ok(count);
        }
        let mut rest = &bytes[..count];
        while !rest.is_empty() {
            let cut =
                if self.rng.percent(25) { self.rng.index(rest.len()) + 1 } else { rest.len() };
            let (now, behind) = rest.split_at(cut);
            self.send(to, Packet::Bytes(now.to_vec()));
            rest = behind;
        }
        self.trace_numbers(&[end.conn as u64, end.side as u64]);
        self.trace_bytes(&bytes[..count]);
        Ok(count)
    }

    fn send(&mut self, to: End, packet: Packet) {
        let jitter = if self.rng.percent(20) { self.rng.below(20) } else { 0 };
        let now = self.now;
        let conn = &mut self.conns[to.conn];
        let pipe = &mut conn.pipes[to.side];
        pipe.last_at = pipe.last_at.max(now + conn.latency + jitter);
        pipe.flying.push_back((pipe.last_at, packet));
        let delay = pipe.last_at - now;
        self.after(delay, Event::Arrive(to));
    }

    pub(crate) fn arrive(&mut self, end: End) {
        let now = self.now;
        let is_probed = self.unacked(end) == UnackedBytes::Nothing;
        let conn = &mut self.conns[end.conn];
        let pipe = &mut conn.pipes[end.side];
        // A packet behind one that was cut off does not arrive sooner.
        if pipe.flying.front().is_none_or(|(at, _)| *at > now) {
            return;
        }
        let Some((_, packet)) = pipe.flying.pop_front() else { return };
        if conn.closed[end.side] {
            // The system answers bytes for nobody.
            if matches!(packet, Packet::Bytes(_)) && conn.cut_at.is_none() {
                self.send(end.peer(), Packet::End(CloseKind::Reset));
            }
            return;
        }
        match packet {
            Packet::Bytes(bytes) => pipe.arrived.extend_from_slice(&bytes),
            Packet::End(close_kind) => pipe.end = pipe.end.max_with(close_kind),
            Packet::Silence if is_probed => pipe.end = Some(CloseKind::Reset),
            Packet::Silence => return,
        }
        self.notify(end);
    }

    /// Returns up to `most` bytes that have arrived, and the end of the stream if it is reached.
    pub(crate) fn read(&mut self, end: End, most: usize) -> (Vec<u8>, Option<CloseKind>) {
        let conn = &mut self.conns[end.conn];
        let pipe = &mut conn.pipes[end.side];
        let count = pipe.arrived.len().min(most);
        let behind = pipe.arrived.split_off(count);
        let bytes = std::mem::replace(&mut pipe.arrived, behind);
        pipe.unread_bytes -= count;
        let close_kind = pipe.end.filter(|_| pipe.arrived.is_empty());
        if count > 0 && pipe.is_blocked && conn.cut_at.is_none() {
            pipe.is_blocked = false;
            let latency = conn.latency;
            self.after(latency, Event::Writable(end.peer()));
        }
        (bytes, close_kind)
    }

    /// Returns all that an end is ready for.
    pub(crate) fn readiness(&self, end: End) -> Readiness {
        let conn = &self.conns[end.conn];
        let (pipe, to) = (&conn.pipes[end.side], &conn.pipes[end.peer().side]);
        let is_open = end.side == 1 || conn.dialed == Some(true);
        let has_failed = pipe.end == Some(CloseKind::Reset) || conn.dialed == Some(false);
        Readiness {
            is_readable: !pipe.arrived.is_empty(),
            is_special: pipe.end.is_some() || has_failed,
            is_writable: has_failed || is_open && to.unread_bytes < to.capacity,
        }
    }

    /// Returns true if bytes or an end have arrived at an established end, and were not read.
    pub(crate) fn has_unread(&self, end: End) -> bool {
        let conn = &self.conns[end.conn];
        let is_established = end.side == 1 || conn.dialed == Some(true);
        is_established && !conn.pipes[end.side].arrived.is_empty()
    }

    /// Returns true if a whole line has arrived at an end, and was not read.
    pub(crate) fn has_line(&self, end: End) -> bool {
        self.conns[end.conn].pipes[end.side].arrived.contains(&b'\n')
    }

    /// Returns true if both ends are open and nothing is broken.
    pub(crate) fn is_whole(&self, end: End) -> bool {
        let conn = &self.conns[end.conn];
        conn.reached && conn.closed == [false; 2] && conn.cut_at.is_none()
    }

    /// Returns the state of written bytes: behind a broken wire no machine answers.
    pub(crate) fn unacked(&self, end: End) -> UnackedBytes {
        let conn = &self.conns[end.conn];
        let is_all_read = conn.pipes[end.peer().side].unread_bytes == 0;
        match conn.cut_at {
            _ if is_all_read => UnackedBytes::Nothing,
            None => UnackedBytes::Pending,
            Some(cut_at) => {
                let silent_ms = u32::try_from(self.now - cut_at).unwrap();
                UnackedBytes::Unanswered { tries: 3, silent_ms }
            }
        }
    }

    /// No more will be written.
    pub(crate) fn shut_down(&mut self, end: End) {
        if self.conns[end.conn].cut_at.is_none() {
            self.send(end.peer(), Packet::End(CloseKind::Closed));
        }
    }

    /// With bytes unread, the system throws away what it has not yet delivered.
    pub(crate) fn close(&mut self, end: End) {
        let conn = &mut self.conns[end.conn];
        if std::mem::replace(&mut conn.closed[end.side], true) {
            return;
        }
        conn.owner[end.side] = Node::Nobody;
        if conn.cut_at.is_some() || !conn.reached {
            return;
        }
        let is_read = conn.pipes[end.side].arrived.is_empty();
        let pipe = &mut conn.pipes[end.side];
        pipe.is_blocked = false;
        if is_read {
            self.send(end.peer(), Packet::End(CloseKind::Closed));
        } else {
            self.cut_off(end.peer());
            self.send(end.peer(), Packet::End(CloseKind::Reset));
        }
    }

    /// Bytes under way to an end may arrive, in part or not at all.
    fn cut_off(&mut self, end: End) {
        let flying = self.conns[end.conn].pipes[end.side].flying.len();
        let left = self.rng.index(flying + 1);
        self.conns[end.conn].pipes[end.side].flying.truncate(left);
    }

    /// The wire breaks: who does not learn of it now finds out when no probe is answered. On a
    /// command socket only the coordinator probes. While bytes are on their way, there are no
    /// probes, and the coordinator must find out by itself.
    pub(crate) fn cut(&mut self, conn: usize, learns: [bool; 2]) {
        if self.conns[conn].cut_at.is_some() || !self.conns[conn].reached {
            return;
        }
        let Conn { owner, is_upgraded, .. } = self.conns[conn];
        for (side, learns) in learns.into_iter().enumerate() {
            let end = End { conn, side };
            self.cut_off(end);
            let reset = || Packet::End(CloseKind::Reset);
            if learns {
                self.send(end, reset());
                continue;
            }
            let packet = match owner {
                _ if owner[side] == Node::Coordinator => Packet::Silence,
                [Node::Coordinator, _] => reset(),
                _ if is_upgraded => reset(),
                _ => continue,
            };
            let silence = self.rng.between(15_000, 30_000);
            self.conns[conn].pipes[side].last_at += silence;
            self.send(end, packet);
        }
        self.conns[conn].cut_at = Some(self.now);
    }

    /// From here on everything gets through, and soon.
    pub(crate) fn calm_down(&mut self) {
        self.calm = true;
        for index in 0..self.conns.len() {
            let conn = &mut self.conns[index];
            conn.latency = conn.latency.min(5);
            for side in [0, 1] {
                let pipe = &mut self.conns[index].pipes[side];
                pipe.capacity = pipe.capacity.max(65_536);
                let has_room = pipe.is_blocked && pipe.unread_bytes < pipe.capacity;
                pipe.is_blocked &= !has_room;
                if has_room && self.conns[index].cut_at.is_none() {
                    self.notify(End { conn: index, side: 1 - side });
                }
            }
        }
    }

    /// Connections that both ends still hold.
    pub(crate) fn open_conns(&self) -> Vec<usize> {
        let is_open =
            |conn: &Conn| conn.reached && conn.closed == [false; 2] && conn.cut_at.is_none();
        let all = self.conns.iter().enumerate();
        all.filter(|(_, conn)| is_open(conn)).map(|(index, _)| index).collect()
    }
}

trait MaxWith {
    fn max_with(self, close_kind: CloseKind) -> Option<CloseKind>;
}

impl MaxWith for Option<CloseKind> {
    /// Broken stays broken.
    fn max_with(self, close_kind: CloseKind) -> Option<CloseKind> {
        match self {
            Some(CloseKind::Reset) => self,
            Some(CloseKind::Closed) | None => Some(close_kind),
        }
    }
}
