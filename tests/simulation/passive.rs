//! Participants that get their messages on a command socket (`here`), and what runs met of them.
//!
//! In a share of the runs some participants and visits are passive: they use `here` unless the user
//! names a port, as behind a NAT. They have the same promises as all others.

use std::net::SocketAddr;

use groupcast::session::{CommandSocket, LogEntry, MessageSocket};

use crate::coverage::CoveragePoint;
use crate::environment::Environment;
use crate::model::Model;
use crate::net::End;
use crate::participant::{Commands, Messages, SimParticipant};
use crate::world::World;
use support::rng::Rng;

/// Makes some programs of some runs passive.
pub(crate) fn make_passive(seed: u64, participants: &mut [SimParticipant]) {
    let mut rng = Rng::new(seed.rotate_left(41));
    let percent = rng.pick(&[0, 0, 50, 100]);
    for participant in participants {
        participant.is_passive = rng.percent(percent);
    }
}

impl SimParticipant {
    /// Returns a `register` or `reconnect` without a port of the user.
    pub(crate) fn usual_join(&self, word: &str) -> String {
        format!("{word} {}", self.usual_way())
    }

    /// Returns the usual argument of `register` and `reconnect`.
    pub(crate) fn usual_way(&self) -> &'static str {
        if self.is_passive { "here" } else { "0" }
    }
}

/// Records that a participant takes an entry from a message socket.
pub(crate) fn cover_entry(
    entry: &LogEntry,
    from: Option<End>,
    environment: &Environment,
    model: &mut Model,
) {
    let is_here = from.is_some_and(|end| environment.conns[end.conn].is_upgraded);
    if is_here && matches!(entry, LogEntry::Gap(_)) {
        model.cover(CoveragePoint::GapTakenHere);
    }
}

impl Environment {
    /// Returns the address that the other end sees of an end that dialed.
    pub(crate) fn address(&self, end: End) -> SocketAddr {
        let port = 50_000 + u16::try_from(end.conn % 15_000).unwrap();
        SocketAddr::new(self.conns[end.conn].from, port)
    }
}

impl World {
    /// A command socket becomes a message socket, with what was read from it and not used.
    pub(crate) fn upgrade(&mut self, i: usize, socket: CommandSocket) {
        let participant = &mut self.participants[i];
        let commands = participant.commands.remove(&socket.0).expect("upgraded once");
        let Commands { end, input, output, .. } = commands;
        assert!(output.is_empty(), "a request leaves behind a here");
        participant.outcomes.on_upgraded(socket.0);
        let messages = Messages { end, input, close_kind: None, ack: None, output };
        participant.messages.insert(MessageSocket::upgraded(socket).0, messages);
    }

    /// The coordinator is about to be killed.
    pub(crate) fn cover_kill(&mut self) {
        if self.coordinator.is_some() && self.model.is_participant_here() {
            self.model.cover(CoveragePoint::KilledWithMemberHere);
        }
    }
}

impl Model {
    /// Returns true if a participant has its messages on a command socket.
    fn is_participant_here(&self) -> bool {
        let mut members = self.members.iter().filter(|(id, _)| id.starts_with('p'));
        members.any(|(_, member)| {
            let stream = member.link.and_then(|link| self.streams.get(&link));
            stream.is_some_and(|stream| stream.is_here)
        })
    }

    /// Records that a participant is taken over from a message socket of the other kind.
    pub(crate) fn cover_takeover(&mut self, id: &str, is_here: bool) {
        let link = self.members[id].link;
        let Some(old) = link.and_then(|link| self.streams.get(&link)) else { return };
        if !id.starts_with('p') || old.is_here == is_here {
            return;
        }
        self.cover(match is_here {
            true => CoveragePoint::TakeoverToHere,
            false => CoveragePoint::TakeoverFromHere,
        });
    }
}
