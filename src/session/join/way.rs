//! The way in which messages reach this participant.

use std::net::IpAddr;

use crate::protocol::DeliverTo;

/// Way of the message socket of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum JoinWay {
    /// The coordinator connects to this listener.
    Listen(Port),
    /// The command socket of the request becomes the message socket.
    Here,
}

/// The port of the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) struct Port {
    pub(in crate::session) number: u16,
    /// True if the user wrote 0: if the port is taken later, another one is used.
    pub(super) is_any: bool,
}

/// Address at which the coordinator reaches the listener, if it is not this machine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// Address that requests name.
    pub ip: IpAddr,
    /// Port that requests name; `None`: the port of the listener.
    pub port: Option<u16>,
}

/// Address of this participant in its requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::session) enum NamedIp {
    /// Local address of the command socket.
    #[default]
    Own,
    /// `-`: the address that the coordinator sees.
    Seen,
    /// The advertised address.
    Advertised(IpAddr),
}

impl JoinWay {
    /// Returns the way over a listener at this port: 0 is any free port.
    pub(in crate::session) const fn listen(number: u16) -> Self {
        Self::Listen(Port { number, is_any: number == 0 })
    }

    /// Returns the way of a `join` that names none.
    pub(in crate::session) const fn usual(is_passive: bool) -> Self {
        if is_passive { Self::Here } else { Self::listen(0) }
    }

    pub(in crate::session) const fn is_here(self) -> bool {
        matches!(self, Self::Here)
    }

    /// Returns the way with the advertised port instead of any free one.
    pub(in crate::session) fn at_advertised_port(self, advertised: Option<Advertised>) -> Self {
        match (self, advertised) {
            (
                Self::Listen(Port { is_any: true, .. }),
                Some(Advertised { port: Some(number), .. }),
            ) => Self::listen(number),
            (Self::Listen(_) | Self::Here, _) => self,
        }
    }

    /// Returns the way as a request names it.
    pub(in crate::session) fn deliver_to(self, advertised: Option<Advertised>) -> DeliverTo {
        match self {
            Self::Listen(port) => {
                let advertised = advertised.and_then(|advertised| advertised.port);
                DeliverTo::Port(advertised.unwrap_or(port.number))
            }
            Self::Here => DeliverTo::Here,
        }
    }

    /// Returns the address that requests name. Behind NAT only the coordinator knows it.
    pub(in crate::session) fn named_ip(self, advertised: Option<Advertised>) -> NamedIp {
        match (self, advertised) {
            (Self::Here, _) => NamedIp::Seen,
            (Self::Listen(_), Some(Advertised { ip, .. })) => NamedIp::Advertised(ip),
            (Self::Listen(_), None) => NamedIp::Own,
        }
    }
}
