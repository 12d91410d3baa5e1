//! The dial of a command socket, and the addresses of its two ends.

use std::net::{IpAddr, SocketAddr};

use super::{CommandSocketState, Requests};
use crate::limits::DIAL_TIMEOUT_MS;
use crate::session::join::NamedIp;
use crate::session::output::SessionOutput;
use crate::session::{CommandSocket, SessionEffect};
use crate::time::Millis;

impl Requests {
    /// Returns this participant's address on the open command socket.
    pub(in crate::session) fn own_ip(&self) -> Option<IpAddr> {
        match self.state {
            CommandSocketState::Open { ip, .. } => Some(ip),
            CommandSocketState::Closed | CommandSocketState::Dialing { .. } => None,
        }
    }

    /// Sets the address of this participant in its requests.
    pub(in crate::session) const fn name_ip(&mut self, named: NamedIp) {
        self.named = named;
    }

    /// Returns the address of this participant in its requests; `None` for `-`, and before the
    /// first command socket.
    pub(in crate::session) const fn named_ip(&self) -> Option<IpAddr> {
        match self.named {
            NamedIp::Own => self.own_ip,
            NamedIp::Seen => None,
            NamedIp::Advertised(ip) => Some(ip),
        }
    }

    /// Returns the bytes of this participant's address in a request.
    pub(in crate::session) fn named_ip_bytes(&self) -> usize {
        self.named_ip().map_or("-".len(), |ip| ip.to_string().len())
    }

    pub(in crate::session) const fn coordinator(&self) -> Option<SocketAddr> {
        self.coordinator
    }

    /// Returns true if a request can leave on the command socket. If it is closed, this dials a new
    /// one.
    pub(in crate::session) fn open(&mut self, output: &mut SessionOutput, now: Millis) -> bool {
        match self.state {
            CommandSocketState::Open { .. } => !self.expects_upgrade,
            CommandSocketState::Dialing { .. } => false,
            CommandSocketState::Closed => {
                self.dials = self.dials.saturating_add(1);
                let socket = CommandSocket(self.dials);
                let until = now.plus(DIAL_TIMEOUT_MS);
                self.state = CommandSocketState::Dialing { socket, until };
                output.push(SessionEffect::Dial { socket });
                false
            }
        }
    }

    /// Opens the dialed socket. Returns the address of the coordinator if it is a new one.
    pub(in crate::session) fn on_dialed(
        &mut self,
        dialed: CommandSocket,
        ip: IpAddr,
        address: SocketAddr,
    ) -> Option<SocketAddr> {
        if !self.is_dialing(dialed) {
            return None;
        }
        let ip = ip.to_canonical();
        self.state = CommandSocketState::Open { socket: dialed, ip };
        self.own_ip = Some(ip);
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let is_new = self.coordinator.replace(address) != Some(address);
        is_new.then_some(address)
    }

    /// Closes the socket that could not be connected. Returns false if it is not the present one.
    pub(in crate::session) fn on_dial_failed(&mut self, failed: CommandSocket) -> bool {
        let is_present = self.is_dialing(failed);
        if is_present {
            self.state = CommandSocketState::Closed;
        }
        is_present
    }

    fn is_dialing(&self, dialed: CommandSocket) -> bool {
        matches!(self.state, CommandSocketState::Dialing { socket, .. } if socket == dialed)
    }
}
