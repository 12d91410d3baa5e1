//! Sites as their operators see them: lists, metrics, status, and what a site reads again.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use groupcast::metrics::{Metric, PREFIX, SITE_METRICS, STATS};
use serde_json::Value;
use support::http::{get, http_address};
use support::member::Member;
use support::port::ReservedPort;
use support::transcript::lock;
use support::{Timer, program};

use crate::group::{TTL_S, eventually, founded, msend, options, run, run_with, start, start_with};
use crate::security::{OTHER_SEED, OTHER_USER, SEED, USER};
use crate::servers::{LONG, Servers};

/// Returns the value of a series in a body of `/metrics`.
pub(crate) fn value(body: &str, series: &str) -> Option<f64> {
    let find = |line: &str| line.strip_prefix(PREFIX)?.strip_prefix(series)?.trim().parse().ok();
    body.lines().find_map(find)
}

fn status(address: SocketAddr) -> Value {
    serde_json::from_str(&get(address, "/status.json").body).unwrap()
}

/// Asks for the status until it is as expected. It is made once a second.
#[track_caller]
fn until_status(address: SocketAddr, is_expected: impl Fn(&Value) -> bool) -> Value {
    let timer = Timer::start(LONG);
    loop {
        let found = status(address);
        if is_expected(&found) {
            return found;
        }
        assert!(timer.left().is_some(), "{found:#}");
    }
}

