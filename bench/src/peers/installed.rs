//! Installed servers: path, version, and readiness.

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Error, Result};

use crate::cli;
use crate::clock;
use crate::command::DEADLINE;

/// Directory of servers that is not in the `PATH` of every user.
const SYSTEM_PROGRAMS: &str = "/usr/sbin";
/// Directory of `make bench-peers` for servers that are no packages of Debian, beside the directory
/// of this program.
const PEERS: &str = "peers/bin";
const PAUSE: Duration = Duration::from_millis(2);

/// Path of a program. The name itself if the program is not found.
pub(crate) fn program(name: impl AsRef<Path>) -> PathBuf {
    let found = programs(&name).into_iter().next();
    found.unwrap_or_else(|| name.as_ref().to_owned())
}

/// Paths of all programs with this name.
pub(crate) fn programs(name: impl AsRef<Path>) -> Vec<PathBuf> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let own = cli::own_program();
    let target = own.ancestors().nth(2).map(|target| target.join(PEERS));
    let others = [Some(PathBuf::from(SYSTEM_PROGRAMS)), target].into_iter().flatten();
    let paths = env::split_paths(&paths).chain(others).map(|directory| directory.join(&name));
    paths.filter(|path| path.is_file()).collect()
}

/// First word with a digit that the program prints. `None` if it prints nothing, or if it cannot be
/// started.
pub(crate) fn version(name: impl AsRef<Path>, options: &[&str]) -> Option<String> {
    let output = Command::new(program(name)).args(options).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.is_empty() {
        return None;
    }
    let mut words = text.split_whitespace();
    let version = words.find(|word| word.contains(|letter: char| letter.is_ascii_digit()));
    Some(version.unwrap_or("of unknown version").trim_start_matches(['v', '=']).to_owned())
}

/// An address that was free a moment ago. These servers cannot choose a port and report it.
pub(crate) fn free_address() -> Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|free| free.local_addr())
        .context("cannot find a free port")
}

pub(crate) fn reach(address: SocketAddr) -> Result<()> {
    let begin = clock::now();
    loop {
        match TcpStream::connect(address) {
            Ok(_) => return Ok(()),
            Err(error) if clock::now().duration_since(begin) > DEADLINE => {
                return Err(Error::new(error).context(format!("no server listens on {address}")));
            }
            Err(_) => clock::pause(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_or_named() {
        assert!(program("sh").is_absolute());
        assert_eq!(program("no-such-program"), PathBuf::from("no-such-program"));
        assert_eq!(version("no-such-program", &[]), None);
        assert_eq!(version("true", &[]), None);
        assert_eq!(version("echo", &["tool v1.2.3 (x)"]), Some("1.2.3".to_owned()));
    }
}
