//! Lines for the shell in the documents, run as they stand there.

use std::fs;
use std::path::Path;
use std::process::Command;

use support::coordinator::Coordinator;
use support::participant::Running;
use support::program;
use support::tls::write_private;

use super::openssl::has_openssl;
use crate::documents::command;

/// Runs lines in a folder. Returns the exit code, and what they said.
#[track_caller]
fn run(folder: &Path, lines: &str) -> (Option<i32>, String) {
    let mut command = Command::new("sh");
    command.args(["-ec", lines]).current_dir(folder);
    let mut running = Running::start(command);
    running.input = None;
    (running.wait(), std::mem::take(&mut running.said))
}

#[track_caller]
fn succeeds(folder: &Path, lines: &str) -> String {
    let (code, said) = run(folder, lines);
    assert_eq!(code, Some(0), "{lines}: {said}");
    said
}

/// Returns options of a coordinator that name files in a folder.
fn options(folder: &Path, keys: &[(&str, &str)]) -> Vec<String> {
    keys.iter().map(|(key, name)| format!("{key}={}", folder.join(name).display())).collect()
}

fn start(options: &[String]) -> Coordinator {
    Coordinator::start(60, &options.iter().map(String::as_str).collect::<Vec<&str>>())
}

fn participant(folder: &Path, coordinator: &Coordinator, id: &str, options: &[&str]) -> Running {
    let mut command = Command::new(program("participant"));
    command.args(["--no-log", "--id", id, "--coordinator", &coordinator.address.to_string()]);
    command.args(["--keys", &format!("{id}.keys")]).args(options).current_dir(folder);
    Running::start(command)
}

#[test]
fn the_lines_for_a_company_make_the_keys_of_a_participant() {
    const README: &str = "config/README.md";
    if !has_openssl() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    succeeds(
        folder,
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 \
         -subj /CN=company -keyout company-ca.key -out company-ca.pem",
    );
    // The block ends with a group of two lines.
    let starts = [
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=sensor1",
        "echo subjectAltName=DNS:sensor1",
        "openssl x509 -req -in sensor1.csr",
    ];
    let mut lines = starts.map(|start| command(README, start)).join("\n");
    let trust = command(README, "(umask 077; { echo 'ca=company-ca.pem");
    let files = command(README, "cat sensor1.key sensor1.crt; } > sensor1.keys)");
    lines += &format!("\n{trust}\n{files}\n");
    succeeds(folder, &lines);
    let name = "groupcast.example.org";
    let of_coordinator = lines.replace("DNS:sensor1", &format!("DNS:{name}"));
    succeeds(folder, &of_coordinator.replace("sensor1", "coordinator"));
    succeeds(folder, "(umask 077; cat coordinator.key coordinator.crt > c.keys)");
    fs::write(folder.join("access.txt"), "sensor* ca send rate=10\n").unwrap();
    let keys = [("tls", "c.keys"), ("ca", "company-ca.pem"), ("access", "access.txt")];
    let coordinator = start(&options(folder, &keys));
    let mut sensor = participant(folder, &coordinator, "sensor1", &["-e", "register here"]);
    sensor.expect("OK register epoch=");
    fs::rename(folder.join("sensor1.keys"), folder.join("sensor2.keys")).unwrap();
    let mut other = participant(folder, &coordinator, "sensor2", &["-e", "register here"]);
    other.expect("ERR 403 certificate: does not name this id");
    assert_eq!(other.wait(), Some(1), "{}", other.said);
}

#[test]
fn the_line_for_operators_removes_a_member() {
    if !has_openssl() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("c.txt"), "0\n60\n").unwrap();
    let init = format!("{} --init-keys c.txt 2> init.log", program("coordinator").display());
    let invitation = succeeds(folder, &init);
    for id in ["bob", "operator"] {
        write_private(&folder.join(format!("{id}.keys")), &invitation);
    }
    let coordinator =
        start(&options(folder, &[("tls", "coordinator.keys"), ("access", "access.txt")]));
    let mut bob = participant(folder, &coordinator, "bob", &["-f", "--join", "--passive"]);
    bob.expect("OK register epoch=");
    let mut operator = participant(folder, &coordinator, "operator", &["-e", "members"]);
    operator.expect("own key sha256:");
    let name: String = operator.expect_line().chars().take(64).collect();
    operator.wait();
    let remove = command("config/README.md", "(printf 'bob#deregister#-\\n'; sleep 1)");
    let remove = remove.split('`').next().unwrap().replace("\\|", "|");
    let remove = remove.replace("HOST:PORT", &coordinator.address.to_string());
    let (_, said) = run(folder, &remove);
    assert!(said.contains("ERR 401 secret: missing"), "it is no operator yet: {said}");
    let access = fs::read_to_string(folder.join("access.txt")).unwrap();
    let access = format!("{access}@operator key=sha256:{name}\n");
    fs::write(folder.join("access.txt"), access).unwrap();
    coordinator.hang_up();
    coordinator.until_said("access.txt with 2 lines");
    let said = succeeds(folder, &remove);
    assert!(said.contains("OK deregister\n"), "{said}");
    bob.expect("deregistered");
}