#[test]
fn members_names_the_site_of_each_member_at_all_sites() {
    let Some(servers) = founded(1) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (ann, bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    for site in [&oslo, &cairo] {
        let mut client = site.client();
        client.until_member("ann", |line| line.ends_with(" site=oslo"));
        client.until_member("bob", |line| line.ends_with(" site=cairo"));
    }
    let _moved = Member::come_back(&cairo, "ann", "acks=1");
    for site in [&oslo, &cairo] {
        site.client().until_member("ann", |line| line.ends_with(" site=cairo"));
    }
    drop((ann, bob));
    cairo.terminate();
    cairo.wait();
    let line = oslo.client().until_member("bob", |line| line.contains(" offline "));
    assert!(line.ends_with(" site=cairo"), "the last site of bob: {line}");
    // A site that begins later knows the sites of all members.
    let quito = start(&servers, "quito");
    quito.client().until_member("ann", |line| line.ends_with(" site=cairo"));
}

#[test]
fn metrics_and_stats_of_a_site_have_the_table_and_the_other_sites() {
    let Some(servers) = founded(1) else { return };
    let oslo = start_with(&servers, "oslo", &["http=0"]);
    let cairo = start(&servers, "cairo");
    let (mut ann, _bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    let _eve = cairo.join("eve", "acks=1");
    ann.msend("one");
    let address = http_address(&oslo);
    let timer = Timer::start(LONG);
    let body = loop {
        let body = get(address, "/metrics").body;
        let of_cairo = |name: &str| value(&body, &format!("{name}{{site=\"cairo\"}}"));
        let is_seen = of_cairo("site_members_online") == Some(2.0);
        let has_snapshot = value(&body, "list_snapshot_age_seconds").is_some();
        if is_seen && has_snapshot && of_cairo("site_position").is_some() {
            break body;
        }
        assert!(timer.left().is_some(), "{body}");
    };
    for entry in SITE_METRICS {
        let label = entry.label.map(|label| format!("{{{label}=")).unwrap_or_default();
        let series = format!("{PREFIX}{}{label}", entry.name);
        assert!(body.contains(&series), "{series}: {body}");
    }
    let is = |series: &str, expected: f64| assert_eq!(value(&body, series), Some(expected));
    is("site_info{site=\"oslo\"}", 1.0);
    is("site_members{site=\"oslo\"}", 1.0);
    is("site_live{site=\"cairo\"}", 1.0);
    is("engine_connected", 1.0);
    is("list_batches_void_total{reason=\"other_history\"}", 0.0);
    is("ready", 1.0);
    assert!(value(&body, "list_position").unwrap() > 5.0, "{body}");
    assert!(value(&body, "list_last_entry_age_seconds").unwrap() < 30.0, "{body}");
    let mut stats = oslo.client().stats();
    stats.remove("deepest"); // Only while a message waits.
    let is_there = |key: &str| key != "deepest" && !key.starts_with("journal_");
    let expected = STATS.iter().filter(|key| is_there(key.key));
    let expected: BTreeSet<&str> = expected.map(|key| key.key).collect();
    assert_eq!(stats.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    assert_eq!((stats["site"].as_str(), stats["sites_live"].as_str()), ("oslo", "2"));
    let known: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.entry().name).collect();
    assert!(SITE_METRICS.iter().all(|entry| known.contains(entry.name)));
}

#[test]
fn the_status_shows_all_sites_and_the_documents_have_its_fields() {
    let Some(servers) = founded(1) else { return };
    let (oslo, cairo) = (start_with(&servers, "oslo", &["http=0"]), start(&servers, "cairo"));
    let (_ann, bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    let address = http_address(&oslo);
    let shown = until_status(address, |status| {
        status["sites"][0]["online"] == 1 && status["rows"][1]["site"] == "cairo"
    });
    assert_eq!(shown["site"]["name"], "oslo");
    assert_eq!(shown["site"]["engine"]["connected"], true);
    assert_eq!(shown["rows"][0]["site"], "oslo");
    assert_eq!(shown["sites"][0]["state"], "live", "{shown:#}");
    assert_eq!(shown["sites"].as_array().unwrap().len(), 2);
    check_fields(&shown);
    drop(bob);
    cairo.terminate();
    cairo.wait();
    let shown = until_status(address, |status| status["sites"][0]["state"] == "ended");
    assert_eq!(
        (&shown["sites"][0]["members"], &shown["sites"][0]["online"]),
        (&1.into(), &0.into())
    );
}

/// Checks that the table in the documents has the fields that only a site has, and no other.
fn check_fields(status: &Value) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("| field of a site | meaning |\n| --- | --- |\n").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let cells = table.lines().filter_map(|row| row.split(" | ").next());
    let known: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let mut found = BTreeSet::from(["rows[].site".to_owned()]);
    let fields = |path: &str, value: &Value| -> Vec<String> {
        let names = value.as_object().unwrap().iter();
        names.map(|(name, _)| format!("{path}.{name}")).collect()
    };
    found.extend(fields("site", &status["site"]).into_iter().filter(|path| path != "site.engine"));
    found.extend(fields("site.engine", &status["site"]["engine"]));
    found.extend(fields("sites[]", &status["sites"][0]));
    assert_eq!(known, found.iter().map(String::as_str).collect());
}

#[test]
fn a_site_without_its_engine_is_not_ready_and_says_why() {
    let Some(mut servers) = founded(1) else { return };
    let oslo = start_with(&servers, "oslo", &["http=0"]);
    let mut ann = oslo.join("ann", "acks=1");
    ann.msend("before");
    let address = http_address(&oslo);
    assert_eq!(get(address, "/readyz").status(), 200);
    servers.all[0].kill();
    ann.command.say("ann#msend undecided#127.0.0.1");
    let timer = Timer::start(LONG);
    loop {
        let response = get(address, "/readyz");
        if response.body.contains("the engine cannot be reached") {
            assert_eq!(response.status(), 503);
            break;
        }
        assert!(timer.left().is_some(), "{}", response.body);
    }
    let body = get(address, "/metrics").body;
    assert_eq!(value(&body, "engine_connected"), Some(0.0));
    assert_eq!(value(&body, "engine_waiting_requests"), Some(1.0), "{body}");
    servers.all[0].restart();
    let timer = Timer::start(LONG);
    while get(address, "/readyz").status() != 200 {
        assert!(timer.left().is_some(), "not ready again");
    }
}

#[test]
fn sighup_reads_other_credentials_of_the_engine() {
    let users = format!("authorization {{ users: [{{ nkey: {USER} }}] }}");
    let Some(mut servers) = Servers::start(1, &users) else { return };
    let file = servers.directory.path().join("oslo.nk");
    let write = |text: &str| {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    };
    write(SEED);
    let credentials = format!("engine_credentials={}", file.display());
    let config = servers.directory.path().join("founder.txt");
    let mut lines = options(&servers, "founder");
    lines.push(credentials.clone());
    std::fs::write(&config, format!("0\n{TTL_S}\n{}\n", lines.join("\n"))).unwrap();
    let founded = Command::new(program("site")).arg("--found").arg(&config).output().unwrap();
    assert!(founded.status.success(), "{founded:?}");
    let oslo = start_with(&servers, "oslo", &[&credentials, "http=0"]);
    let address = http_address(&oslo);
    let mut ann = oslo.join("ann", "acks=1");
    ann.msend("one");
    // A fault of the file changes nothing.
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    oslo.hang_up();
    let timer = Timer::start(LONG);
    let log = || String::from_utf8_lossy(&lock(&oslo.transcript.stderr)).into_owned();
    while !log().contains("SIGHUP: nothing was changed") {
        assert!(timer.left().is_some(), "{}", log());
    }
    ann.msend("two");
    // The server does not know the new user yet: the connection stays.
    write(OTHER_SEED);
    oslo.hang_up();
    eventually("refused", || log().contains("the connection stays, the new one failed"));
    ann.msend("two and a half");
    // The server knows the new user only.
    servers.all[0].kill();
    servers.all[0].change_config(USER, OTHER_USER);
    servers.all[0].restart();
    let timer = Timer::start(LONG);
    while get(address, "/readyz").status() == 200 {
        assert!(timer.left().is_some(), "the old credentials are still good");
    }
    // The files are those that were refused before.
    oslo.hang_up();
    let seq = msend(&mut ann, "three");
    assert_eq!(get(address, "/readyz").body, "ready\n");
    assert_eq!(oslo.client().stat("next_seq"), seq + 1);
}

#[test]
fn inspect_prints_the_group_and_takes_no_part() {
    let Some(servers) = founded(1) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    ann.msend("one");
    ann.msend("two");
    drop(bob);
    oslo.client().until_member("bob", |line| line.contains(" offline "));
    let output = inspect(&servers, TTL_S);
    let has = |line: &str| assert!(output.lines().any(|it| it == line), "{line}: {output}");
    has("group g");
    has("replicas 1");
    has("settings ttl 600 s, max_members=10000, overflow=reject, presence=no");
    has(&format!("epoch {}", ann.epoch()));
    has("last 2");
    has("messages_kept 2");
    has("sites 2");
    has("members 2");
    has("void 0");
    let line = |start: &str| output.lines().find(|line| line.starts_with(start)).unwrap();
    assert!(line("oslo live life=").contains(" members=1 online=1"), "{output}");
    assert!(line("cairo live life=").contains(" members=1 online=0"), "{output}");
    assert!(line("ann online ").ends_with(" site=oslo"), "{output}");
    assert!(line("bob offline 127.0.0.1:").ends_with(" site=cairo"), "{output}");
    assert!(!output.contains("founder"), "it has no life: {output}");
    // Other settings in the config do not matter, and nobody notices a reader.
    assert!(inspect(&servers, TTL_S + 1).contains("settings ttl 600 s"));
    assert_eq!(oslo.client().stats()["batches_void"], "0");
    cairo.terminate();
    cairo.wait();
    assert!(inspect(&servers, TTL_S).contains("cairo ended life="), "{output}");
}

#[test]
fn a_site_that_writes_all_the_time_can_be_inspected() {
    let Some(servers) = founded(1) else { return };
    let oslo = start(&servers, "oslo");
    let mut senders = ["ann", "bob", "eve"].map(|id| oslo.join(id, ""));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for sender in &mut senders {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    sender.msend("one more");
                }
            });
        }
        let found = [(); 8].map(|()| run(&servers, &["--inspect"], TTL_S, "oslo"));
        is_over.store(true, Ordering::Relaxed);
        for output in found {
            assert!(output.status.success(), "{output:?}");
        }
    });
}

#[test]
fn inspect_needs_no_monitor() {
    let Some(servers) = founded(1) else { return };
    let silent = ReservedPort::new();
    let monitor = format!("engine_monitor=http://127.0.0.1:{silent}");
    let output = run_with(&servers, &["--inspect"], TTL_S, "reader", &[&monitor]);
    assert!(output.status.success(), "{output:?}");
    let output = run_with(&servers, &[], TTL_S, "oslo", &[&monitor]);
    let said = String::from_utf8(output.stderr).unwrap();
    let reason = "Connection refused (os error 111): start its server, or take the monitor out of \
                  engine_monitor\n";
    assert!(said.ends_with(&format!("http://127.0.0.1:{silent}: {reason}")), "{said}");
}

/// Returns what `--inspect` prints.
fn inspect(servers: &Servers, ttl_s: u64) -> String {
    let output = run(servers, &["--inspect"], ttl_s, "reader");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
