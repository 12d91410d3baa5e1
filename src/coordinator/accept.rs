//! Accepts command sockets. If there is no room, the oldest silent command socket is closed.

use std::io;
use std::mem;
use std::net::SocketAddr;

use mio::net::TcpStream;

use super::journaling::Commits;
use super::peer::{Client, Peer, PeerRole};
use super::ready::FRESH;
use super::server::{Coordinator, CoordinatorTimer};
use crate::limits::KEEPALIVE;
use crate::net::{Accept, Connection};
use crate::protocol::LimitReached;
use crate::time::Now;

impl Coordinator {
    /// Accepts waiting connections, up to the limit of a turn.
    pub(super) fn accept(&mut self, now: Now) {
        let commits = self.journal.as_ref().map(|journal| &journal.commits);
        let is_starting_segment = commits.is_some_and(Commits::is_starting_segment);
        if is_starting_segment && self.is_out_of_files {
            // A file that is free now is needed for the new segment.
            self.acceptor.iter_mut().for_each(|acceptor| acceptor.postpone(now.steady));
        }
        loop {
            let Some(acceptor) = &mut self.acceptor else { return };
            match acceptor.accept(now.steady) {
                Accept::Accepted(stream, peer) => self.add_client(stream, peer, now),
                Accept::Yielded => return,
                Accept::Drained => return self.log_file_shortage(None),
                Accept::Paused => return self.arm_accept_timer(),
                Accept::OutOfFiles(error) => {
                    self.log_file_shortage(Some(&error));
                    if self.admission.is_oldest_overdue(now.steady) {
                        self.make_room(&LimitReached::Silent { max: None }, now);
                    }
                    return self.arm_accept_timer();
                }
            }
        }
    }

    /// Logs the start of a shortage of files, and its end.
    fn log_file_shortage(&mut self, shortage: Option<&io::Error>) {
        let was_out = mem::replace(&mut self.is_out_of_files, shortage.is_some());
        match shortage {
            Some(error) if !was_out => {
                log::warn!("accepting paused: {error}; new connections wait in the queue");
            }
            None if was_out => log::info!("accepting again: the queue is empty"),
            Some(_) | None => (),
        }
    }

    fn arm_accept_timer(&mut self) {
        let due = self.acceptor.as_ref().and_then(|acceptor| acceptor.retry_at());
        if let (None, Some(due)) = (self.accept_timer, due) {
            self.accept_timer = Some(self.timers.insert(due, CoordinatorTimer::Accept));
        }
    }

    /// Adds a command socket. If there is no room, the oldest silent command socket makes room.
    fn add_client(&mut self, stream: TcpStream, address: SocketAddr, now: Now) {
        let mut connection = Connection::new(stream);
        let Ok(local) = connection.local_addr() else { return }; // The client is gone already.
        let refusal = self.admission.refusal_for(address.ip()).or_else(|| {
            let has_room =
                !self.admission.is_full() || self.make_room(&self.admission.displaced(), now);
            (!has_room).then(|| self.admission.full())
        });
        if refusal.is_some() && self.admission.is_crowded() {
            self.admission.record_dropped();
            log::debug!("{address}: closed without a reply: too many clients are being refused");
            return;
        }
        let key = self.peers.next_key();
        if let Err(error) = connection.register(self.poll.registry(), key) {
            log::warn!("{address}: closed: the socket cannot be registered with the poll: {error}");
            return;
        }
        if let Err(error) = connection.keep_alive(KEEPALIVE) {
            log::warn!("{address}: cannot turn on keepalive: {error}");
        }
        let mut client = Client::new(address.ip().to_canonical(), local.ip().to_canonical());
        self.admission.on_accepted(key, &mut client, now.steady);
        self.peers.insert(Peer::new(connection, PeerRole::Client(Box::new(client))));
        log::debug!("{address}: connected");
        if let Some(refusal) = refusal {
            self.refuse(key, &refusal.into(), now.steady);
        }
    }

    /// Refuses the oldest command socket that has sent no whole line. Returns false if there is
    /// none. Reads from that client first, because its request may have arrived already.
    fn make_room(&mut self, why: &LimitReached, now: Now) -> bool {
        while let Some(key) = self.admission.oldest_silent() {
            if let Some((connection, _)) = self.peers.get_mut(key).and_then(Peer::client) {
                connection.assume_readable();
            }
            self.serve(key, FRESH, now);
            self.schedule_flush(key);
            if self.admission.oldest_silent() == Some(key) {
                let is_closed_now = self.admission.is_crowded()
                    || matches!(why, LimitReached::Silent { max: None });
                self.refuse(key, &why.clone().into(), now.steady);
                if is_closed_now {
                    // The reply is written before, if the socket has room.
                    self.marked_for_close.push(key);
                }
                return true;
            }
        }
        false
    }
}
