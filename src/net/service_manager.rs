//! Messages to the service manager, such as systemd: sd_notify(3).
//!
//! ```text
//!   start ── READY=1 ──► work ── RELOADING=1 ──► READY=1 ── STOPPING=1 ──► end
//!                          └─ WATCHDOG=1, at half of its interval: the loop still turns
//! ```
//!
//! `NOTIFY_SOCKET` names the datagram socket of the manager. Without the variable nobody asks, and
//! nothing is sent.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;

use crate::time::Millis;

/// The way to the service manager, and the watchdog that it asks for.
#[derive(Debug, Default)]
pub struct ServiceManager {
    /// `None`: nobody asks.
    socket: Option<UnixDatagram>,
    /// Milliseconds from one sign of life to the next.
    watchdog_ms: Option<u64>,
    /// Time of the next sign of life.
    next: Option<Millis>,
}

impl ServiceManager {
    /// Finds the service manager in the environment.
    #[must_use]
    pub fn of_environment() -> Self {
        let variable = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = variable.and_then(|name| match connect(&name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                log::warn!("the service manager cannot be told: NOTIFY_SOCKET: {error}");
                None
            }
        });
        let watchdog_ms = watchdog_ms().filter(|_| socket.is_some());
        Self { socket, watchdog_ms, next: None }
    }

    /// Tells that the program is ready, also after a reload, with its state in words.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// Tells the state in words.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", one_line(status)));
    }

    /// Tells that the config is read again. [`ServiceManager::ready`] ends this.
    pub fn reloading(&self) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_usec()));
    }

    /// Tells that the program ends.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=sending what is due");
    }

    /// Returns the time at which the loop must turn: the earlier one of `deadline` and of the next
    /// sign of life.
    pub fn deadline(&self, deadline: Option<Millis>) -> Option<Millis> {
        match (deadline, self.next) {
            (deadline, None) => deadline,
            (None, next) => next,
            (Some(deadline), Some(next)) => Some(deadline.min(next)),
        }
    }

    /// Gives a sign of life if one is due. The loop calls this in each turn.
    pub fn on_turn(&mut self, now: Millis) {
        let Some(pause_ms) = self.watchdog_ms else { return };
        if self.next.is_none_or(|next| next <= now) {
            self.next = Some(now.plus(pause_ms));
            self.send("WATCHDOG=1");
        }
    }

    /// A manager that takes nothing must not stop the program.
    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(message.as_bytes())
        {
            log::debug!("the service manager was not told: {error}");
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address(name)?)?;
    Ok(socket)
}

/// Returns the address of a path, or of a name that begins with `@` (Linux).
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = name.as_encoded_bytes().strip_prefix(b"@") {
        #[cfg(target_os = "android")]
        use std::os::android::net::SocketAddrExt as _;
        #[cfg(target_os = "linux")]
        use std::os::linux::net::SocketAddrExt as _;
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(name)
}

/// Returns half of the interval after which a silent program is killed, if it is ours.
fn watchdog_ms() -> Option<u64> {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = env::var_os("WATCHDOG_PID").is_none()
        || number("WATCHDOG_PID") == Some(u64::from(process::id()));
    let interval_ms = number("WATCHDOG_USEC").filter(|_| is_ours)?.div_euclid(1000);
    Some(interval_ms.div_euclid(2).max(1))
}

fn monotonic_usec() -> i64 {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| {
        now.tv_sec().saturating_mul(1_000_000).saturating_add(now.tv_nsec().div_euclid(1000))
    })
}

/// A line feed would begin another field.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
