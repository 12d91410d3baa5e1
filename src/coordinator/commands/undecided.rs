//! Several requests of one client that a list of several sites has not decided.
//!
//! A journal on this machine decides each request before the next one is taken. A list decides it
//! later. Messages of a client do not wait for each other: each goes into the list behind the one
//! before. All other requests wait until the messages before them are decided.

use bytes::BytesMut;

use super::CommandSockets;
use super::batch::RequestBatch;
#[cfg(feature = "engine")]
use super::client::ClientPhase;
use crate::group::ConnId;
#[cfg(feature = "engine")]
use crate::limits::list::CLIENT_UNDECIDED_MAX;
use crate::net::Stream;
use crate::protocol::ReplyEncoder;

/// Appends a reply to the replies of a client with undecided requests. Returns `write` if the
/// client has none: the reply can leave at once.
#[inline]
pub(super) fn append<S: Stream, W: FnOnce(&mut ReplyEncoder, &mut BytesMut)>(
    commands: &mut CommandSockets<S>,
    to: ConnId,
    write: W,
) -> Option<W> {
    #[cfg(feature = "engine")]
    {
        let key = super::replies::key_of(to);
        let Some(socket) = commands.sockets.get_mut(key) else { return Some(write) };
        let client = &mut socket.client;
        if client.write_closed {
            client.pending_replies.forget_undecided(); // Nobody reads the replies.
        }
        if client.pending_replies.undecided() == 0 {
            return Some(write);
        }
        let is_of_latest = commands.serving == Some(key);
        let (has_waited, mut reply) = (client.has_waited(), BytesMut::new());
        write(&mut socket.encoder, &mut reply);
        let output = &mut socket.connection.output;
        client.pending_replies.decide(reply, is_of_latest, output);
        commands.budget.charge(socket);
        socket.schedule_flush(key, &mut commands.unflushed);
        if has_waited && !is_of_latest {
            commands.wake(key);
        }
        None
    }
    #[cfg(not(feature = "engine"))]
    {
        let _ = (commands, to);
        Some(write)
    }
}

/// Returns true if the next line of a batch may be taken now. While requests are undecided, only
/// messages are taken.
#[inline]
pub(super) fn may_take_next<S: Stream>(
    commands: &mut CommandSockets<S>,
    batch: &mut RequestBatch,
) -> bool {
    #[cfg(feature = "engine")]
    if let Some(socket) = commands.sockets.get_mut(batch.key()) {
        let undecided = socket.client.pending_replies.undecided();
        let is_message = |line: &[u8]| {
            let command = line.split(|byte| *byte == b'#').nth(1).unwrap_or_default();
            command.starts_with(b"msend ") || command.starts_with(b"send ")
        };
        let waits = undecided >= CLIENT_UNDECIDED_MAX
            || undecided > 0 && batch.peek_line().is_some_and(|line| !is_message(line));
        if waits {
            // The next reply continues.
            socket.client.phase = ClientPhase::Waiting;
            return false;
        }
    }
    let _ = (commands, batch);
    true
}

/// Lets a client go on whose message is proposed and not decided.
#[cfg(feature = "engine")]
pub(in crate::coordinator) fn go_on<S: Stream>(commands: &mut CommandSockets<S>, from: ConnId) {
    let Some(socket) = commands.sockets.get_mut(super::replies::key_of(from)) else { return };
    if socket.client.phase == ClientPhase::Waiting && !socket.client.write_closed {
        socket.client.phase = ClientPhase::Serving;
        socket.client.pending_replies.add_undecided();
    }
}
