//! Handshakes of command sockets: TLS before the first request.
//!
//! ```text
//!   accepted ──► handshake ─┬─► done ──► requests, or the refusal that was decided at the accept
//!                           ├─► the client speaks without TLS ──► ERR 401, which it can read
//!                           └─► failed, too late, or one of too many ──► closed
//! ```

use std::io;
use std::rc::Rc;

use super::CommandSockets;
use super::refused_clients::refuse;
use super::replies::conn_of;
use crate::access::{CaCheck, Credentials};
use crate::coordinator::ready::Queued;
use crate::coordinator::sockets::{CoordinatorTimer, Sockets};
use crate::limits::LINGER_MS;
use crate::limits::tls::HANDSHAKE_MS;
use crate::net::{Connection, Key, Stream, TimerId};
use crate::protocol::{LimitReached, Reply, RequestError, Unauthorized};
use crate::time::Millis;

/// Unfinished handshake of a command socket.
#[derive(Debug)]
pub(super) struct ClientHandshake {
    /// Number of the handshake in the order of their starts.
    pub(super) serial: u64,
    pub(super) timer: TimerId,
    /// Refusal of the client, which can read it after the handshake.
    refusal: Option<LimitReached>,
}

/// Unfinished handshakes of command sockets.
#[derive(Debug)]
pub(in crate::coordinator) struct Handshakes<'a, S> {
    commands: &'a mut CommandSockets<S>,
}

impl<'a, S: Stream> Handshakes<'a, S> {
    pub(super) fn new(commands: &'a mut CommandSockets<S>) -> Self {
        Self { commands }
    }

    /// Returns true if a handshake of this or of a message socket can go on.
    pub(in crate::coordinator) fn has_ready(&self) -> bool {
        self.commands.ready.has_handshakes()
    }

    /// Begins the handshake of a command socket that was added. Closes one of too many.
    pub(super) fn begin(
        self,
        key: Key,
        refusal: Option<LimitReached>,
        sockets: &mut Sockets,
        now: Millis,
    ) {
        let CommandSockets { sockets: clients, admission, marked_for_close, .. } = self.commands;
        let Some(socket) = clients.get_mut(key) else { return };
        let timer = sockets.set_timer(now.plus(HANDSHAKE_MS), CoordinatorTimer::Handshake(key));
        if refusal.is_some() {
            admission.on_refused(&mut socket.client, false);
            socket.refuse(true);
        }
        let serial = admission.begin_handshake(key, socket.client.addresses.peer);
        socket.handshake = Some(Box::new(ClientHandshake { serial, timer, refusal }));
        if let Some(oldest) = admission.excess_handshake() {
            if let Some(socket) = clients.get(oldest) {
                let peer = socket.client.addresses.peer;
                log::debug!("{peer}: closed: too many unfinished handshakes");
            }
            marked_for_close.push(oldest);
        }
    }

    /// Continues a handshake. Returns true when it is finished. Returns `None` if there is none.
    pub(in crate::coordinator) fn advance(self, key: Key) -> Option<io::Result<bool>> {
        let socket = self.commands.sockets.get_mut(key)?;
        socket.handshake.is_some().then(|| socket.connection.connected())
    }

