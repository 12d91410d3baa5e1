//! Machines of a network of their own: network namespaces, with cables between them that can be
//! cut. They need root and `ip` of iproute2; without, a test is skipped and says so.
//!
//! ```text
//!   Machine ── within(|| ..) runs sockets and programs on it
//!      │ 10.9.<net>.1, fd09:<net>::1, fe80::1
//!    Cable ── cut, mend, pull
//!      │ 10.9.<net>.2, fd09:<net>::2, fe80::2
//!   Machine
//! ```

use std::fs::File;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::process::{Command, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A machine that has its loopback, and what cables bring.
#[derive(Debug)]
pub struct Machine {
    name: String,
}

impl Machine {
    /// A new machine; `None` where this test may not make one, which is said on standard error
    /// even while the test's own output is captured.
    pub fn new() -> Option<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("gc{}-{}", id(), MADE.fetch_add(1, Ordering::Relaxed));
        let machine = Self { name };
        if let Err(why) = ip(&["netns", "add", &machine.name]) {
            let test = thread::current().name().unwrap_or_default().to_owned();
            let _ = writeln!(io::stderr(), "SKIPPED {test}: no network namespace: {why}");
            return None;
        }
        machine.ip("link set lo up");
        Some(machine)
    }

    /// Runs `work` on this machine: the sockets that it opens, and the programs and threads that
    /// it starts, are there, also after its end.
    #[track_caller]
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let home = File::open("/proc/thread-self/ns/net").unwrap();
        enter(&File::open(PathBuf::from("/run/netns").join(&self.name)).unwrap());
        let done = catch_unwind(AssertUnwindSafe(work));
        enter(&home);
        done.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// `ip` with these words, on this machine. It must succeed.
    #[track_caller]
    pub fn ip(&self, words: &str) {
        let words: Vec<&str> = ["-n", &self.name].into_iter().chain(words.split(' ')).collect();
        if let Err(why) = ip(&words) {
            panic!("ip {}: {why}", words.join(" "));
        }
    }

    /// Writes a file below `/proc/sys/net`.
    #[track_caller]
    pub fn set(&self, name: &str, value: &str) {
        self.within(|| std::fs::write(PathBuf::from("/proc/sys/net").join(name), value)).unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Without the right to make it there is nothing to be removed.
        let _ = ip(&["netns", "del", &self.name]);
    }
}

/// One direction of a cable, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Both,
    ToLeft,
    ToRight,
}

/// A cable between two machines.
#[derive(Debug)]
pub struct Cable<'a> {
    ends: [&'a Machine; 2],
    net: u8,
}

impl<'a> Cable<'a> {
    /// Lays a cable. Each cable of one test has a `net` of its own.
    #[track_caller]
    pub fn lay(left: &'a Machine, right: &'a Machine, net: u8) -> Self {
        let cable = Self { ends: [left, right], net };
        let (device, macs) = (cable.device(), [0, 1].map(|at| cable.mac(at)));
        left.ip(&format!(
            "link add {device} address {} type veth peer name {device} address {} netns {}",
            macs[0], macs[1], right.name
        ));
        for (at, machine) in cable.ends.into_iter().enumerate() {
            // Link-local addresses are ours too, so that nothing waits for them to be unique.
            machine.ip(&format!("link set {device} addrgenmode none"));
            machine.ip(&format!("link set {device} up"));
            for (ip, bits) in cable.ips(at).into_iter().zip([24, 64, 64]) {
                let nodad = if ip.is_ipv6() { " nodad" } else { "" };
                machine.ip(&format!("addr add {ip}/{bits} dev {device}{nodad}"));
            }
        }
        cable.mend();
        cable
    }

    /// The IPv4 address of the machine at the left end.
    pub fn left_ip(&self) -> IpAddr {
        self.ips(0)[0]
    }

    /// The IPv4 address of the machine at the right end.
    pub fn right_ip(&self) -> IpAddr {
        self.ips(1)[0]
    }

    /// The name of the network device at both ends.
    pub fn device(&self) -> String {
        format!("eth{}", self.net)
    }

    /// Drops all packets in this direction from now on; neither end is informed.
    #[track_caller]
    pub fn cut(&self, way: Way) {
        if way != Way::ToLeft {
            self.send_to(0, "02:00:00:00:00:00");
        }
        if way != Way::ToRight {
            self.send_to(1, "02:00:00:00:00:00");
        }
    }

    /// Ends all cuts.
    #[track_caller]
    pub fn mend(&self) {
        self.send_to(0, &self.mac(1));
        self.send_to(1, &self.mac(0));
    }

    /// Pulls the cable out: both devices lose their carrier.
    #[track_caller]
    pub fn pull(&self) {
        self.ends[1].ip(&format!("link set {} down", self.device()));
    }

    /// Has frames from one end go to a hardware address: one that nobody has loses them.
    #[track_caller]
    fn send_to(&self, from: usize, mac: &str) {
        for ip in self.ips(1 - from) {
            let device = self.device();
            self.ends[from].ip(&format!("neigh replace {ip} lladdr {mac} dev {device}"));
        }
    }

    fn ips(&self, at: usize) -> [IpAddr; 3] {
        let (net, host) = (self.net, at + 1);
        let ips = [format!("10.9.{net}.{host}"), format!("fd09:{net}::{host}")];
        let [v4, v6] = ips.map(|ip| ip.parse().unwrap());
        [v4, v6, format!("fe80::{host}").parse().unwrap()]
    }

    fn mac(&self, at: usize) -> String {
        format!("02:00:00:00:{:02x}:{:02x}", self.net, at + 1)
    }
}

/// Moves this thread into a network namespace.
#[track_caller]
fn enter(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

/// Runs `ip`; what it says of a failure is the error.
fn ip(words: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(words).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said.trim().to_owned()) }
}
