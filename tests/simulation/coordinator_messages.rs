//! The simulated shell of the coordinator: message sockets.

use groupcast::group::{Input, LinkId, SocketEnd};
use groupcast::limits::ACK_LINE_BYTES_MAX;
use groupcast::protocol::Ack;

use crate::coverage::CoveragePoint;
use crate::net::CloseKind;
use crate::world::World;

/// Bytes for one message socket in one turn, unless this turn is the only one (`ttl=0`).
const TURN_BYTES: usize = 4_000;
/// Most bytes of a run that one call takes.
const CALL_BYTES: usize = 20_000;

impl World {
    pub(crate) fn on_link_ready(&mut self, link: LinkId) {
        let World { coordinator: Some(coordinator), environment, .. } = self else { return };
        let Some(peer) = coordinator.links.get_mut(&link) else { return };
        peer.is_writable = true;
        if peer.connects_until.is_none() {
            self.read_acks(link);
            self.coordinator().writable.insert(link);
            return;
        }
        match environment.dialed(peer.end) {
            None => (),
            Some(true) => {
                peer.connects_until = None;
                if let Some(old) = coordinator.group.replaces(link) {
                    self.read_acks(old);
                }
                self.handle_input(Input::Connected { link });
                self.coordinator().writable.insert(link);
            }
            Some(false) => self.fail_connect_back(link, "connection refused"),
        }
    }

    fn fail_connect_back(&mut self, link: LinkId, reason: &str) {
        self.drop_link(link, &[]);
        self.handle_input(Input::ConnectFailed { link, reason: reason.into() });
    }

    pub(crate) fn coordinator_timers(&mut self) {
        let now = self.environment.now;
        for link in self.coordinator().links.keys().copied().collect::<Vec<LinkId>>() {
            let Some(peer) = self.coordinator().links.get_mut(&link) else { continue };
            if peer.connects_until.is_some_and(|until| until <= now) {
                self.fail_connect_back(link, "timed out");
            } else if peer.stalls_at.is_some_and(|at| at <= now) {
                peer.stalls_at = None;
                let is_stuck = !peer.is_writable;
                if is_stuck && self.coordinator().group.is_due(link) {
                    let timeout_ms = self.coordinator().stall_timeout;
                    self.model.cover(CoveragePoint::Stalled);
                    self.read_acks(link);
                    self.fail_link(link, SocketEnd::Stalled { timeout_ms });
                }
            }
        }
    }

    /// Takes the acknowledgements that have arrived.
    pub(crate) fn read_acks(&mut self, link: LinkId) {
        let World { coordinator: Some(coordinator), environment, .. } = self else { return };
        let Some(peer) = coordinator.links.get_mut(&link) else { return };
        let (bytes, close_kind) = environment.read(peer.end, usize::MAX);
        let mut input = std::mem::take(&mut peer.input);
        input.extend(&bytes);
        while self.coordinator().group.takes_acks(link) {
            let acknowledged = match input.next_line(ACK_LINE_BYTES_MAX) {
                Ok(None) => break,
                Ok(Some(line)) => Ack::parse(line).ok(),
                Err(_) => None,
            };
            if acknowledged.is_none() {
                self.model.cover(CoveragePoint::AckGarbled);
            }
            self.handle_input(match acknowledged {
                Some(Ack { seq }) => Input::Acknowledged { link, seq },
                None => Input::Garbled { link },
            });
        }
        if !self.coordinator().group.takes_acks(link) {
            input.clear();
        }
        if let Some(peer) = self.coordinator().links.get_mut(&link) {
            peer.input = input;
        }
        match close_kind {
            None => (),
            Some(CloseKind::Closed) => self.fail_link(link, SocketEnd::Closed),
            Some(CloseKind::Reset) => self.fail_link(link, SocketEnd::Reset),
        }
    }

    fn fail_link(&mut self, link: LinkId, how: SocketEnd) {
        if self.coordinator().links.contains_key(&link) {
            self.handle_input(Input::Lost { link, how });
        }
    }

    /// Tells members of the end of the coordinator.
    pub(crate) fn send_goodbyes(&mut self) {
        let World { coordinator: Some(coordinator), environment, model, .. } = self else { return };
        for (link, peer) in &coordinator.links {
            let shutdown_bytes = coordinator.group.shutdown_bytes(*link);
            let stream = model.streams.get(link);
            let expected = stream.map(|stream| stream.closing_bytes("shutting down"));
            let expected = expected.unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(&shutdown_bytes), expected, "farewell of {link}");
            if peer.is_writable {
                let _ = environment.write(peer.end, &shutdown_bytes);
            }
        }
    }

    pub(crate) fn deliver(&mut self) {
        let coordinator = self.coordinator();
        let mut links = std::mem::take(&mut coordinator.writable);
        let released = coordinator.group.released();
        if released > coordinator.delivered {
            coordinator.delivered = released;
            links = coordinator.links.keys().copied().collect();
        }
        for link in links {
            self.deliver_to(link);
        }
        self.handle_input(Input::Delivered);
        for (&link, peer) in &self.coordinator.as_ref().expect("in its turn").links {
            let is_due = self
                .coordinator
                .as_ref()
                .is_some_and(|coordinator| coordinator.group.run_for(link).is_some());
            assert_eq!(is_due, self.model.is_due(link), "link {link}: what is due");
            let is_awaited = self
                .coordinator
                .as_ref()
                .is_some_and(|coordinator| coordinator.writable.contains(&link));
            assert!(!is_due || !peer.is_writable || is_awaited, "link {link} is forgotten");
        }
    }

    fn deliver_to(&mut self, link: LinkId) {
        let mut written = 0;
        let failed = loop {
            let World { coordinator: Some(coordinator), environment, model, .. } = self else {
                return;
            };
            let Some(peer) = coordinator.links.get_mut(&link) else { return };
            if peer.connects_until.is_some() {
                return;
            }
            let Some(run) = coordinator.group.run_for(link).filter(|_| peer.is_writable) else {
                break false;
            };
            if written >= TURN_BYTES && !coordinator.group.delivers_once() {
                coordinator.writable.insert(link);
                break false;
            }
            let mut bytes = Vec::new();
            for slice in run.slices() {
                let room = CALL_BYTES.saturating_sub(bytes.len()).min(slice.len());
                bytes.extend_from_slice(&slice[..room]);
            }
            match environment.write(peer.end, &bytes) {
                Ok(0) => {
                    peer.is_writable = false;
                    break false;
                }
                Ok(count) => {
                    written += count;
                    model.wrote(link, &bytes[..count]);
                    self.handle_input(Input::Wrote { link, bytes: count });
                }
                Err(_) => break true,
            }
        };
        if failed {
            self.read_acks(link);
            self.fail_link(link, SocketEnd::Reset);
        } else {
            self.watch_for_stall(link, written > 0);
        }
    }

    fn watch_for_stall(&mut self, link: LinkId, has_moved: bool) {
        let now = self.environment.now;
        let coordinator = self.coordinator();
        let is_due = coordinator.group.run_for(link).is_some();
        let Some(peer) = coordinator.links.get_mut(&link) else { return };
        let is_stuck = !peer.is_writable && is_due;
        if has_moved || !is_stuck {
            peer.stalls_at = None;
        }
        if is_stuck && peer.stalls_at.is_none() {
            peer.stalls_at = Some(now + coordinator.stall_timeout);
        }
    }
}