    /// Returns the connection of a command socket.
    pub(in crate::coordinator) fn connection(self, key: Key) -> Option<&'a mut Connection<S>> {
        self.commands.sockets.get_mut(key).map(|socket| &mut socket.connection)
    }

    /// Begins to serve a client after its handshake, or refuses it.
    pub(in crate::coordinator) fn finish(
        self,
        key: Key,
        credentials: Credentials,
        sockets: &mut Sockets,
        now: Millis,
    ) {
        let commands = self.commands;
        let refusal = end(commands, key, sockets);
        let Some(socket) = commands.sockets.get_mut(key) else { return };
        sockets.certificates().change(key, None, credentials.certified_until());
        socket.credentials = Some(Rc::new(credentials));
        // Requests may have arrived behind the handshake.
        socket.connection.assume_readable();
        commands.ready.push(key, &mut socket.queued, Queued::Fresh);
        if let Some(refusal) = refusal {
            tell_refusal(commands, key, refusal.into(), sockets, now);
        }
    }

    /// Ends a handshake that has failed. If the client can read an answer without TLS, it gets one.
    pub(in crate::coordinator) fn fail(
        self,
        key: Key,
        error: &io::Error,
        reads_plain_text: bool,
        sockets: &mut Sockets,
        now: Millis,
    ) {
        let commands = self.commands;
        let refusal = end(commands, key, sockets);
        let Some(socket) = commands.sockets.get(key) else { return };
        log::debug!("{}: handshake: {error}", socket.client.addresses.peer);
        match refusal {
            _ if !reads_plain_text => commands.marked_for_close.push(key),
            Some(refusal) => tell_refusal(commands, key, refusal.into(), sockets, now),
            None => refuse(commands, key, &Unauthorized::NoTls.into(), sockets, now),
        }
    }

    /// The certificate of a client is no longer valid: further requests are decided without it.
    pub(in crate::coordinator) fn expire_certificate(self, key: Key) {
        let Some(socket) = self.commands.sockets.get_mut(key) else { return };
        if let Some(credentials) = &mut socket.credentials {
            log::debug!("{}: its certificate has expired", socket.client.addresses.peer);
            Rc::make_mut(credentials).expire();
        }
    }

    /// Checks the certificates of all clients again, because the CAs have changed. `check` returns
    /// a result that is another one than before.
    pub(in crate::coordinator) fn check_again(
        self,
        check: impl Fn(&Credentials) -> Option<CaCheck>,
        sockets: &mut Sockets,
    ) {
        for (key, socket) in self.commands.sockets.iter_mut() {
            let Some(credentials) = &mut socket.credentials else { continue };
            let Some(result) = check(credentials) else { continue };
            let before = credentials.certified_until();
            Rc::make_mut(credentials).check_again(result);
            sockets.certificates().change(key, before, credentials.certified_until());
        }
    }

    /// Closes a client that did not finish its handshake in time.
    pub(in crate::coordinator) fn on_timeout(self, key: Key) {
        let Some(socket) = self.commands.sockets.get(key) else { return };
        if socket.handshake.is_some() {
            let peer = socket.client.addresses.peer;
            log::debug!("{peer}: closed: no handshake within {HANDSHAKE_MS} ms");
            self.commands.marked_for_close.push(key);
        }
    }

    /// Replaces the timer of a handshake, which was postponed.
    pub(in crate::coordinator) fn on_postponed(self, key: Key, timer: TimerId) {
        let socket = self.commands.sockets.get_mut(key);
        if let Some(handshake) = socket.and_then(|socket| socket.handshake.as_mut()) {
            handshake.timer = timer;
        }
    }
}

/// Removes the handshake of a socket. Returns the refusal of the client.
fn end<S: Stream>(
    commands: &mut CommandSockets<S>,
    key: Key,
    sockets: &mut Sockets,
) -> Option<LimitReached> {
    let handshake = commands.sockets.get_mut(key)?.handshake.take()?;
    commands.admission.end_handshake(handshake.serial);
    sockets.cancel(Some(handshake.timer));
    handshake.refusal
}

/// Sends a client the reason of its refusal at the accept.
fn tell_refusal<S: Stream>(
    commands: &mut CommandSockets<S>,
    key: Key,
    refusal: RequestError,
    sockets: &mut Sockets,
    now: Millis,
) {
    commands.answer(conn_of(key), &Reply::Refused(refusal), None);
    if let Some(socket) = commands.sockets.get_mut(key) {
        socket.refuse(true);
        commands.budget.charge(socket);
        sockets.set_timer(now.plus(LINGER_MS), CoordinatorTimer::Linger(key));
    }
}
