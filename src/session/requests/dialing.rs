//! The dial of a command socket, and the addresses of its two ends.

use std::net::{IpAddr, SocketAddr};

use super::{CommandSocketState, Requests};
use crate::limits::DIAL_TIMEOUT_MS;
use crate::session::coordinators::Coordinators;
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

    pub(in crate::session) const fn coordinators(&self) -> &Coordinators {
        &self.coordinators
    }

    pub(in crate::session) const fn coordinators_mut(&mut self) -> &mut Coordinators {
        &mut self.coordinators
    }

    /// Returns true if a request can leave on the command socket. If it is closed, this dials a new
    /// one. A dial of a coordinator that is no longer in use ends, and its socket is closed
    /// after its replies.
    pub(in crate::session) fn open(&mut self, output: &mut SessionOutput, now: Millis) -> bool {
        match self.state {
            CommandSocketState::Open { socket, .. } if self.coordinators.is_left() => {
                if self.in_flight.is_empty() {
                    output.push(SessionEffect::CloseCommandSocket { socket });
                    self.dial(output, now);
                }
                false
            }
            CommandSocketState::Dialing { socket, .. } if self.coordinators.is_left() => {
                output.push(SessionEffect::CloseCommandSocket { socket });
                self.dial(output, now);
                false
            }
            CommandSocketState::Open { .. } => !self.expects_upgrade,
            CommandSocketState::Dialing { .. } => false,
            CommandSocketState::Closed => {
                self.dial(output, now);
                false
            }
        }
    }

    fn dial(&mut self, output: &mut SessionOutput, now: Millis) {
        self.dials = self.dials.saturating_add(1);
        let socket = CommandSocket(self.dials);
        let until = now.plus(DIAL_TIMEOUT_MS);
        self.state = CommandSocketState::Dialing { socket, until };
        output.push(SessionEffect::Dial { socket, coordinator: self.coordinators.dial() });
    }

    /// Opens the dialed socket. Returns the address of the coordinator to show, if there is one.
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
        self.coordinators.on_dialed(address)
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
