//! The sample config of three servers: `config/nats.conf`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::http::exchange_http;
use tempfile::TempDir;

use crate::group::{eventually, found_with, msend, start_with};
use crate::security::{SEED, USER};
use crate::servers::{Server, Servers, program};

/// Place of the key in the sample.
const KEY: &str = "THE NAME OF THE KEY (U...)";

/// The sample with the addresses and files of one server, for the group `g`.
struct Sample {
    text: String,
}

impl Sample {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/nats.conf");
        Self { text: fs::read_to_string(path).unwrap() }
    }

    /// Replaces a part, which must be there.
    #[track_caller]
    fn put(&mut self, old: &str, new: &str) {
        assert!(self.text.contains(old), "{old} is not in\n{}", self.text);
        self.text = self.text.replace(old, new);
    }

    /// `of_ca` has the files of the CA. Those of the server are made.
    fn of(server: &Server, routes: &str, of_ca: &Path) -> String {
        let mut sample = Self::read();
        sample.put("engine-1", &server.name);
        sample.put("listen: 10.0.0.1:4222", &format!("listen: {}", server.address()));
        sample.put("listen: 10.0.0.1:6222", &format!("listen: {}", server.route()));
        sample.put("nats://10.0.0.1:6222, nats://10.0.0.2:6222, nats://10.0.0.3:6222", routes);
        sample.put("http: 127.0.0.1:8222", &format!("http: {}", server.monitor_address()));
        sample.put("/var/lib/nats", server.store().to_str().unwrap());
        let [_, lines @ ..] = openssl_lines();
        let address = server.address().ip().to_string();
        lines.iter().for_each(|line| run(&line.replace("10.0.0.1", &address), of_ca));
        for file in ["ca.crt", "server.crt", "server.key"] {
            let own = server.store().with_file_name(file);
            fs::copy(of_ca.join(file), &own).unwrap();
            sample.put(&format!("/etc/nats/{file}"), own.to_str().unwrap());
        }
        sample.put(KEY, USER);
        sample.put("GC_class", "GC_g");
        sample.put("groupcast.class.", "groupcast.g.");
        sample.text
    }
}

/// Returns the lines of the README that make the CA, and the key and the certificate of a server.
fn openssl_lines() -> [String; 3] {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/README.md");
    let readme = fs::read_to_string(path).unwrap().replace("\\\n", "");
    let lines = readme.lines().map(str::trim).skip_while(|line| !line.contains("CN=engine-ca"));
    lines.take(3).map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()
}

#[track_caller]
fn run(line: &str, folder: &Path) {
    assert!(line.starts_with("openssl "), "{line}");
    let output = Command::new("sh").args(["-c", line]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
}

/// Makes a CA. `None` without OpenSSL 3, which is said.
fn ca() -> Option<TempDir> {
    let version = Command::new("openssl").arg("version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    if !version.as_ref().is_ok_and(|version| version.starts_with("OpenSSL 3")) {
        let _ = writeln!(io::stderr(), "SKIPPED the sample of the servers: OpenSSL 3: {version:?}");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let [line, ..] = openssl_lines();
    run(&line, folder.path());
    Some(folder)
}

fn loopback(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// Returns the servers to which this one has routes.
fn peers(server: &Server) -> BTreeSet<String> {
    // Version 1.0 has no chunks.
    let request = b"GET /routez HTTP/1.0\r\n\r\n";
    let body = exchange_http(server.monitor_address(), request).body;
    let routes: Value = serde_json::from_str(&body).unwrap();
    let names = routes["routes"].as_array().into_iter().flatten();
    names.map(|route| route["remote_name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_sample_lets_sites_work_and_no_server_without_a_certificate_of_the_ca_join() {
    let (Some(ca), Some(other)) = (ca(), ca()) else { return };
    let trio = [1, 2, 3].map(loopback);
    let config = |server: &Server, routes: &str| Sample::of(server, routes, ca.path());
    let Some(servers) = Servers::start_each(&trio, config) else { return };
    eventually("each server has routes to the others", || {
        servers.all.iter().all(|server| peers(server).len() == 2)
    });
    let path = |name: &str| servers.directory.path().join(name);
    fs::write(path("seed"), SEED).unwrap();
    let own_file = fs::Permissions::from_mode(0o600);
    fs::set_permissions(path("seed"), own_file).unwrap();
    let login = [
        format!("engine_ca={}", ca.path().join("ca.crt").display()),
        format!("engine_credentials={}", path("seed").display()),
        format!("engine_monitor={}", servers.all[0].monitor()),
    ];
    let login = login.each_ref().map(String::as_str);
    found_with(&servers, &login);
    let (oslo, cairo) =
        (start_with(&servers, "oslo", &login), start_with(&servers, "cairo", &login));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    assert_eq!(msend(&mut ann, "over TLS"), 1);
    bob.socket().delivery(1, "ann", "over TLS");

    // A server with a CA of its own.
    let routes = servers.all.iter().map(|server| format!("nats://{}", server.route()));
    let routes = routes.collect::<Vec<_>>().join(", ");
    let stranger = |server: &Server, _: &str| Sample::of(server, &routes, other.path());
    let strangers = Servers::start_each(&[loopback(4)], stranger).unwrap();
    eventually("the stranger is refused by all", || {
        let refused = |server: &Server| server.said().contains("TLS route handshake error");
        servers.all.iter().all(refused)
    });
    assert_eq!(peers(&strangers.all[0]), BTreeSet::new());
    for server in &servers.all {
        let own = BTreeSet::from([server.name.clone()]);
        let all = BTreeSet::from(["n1", "n2", "n3"].map(str::to_owned));
        assert_eq!(peers(server), &all - &own);
    }
    assert_eq!(msend(&mut bob, "still alone"), 2);
    ann.socket().delivery(2, "bob", "still alone");
}

#[test]
fn the_sample_starts_only_with_the_key_of_its_user() {
    let Some(program) = program() else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/nats.conf");
    let output = Command::new(program).arg("-t").arg("-c").arg(path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("Not a valid public nkey"), "{said}");
}
