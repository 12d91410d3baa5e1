//! Resolves the coordinator's host name on a thread of its own, as a lookup may block for long.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

use crate::config::{Endpoint, Host};
use crate::limits::RESOLVED_ADDRESSES_MAX;
use crate::net::{Pool, Sink, Worker};

/// Resolves one name repeatedly. The program does not wait for a lookup when it exits.
#[derive(Debug)]
pub(in crate::participant) struct Resolver {
    worker: Worker<Lookup>,
    is_busy: bool,
}

impl Resolver {
    /// Starts a resolver if the endpoint has a name.
    pub(in crate::participant) fn of(pool: &Pool, endpoint: &Endpoint) -> io::Result<Option<Self>> {
        let Host::Name(name) = &endpoint.host else { return Ok(None) };
        let lookup = Lookup { name: name.clone(), port: endpoint.port };
        let worker = pool.attach("resolver", 1, lookup)?;
        Ok(Some(Self { worker, is_busy: false }))
    }

    /// Starts a lookup, unless one is under way.
    pub(in crate::participant) fn ask(&mut self) {
        self.is_busy = self.is_busy || self.worker.try_submit(()).is_ok();
    }

    /// Returns the result of a finished lookup, once.
    pub(in crate::participant) fn answer(&mut self) -> Option<io::Result<Vec<SocketAddr>>> {
        let answer = self.worker.completions().pop()?;
        self.is_busy = false;
        Some(answer)
    }
}

/// State of the resolver thread.
#[derive(Debug)]
struct Lookup {
    name: String,
    port: u16,
}

impl Sink for Lookup {
    type Job = ();
    type Done = io::Result<Vec<SocketAddr>>;

    fn run(&mut self, _: Vec<()>) -> Self::Done {
        let found = (self.name.as_str(), self.port).to_socket_addrs()?;
        let mut addresses = Vec::new();
        for address in found.filter(|address| is_usable(address.ip())) {
            if !addresses.contains(&address) && addresses.len() < RESOLVED_ADDRESSES_MAX {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }
}

/// Returns true if a coordinator can have this address. Link-local addresses are excluded, because
/// a request cannot name their interface.
fn is_usable(ip: IpAddr) -> bool {
    let is_link_local = |ip: Ipv6Addr| ip.is_unicast_link_local();
    let link_local = matches!(ip, IpAddr::V6(ip) if is_link_local(ip));
    !ip.is_unspecified() && !ip.is_multicast() && !link_local
}
