//! TLS and credentials: the right ones work, and wrong ones are named.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use groupcast::net::engine::{Engine, EngineError, EngineOptions};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
};

use support::program;

use crate::client::Client;
use crate::servers::Servers;
use crate::start::open;

/// A CA, and a certificate that it has signed for loopback: PEM of the CA, certificate, key.
fn signed() -> (String, String, String) {
    let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, key()).unwrap();
    let own = key();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&own, &ca).unwrap();
    (ca.pem(), certificate.pem(), own.serialize_pem())
}

#[test]
fn a_server_is_believed_only_with_the_right_ca() {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name);
    let (ca, certificate, key) = signed();
    let texts = [("ca", ca), ("certificate", certificate), ("key", key), ("other", signed().0)];
    texts.iter().for_each(|(name, text)| fs::write(path(name), text).unwrap());
    fs::write(path("empty"), "").unwrap();
    let (certificate, key) = (path("certificate"), path("key"));
    let tls = format!("tls {{ cert_file: {certificate:?}, key_file: {key:?} }}");
    let Some(servers) = Servers::start(1, &tls) else { return };
    let mut options = servers.options();
    options.ca = Some(path("other"));
    let error = Engine::found(&options, servers.new_stream()).unwrap_err().to_string();
    assert!(error.contains("invalid peer certificate: "), "{error}");
    assert!(error.contains("check engine and engine_ca"), "{error}");
    for (name, words) in [("absent", "No such file"), ("empty", "certificate")] {
        options.ca = Some(path(name));
        let error = open(&options).unwrap_err().to_string();
        assert!(error.starts_with("engine_ca: ") && error.contains(words), "{error}");
    }
    options.ca = Some(path("ca"));
    Engine::found(&options, servers.new_stream()).unwrap();
    options.servers = options.servers.iter().map(|url| url.replace("nats://", "tls://")).collect();
    let mut client = Client::open(&options);
    client.read_from(1);
    assert_eq!(client.caught_up(), 0);
    assert_eq!(client.store(b"secret"), 1);
}

#[test]
fn a_server_without_tls_is_refused_where_a_ca_is_given() {
    let Some(servers) = Servers::start(1, "") else { return };
    let mut options = servers.options();
    let path = servers.directory.path().join("ca");
    fs::write(&path, signed().0).unwrap();
    options.ca = Some(path);
    let error = open(&options).unwrap_err();
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error}");
}

/// A key of a user, made for these tests: its name, and its seed.
pub(crate) const USER: &str = "UA6NJY5A42TAX4ISL4CNYXJL575XOFVVHJ2HD4GU3IXU6JCZ55H73SUR";
pub(crate) const SEED: &str = "SUANJQGNGKWIDC6OKTESHR6OFXHAMVXOCG36FJK7OBBIH3RZ2EIX6VDXZI";
/// Another user, whom the servers do not know at first.
pub(crate) const OTHER_USER: &str = "UA5IWTXC6G6LKVNMYLJF6OZYKBBX23YSIC5HPFSXJRBNISGJ6XTMLCNW";
pub(crate) const OTHER_SEED: &str = "SUAKJYP2K74ONXKQPYBDXKASEL5DQ6TZXTC6ZQZFXQM7HXZCUNXHITOLXY";

#[test]
fn a_seed_logs_in_with_the_rights_that_a_site_needs_and_no_more() {
    let stream = ["CREATE", "INFO", "MSG.GET", "PURGE"];
    let api = stream.map(|call| format!("\"$JS.API.STREAM.{call}.GC_g\"")).join(", ");
    let rights = format!(
        "publish: [{api}, groupcast.g.log, groupcast.g.snap], \
         subscribe: [\"groupcast.g.feed.>\", \"groupcast.g.inbox.>\"]"
    );
    let users =
        format!("authorization {{ users: [{{ nkey: {USER}, permissions {{ {rights} }} }}] }}");
    let Some(servers) = Servers::start(1, &users) else { return };
    let mut options = servers.options();
    for credentials in [None, Some(OTHER_SEED.to_owned())] {
        options.credentials = credentials;
        let error = open(&options).unwrap_err();
        assert!(matches!(error, EngineError::Unauthorized { .. }), "{error}");
        assert!(error.to_string().contains("check engine_credentials"), "{error}");
    }
    options.credentials = Some("nothing that nsc writes".to_owned());
    assert!(open(&options).unwrap_err().to_string().starts_with("engine_credentials: expected"));
    options.credentials = Some(format!("{SEED}\n"));
    Engine::found(&options, servers.new_stream()).unwrap();
    let mut client = Client::open(&options);
    client.read_from(1);
    assert_eq!(client.caught_up(), 0);
    assert_eq!(client.store(b"one"), 1);
    assert!(!format!("{options:?}").contains(SEED));
    let error = open(&EngineOptions { group: "h".to_owned(), ..options }).unwrap_err().to_string();
    let advice = "check group, and the rights of the user in the config of the servers";
    assert!(error.contains("Permissions Violation") && error.ends_with(advice), "{error}");
}

/// Needs no server: `--check` asks none.
#[test]
fn check_reads_the_files_of_the_engine() {
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode| {
        fs::write(files.path().join(name), text).unwrap();
        fs::set_permissions(files.path().join(name), Permissions::from_mode(mode)).unwrap();
    };
    write("seed", SEED, 0o600);
    write("open", SEED, 0o644);
    write("words", "nothing that nsc writes", 0o600);
    write("ca", &signed().0, 0o644);
    for (lines, expected) in [
        ("engine_credentials=seed\nengine_ca=ca", "c.txt: valid\n"),
        ("engine_credentials=absent", "site: absent: cannot be read: No such file"),
        ("engine_credentials=open", "site: open: mode: found 0644"),
        ("engine_credentials=words", "site: engine_credentials: expected a JWT and a seed"),
        ("engine_ca=absent", "site: engine_ca: absent: No such file"),
        ("engine_ca=seed", "site: engine_ca: seed: "),
    ] {
        let engine = "engine=nats://127.0.0.1:4222\ngroup=g\nsite=oslo";
        write("c.txt", &format!("5000\n60\n{engine}\n{lines}\n"), 0o644);
        let mut command = Command::new(program("site"));
        let output = command.args(["--check", "c.txt"]).current_dir(files.path()).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.starts_with(expected), "{lines}: {said}");
        assert_eq!(output.status.code(), Some(if said == "c.txt: valid\n" { 0 } else { 2 }));
    }
}
