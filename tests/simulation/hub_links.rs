//! The coordinator's shell, played: message sockets.

use groupcast::group::{Input, LinkId, SocketEnd};
use groupcast::limits::ACK_LINE_BYTES_MAX;
use groupcast::protocol::Ack;

use crate::net::Ending;
use crate::sights::Sight;
use crate::world::World;

/// What one message socket is offered in one turn, unless this turn is the only one.
const TURN_BYTES: usize = 4_000;
/// What one call takes of a run, however long that is.
const CALL_BYTES: usize = 20_000;

impl World {
    pub(crate) fn attend_link(&mut self, link: LinkId) {
        let World { hub: Some(hub), nature, .. } = self else { return };
        let Some(peer) = hub.links.get_mut(&link) else { return };
        peer.is_writable = true;
        if peer.connects_until.is_none() {
            self.hear(link);
            self.hub().offerable.insert(link);
            return;
        }
        match nature.dialed(peer.end) {
            None => (),
            Some(true) => {
                peer.connects_until = None;
                if let Some(old) = hub.group.replaces(link) {
                    self.hear(old);
                }
                self.tell(Input::Connected { link });
                self.hub().offerable.insert(link);
            }
            Some(false) => self.fail_dialing(link, "connection refused"),
        }
    }

    fn fail_dialing(&mut self, link: LinkId, reason: &str) {
        self.drop_link(link, &[]);
        self.tell(Input::ConnectFailed { link, reason: reason.into() });
    }

    pub(crate) fn hub_timers(&mut self) {
        let now = self.nature.now;
        for link in self.hub().links.keys().copied().collect::<Vec<LinkId>>() {
            let Some(peer) = self.hub().links.get_mut(&link) else { continue };
            if peer.connects_until.is_some_and(|until| until <= now) {
                self.fail_dialing(link, "timed out");
            } else if peer.stalls_at.is_some_and(|at| at <= now) {
                peer.stalls_at = None;
                let is_stuck = !peer.is_writable;
                if is_stuck && self.hub().group.is_due(link) {
                    let timeout_ms = self.hub().stall_timeout;
                    self.model.see(Sight::Stalled);
                    self.hear(link);
                    self.lose(link, SocketEnd::Stalled { timeout_ms });
                }
            }
        }
    }

    /// Takes the acknowledgements that have arrived.
    pub(crate) fn hear(&mut self, link: LinkId) {
        let World { hub: Some(hub), nature, .. } = self else { return };
        let Some(peer) = hub.links.get_mut(&link) else { return };
        let (bytes, ending) = nature.read(peer.end, usize::MAX);
        let mut input = std::mem::take(&mut peer.input);
        input.extend(&bytes);
        while self.hub().group.takes_acks(link) {
            let acknowledged = match input.next_line(ACK_LINE_BYTES_MAX) {
                Ok(None) => break,
                Ok(Some(line)) => Ack::parse(line).ok(),
                Err(_) => None,
            };
            if acknowledged.is_none() {
                self.model.see(Sight::AckGarbled);
            }
            self.tell(match acknowledged {
                Some(Ack { seq }) => Input::Acknowledged { link, seq },
                None => Input::Garbled { link },
            });
        }
        if !self.hub().group.takes_acks(link) {
            input.clear();
        }
        if let Some(peer) = self.hub().links.get_mut(&link) {
            peer.input = input;
        }
        match ending {
            None => (),
            Some(Ending::Closed) => self.lose(link, SocketEnd::Closed),
            Some(Ending::Reset) => self.lose(link, SocketEnd::Reset),
        }
    }

    fn lose(&mut self, link: LinkId, how: SocketEnd) {
        if self.hub().links.contains_key(&link) {
            self.tell(Input::Lost { link, how });
        }
    }

    /// Tells members of the end of the coordinator.
    pub(crate) fn say_farewell(&mut self) {
        let World { hub: Some(hub), nature, model, .. } = self else { return };
        for (link, peer) in &hub.links {
            let goodbye = hub.group.goodbye(*link);
            let stream = model.streams.get(link);
            let wanted = stream.map(|stream| stream.closing_bytes("shutting down"));
            let wanted = wanted.unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(&goodbye), wanted, "farewell of {link}");
            if peer.is_writable {
                let _ = nature.write(peer.end, &goodbye);
            }
        }
    }

    pub(crate) fn offer(&mut self) {
        let hub = self.hub();
        let mut links = std::mem::take(&mut hub.offerable);
        let released = hub.group.released();
        if released > hub.offered {
            hub.offered = released;
            links = hub.links.keys().copied().collect();
        }
        for link in links {
            self.offer_to(link);
        }
        self.tell(Input::Delivered);
        for (&link, peer) in &self.hub.as_ref().expect("in its turn").links {
            let is_due = self.hub.as_ref().is_some_and(|hub| hub.group.run_for(link).is_some());
            assert_eq!(is_due, self.model.is_due(link), "link {link}: what is due");
            let is_awaited = self.hub.as_ref().is_some_and(|hub| hub.offerable.contains(&link));
            assert!(!is_due || !peer.is_writable || is_awaited, "link {link} is forgotten");
        }
    }

    fn offer_to(&mut self, link: LinkId) {
        let mut written = 0;
        let failed = loop {
            let World { hub: Some(hub), nature, model, .. } = self else { return };
            let Some(peer) = hub.links.get_mut(&link) else { return };
            if peer.connects_until.is_some() {
                return;
            }
            let Some(run) = hub.group.run_for(link).filter(|_| peer.is_writable) else {
                break false;
            };
            if written >= TURN_BYTES && !hub.group.delivers_once() {
                hub.offerable.insert(link);
                break false;
            }
            let mut bytes = Vec::new();
            for slice in run.slices() {
                let room = CALL_BYTES.saturating_sub(bytes.len()).min(slice.len());
                bytes.extend_from_slice(&slice[..room]);
            }
            match nature.write(peer.end, &bytes) {
                Ok(0) => {
                    peer.is_writable = false;
                    break false;
                }
                Ok(count) => {
                    written += count;
                    model.wrote(link, &bytes[..count]);
                    self.tell(Input::Wrote { link, bytes: count });
                }
                Err(_) => break true,
            }
        };
        if failed {
            self.hear(link);
            self.lose(link, SocketEnd::Reset);
        } else {
            self.watch_for_stall(link, written > 0);
        }
    }

    fn watch_for_stall(&mut self, link: LinkId, has_moved: bool) {
        let now = self.nature.now;
        let hub = self.hub();
        let is_due = hub.group.run_for(link).is_some();
        let Some(peer) = hub.links.get_mut(&link) else { return };
        let is_stuck = !peer.is_writable && is_due;
        if has_moved || !is_stuck {
            peer.stalls_at = None;
        }
        if is_stuck && peer.stalls_at.is_none() {
            peer.stalls_at = Some(now + hub.stall_timeout);
        }
    }
}
