//! A participant by the stock tools of OpenSSL, with the lines of PROTOCOL.md as they stand there.

use std::process::{Command, Stdio};

use support::participant::Running;
use support::port::ReservedPort;
use tempfile::TempDir;

use super::TlsCoordinator;
use crate::documents::command;

const PROTOCOL: &str = "src/protocol/PROTOCOL.md";

/// Returns false and says so if there is no openssl.
pub(super) fn has_openssl() -> bool {
    let version = Command::new("openssl").arg("version").stdout(Stdio::null()).status();
    if version.is_err() {
        eprintln!("SKIPPED: openssl, to be a participant: it is not installed");
    }
    version.is_ok()
}

/// Runs a line in a folder. The words are separated by one space each.
fn openssl(folder: &TempDir, line: &str) -> Command {
    let mut command = Command::new("openssl");
    let line = line.strip_prefix("openssl ").unwrap_or(line);
    command.args(line.split(' ')).current_dir(folder.path()).stderr(Stdio::null());
    command
}

/// Makes `<id>.pem` and `<id>.crt`.
fn make_keys(folder: &TempDir, id: &str) {
    let line = command(PROTOCOL, "openssl req -x509").replace("alice", id);
    assert!(openssl(folder, &line).status().unwrap().success(), "{line}");
}

/// Returns the name of the key in `<id>.crt`.
fn key_name(folder: &TempDir, id: &str) -> String {
    let line = command(PROTOCOL, "openssl x509 -in").replace("alice", id);
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", &line]).current_dir(folder.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    format!("sha256:{}", text.split(' ').next().unwrap())
}

fn client(coordinator: &TlsCoordinator, folder: &TempDir, id: &str) -> Running {
    let to = coordinator.address.to_string();
    coordinator.identity.write(&folder.path().join("coordinator.crt"));
    let line = command(PROTOCOL, "openssl s_client -quiet -CAfile").replace("alice", id);
    let line = line.replace("HOST:PORT", &to);
    let mut client = Running::start(openssl(folder, &line));
    client.write("x#ping#-\n");
    client.expect("OK ping\n");
    client
}

#[test]
fn s_client_gets_messages_on_its_own_connection() {
    if !has_openssl() {
        return;
    }
    let (coordinator, folder) = (TlsCoordinator::start(&[]), tempfile::tempdir().unwrap());
    ["alice", "bob"].iter().for_each(|id| make_keys(&folder, id));
    let mut alice = client(&coordinator, &folder, "alice");
    let request = command(PROTOCOL, "alice#register here secret=<last");
    let request = request.replace("<last 32 hex digits of the invitation>", &"0".repeat(32));
    alice.write(&format!("{request}\n"));
    alice.expect("OK register ");
    let mut bob = client(&coordinator, &folder, "bob");
    bob.write("bob#register here#-\n");
    bob.expect("OK register ");
    let mut commands = client(&coordinator, &folder, "bob");
    commands.write("bob#msend hello # alice#-\n");
    commands.expect("OK msend seq=1\n");
    alice.expect("#hello # alice\n");
    commands.write("alice#msend not mine#-\n");
    commands.expect(&format!(
        "ERR 403 id: belongs to another client, not to {}",
        key_name(&folder, "bob")
    ));
}

#[test]
fn s_server_is_the_listener_of_a_participant() {
    if !has_openssl() {
        return;
    }
    let (coordinator, folder) = (TlsCoordinator::start(&[]), tempfile::tempdir().unwrap());
    ["alice", "bob"].iter().for_each(|id| make_keys(&folder, id));
    let port = ReservedPort::new();
    let of_port = |start| command(PROTOCOL, start).replace("6000", &port.to_string());
    // It says when it listens only without `-quiet`.
    let line = of_port("openssl s_server -quiet").replace("-quiet ", "");
    let mut listener = Running::start(openssl(&folder, &line));
    listener.expect("ACCEPT");
    let mut alice = client(&coordinator, &folder, "alice");
    let request = of_port("alice#register 6000#-");
    alice.write(&format!("{}\n", request.split(' ').take(2).collect::<Vec<&str>>().join(" ")));
    alice.expect("OK register ");
    let mut bob = client(&coordinator, &folder, "bob");
    bob.write("bob#register here#-\n");
    bob.expect("OK register ");
    alice.write("alice#msend from alice#-\n");
    bob.expect("#alice#");
    bob.expect("#from alice\n");
    let mut commands = client(&coordinator, &folder, "bob");
    commands.write("bob#msend from bob#-\n");
    commands.expect("OK msend seq=2\n");
    listener.expect("2#bob#");
    listener.expect("#from bob\n");
}

#[test]
fn an_older_tls_is_refused() {
    if !has_openssl() {
        return;
    }
    let (coordinator, folder) = (TlsCoordinator::start(&[]), tempfile::tempdir().unwrap());
    let line = format!("s_client -tls1_2 -connect {}", coordinator.address);
    let output = openssl(&folder, &line).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("alert protocol version"), "{said}");
}

/// A certificate of another tool, of another kind: RSA with its dates in the past.
#[test]
fn a_key_of_rsa_in_an_expired_certificate_is_a_key_like_any_other() {
    if !has_openssl() {
        return;
    }
    let (coordinator, folder) = (TlsCoordinator::start(&[]), tempfile::tempdir().unwrap());
    let line =
        "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=old -keyout old.pem -out old.crt";
    assert!(openssl(&folder, line).status().unwrap().success());
    let mut old = client(&coordinator, &folder, "old");
    old.write("old#register here#-\n");
    old.expect("OK register ");
}

#[test]
fn a_name_and_protocols_that_a_client_asks_for_are_ignored() {
    if !has_openssl() {
        return;
    }
    let (coordinator, folder) = (TlsCoordinator::start(&[]), tempfile::tempdir().unwrap());
    let asks = "-servername other.example.org -alpn h2,http/1.1";
    let line = format!("s_client -quiet {asks} -connect {}", coordinator.address);
    let mut client = Running::start(openssl(&folder, &line));
    client.write("x#ping#-\n");
    client.expect("OK ping\n");
}
