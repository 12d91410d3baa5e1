//! One table for `stats`, `/metrics` and the documents.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use groupcast::metrics::{Metric, MetricEntry, MetricKind, PREFIX, SITE_METRICS, STATS, StatsKey};
use serde_json::Value;
use support::coordinator::Coordinator;
use support::http::{connect_http, get, http_address};
use support::{DEADLINE, Timer};

/// The families of a text, each with its kind and its series.
fn families(text: &str) -> BTreeMap<String, (String, Vec<String>)> {
    let mut families = BTreeMap::<String, (String, Vec<String>)>::new();
    let mut last = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            last = name.to_owned();
            let before = families.insert(last.clone(), (kind.to_owned(), Vec::new()));
            assert!(before.is_none(), "{name} stands twice");
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&last), "{line} stands behind {last}");
            families.get_mut(&last).unwrap().1.push(line.to_owned());
        }
    }
    families
}

/// Checks a text with promtool, if it is installed.
fn check_with_promtool(text: &str) {
    let checker = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut checker) = checker else {
        eprintln!("SKIPPED: promtool is not installed (Debian: prometheus)");
        return;
    };
    checker.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = checker.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}\n{text}");
}

#[test]
fn every_metric_of_the_table_has_a_value_and_no_other_one_is_shown() {
    let coordinator = Coordinator::start_with_data_dir(60, &["http=0"]);
    let address = http_address(&coordinator);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "acks=1");
    alice.msend("one");
    bob.socket().delivery(1, "alice", "one");
    alice.until_acked(1);
    let mut response = get(address, "/metrics");
    // The disk is looked at by a thread.
    while !response.body.contains("groupcast_disk_bytes") {
        response = get(address, "/metrics");
    }
    assert_eq!(response.status(), 200);
    let media = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(response.field("Content-Type"), Some(media));
    check_with_promtool(&response.body);
    let shown = families(&response.body);
    for metric in Metric::ALL {
        let entry = metric.entry();
        if is_of_site(entry.name) {
            continue;
        }
        let Some((kind, series)) = shown.get(&format!("{PREFIX}{}", entry.name)) else {
            panic!("{} has no value", entry.name)
        };
        assert_eq!(kind, entry.kind.word(), "{}", entry.name);
        let has_label = |line: &String| match (entry.kind, entry.label) {
            (MetricKind::Histogram, _) => true,
            (_, Some(label)) => line.contains(&format!("{{{label}=\"")),
            (_, None) => !line.contains('{'),
        };
        assert!(!series.is_empty() && series.iter().all(has_label), "{series:?}");
    }
    let known: BTreeSet<String> =
        Metric::ALL.iter().map(|metric| format!("{PREFIX}{}", metric.entry().name)).collect();
    assert!(shown.keys().all(|name| known.contains(name)), "{shown:?}");
}

#[test]
fn values_tell_what_has_happened() {
    let coordinator = Coordinator::start(60, &["http=0", "metrics_members=1"]);
    let address = http_address(&coordinator);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "acks=1");
    let seq = alice.msend("one two");
    bob.socket().delivery(seq, "alice", "one two");
    bob.socket().ack(seq);
    bob.until_acked(seq);
    bob.disconnect();
    alice.msend("three");
    let mut client = coordinator.client();
    client.refused("nobody#msend x#127.0.0.1", 404, "");
    assert_eq!(get(address, "/favicon.ico").status(), 404);
    let text = get(address, "/metrics").body;
    for expected in [
        "http_connections 1",
        "http_connections_limit 64",
        "http_requests_total{code=\"200\"} 0",
        "http_requests_total{code=\"404\"} 1",
        "http_requests_total{code=\"503\"} 0",
        "members 2",
        "members_online 1",
        "members_limit 10000",
        "messages_accepted_total 2",
        "message_text_bytes_total 12",
        "deliveries_total 1",
        "registrations_total 2",
        "requests_refused_total{code=\"404\"} 1",
        "requests_refused_total{code=\"507\"} 0",
        "message_sockets_ended_total{reason=\"disconnected\"} 1",
        "deepest_member_pending_messages 1",
        "backlog_messages 1",
        "delivery_latency_seconds_count 1",
        "ack_latency_seconds_count 1",
        "members_without_series 1",
        "member_online{member=\"alice\"} 1",
        "member_pending_messages{member=\"alice\"} 0",
        "ready 1",
    ] {
        let line = format!("\n{PREFIX}{expected}\n");
        assert!(text.contains(&line), "no {expected} in\n{text}");
    }
    assert!(get(address, "/metrics").body.contains("http_requests_total{code=\"200\"} 1\n"));
    let status: Value = serde_json::from_str(&get(address, "/status.json").body).unwrap();
    assert_eq!(status["backlog"]["waiting_members"], 1);
    assert_eq!(status["backlog"]["overflow"], "reject");
    assert_eq!(status["deepest"]["id"], "bob");
    assert_eq!(client.stats()["deepest"], "bob");
    assert!(!text.contains("member_online{member=\"bob\"}"), "above metrics_members");
    assert!(!text.contains("three") && !text.contains("one two"), "texts are secrets");
}

#[test]
fn latencies_count_each_message_once_and_not_the_time_that_a_member_is_away() {
    let coordinator = Coordinator::start(60, &["http=0"]);
    let address = http_address(&coordinator);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "acks=1");
    let counts = |expected: [u64; 2]| {
        let text = get(address, "/metrics").body;
        for (name, count) in ["delivery", "ack"].into_iter().zip(expected) {
            let line = format!("\n{PREFIX}{name}_latency_seconds_count {count}\n");
            assert!(text.contains(&line), "no {line} in {text}");
        }
    };
    let one = alice.msend("one");
    bob.socket().delivery(one, "alice", "one");
    bob.socket().ack(one);
    bob.until_acked(one);
    counts([1, 1]);
    // The second message tells that the acknowledgements before its own one were read.
    bob.socket().ack(one);
    bob.socket().ack(one);
    let two = alice.msend("two");
    bob.socket().delivery(two, "alice", "two");
    bob.socket().ack(two);
    bob.until_acked(two);
    counts([2, 2]);
    // Sent again to another socket, and sent after an absence.
    let three = alice.msend("three");
    bob.socket().delivery(three, "alice", "three");
    bob.disconnect();
    let four = alice.msend("four");
    bob.reconnect("acks=1");
    bob.socket().delivery(three, "alice", "three");
    bob.socket().delivery(four, "alice", "four");
    bob.socket().ack(four);
    bob.until_acked(four);
    counts([3, 2]);
    let five = alice.msend("five");
    bob.socket().delivery(five, "alice", "five");
    bob.socket().ack(five);
    bob.until_acked(five);
    counts([4, 3]);
}

#[test]
fn stats_has_the_keys_of_the_table() {
    for with_journal in [false, true] {
        let coordinator = match with_journal {
            true => Coordinator::start_with_data_dir(60, &[]),
            false => Coordinator::start(60, &[]),
        };
        let mut client = coordinator.client();
        let mut keys = Vec::new();
        client.say("observer#stats#127.0.0.1");
        for line in client.listed("OK stats ") {
            keys.push(line.split_once(' ').unwrap().0.to_owned());
        }
        let expected: Vec<&str> = STATS
            .iter()
            .filter(|key| with_journal || !key.key.starts_with("journal_"))
            .filter(|key| key.key != "deepest") // No message waits.
            .filter(|key| !is_of_site(key.metric.entry().name))
            .map(|key| key.key)
            .collect();
        assert_eq!(keys, expected);
    }
}

#[test]
fn the_documents_have_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/README.md");
    let text = fs::read_to_string(path).unwrap();
    let mut missing = String::new();
    let entries = Metric::ALL.iter().map(|metric| metric.entry());
    let entries: Vec<MetricEntry> = entries.chain(SITE_METRICS.iter().copied()).collect();
    for entry in entries {
        let label = entry.label.map(|label| format!("{{{label}}}")).unwrap_or_default();
        let (name, kind) = (entry.name, entry.kind.word());
        let row = format!("| `{name}{label}` | {kind} | {} |\n", entry.help);
        if !text.contains(&row) {
            missing.push_str(&row);
        }
    }
    assert!(missing.is_empty(), "config/README.md needs these rows:\n{missing}");
    for StatsKey { key, metric, .. } in STATS {
        let mut cells = text.lines().map(|line| line.split(" | ").collect::<Vec<&str>>());
        let name = metric.entry().name;
        let is_row = |it: Vec<&str>| it.len() == 3 && names(it[0], key) && names(it[1], name);
        assert!(cells.any(is_row), "no row with {key} and {name}");
    }
}

/// Returns true for a metric that only a site has.
fn is_of_site(name: &str) -> bool {
    SITE_METRICS.iter().any(|entry| entry.name == name)
}

/// Returns true if a cell has this word, as code.
fn names(cell: &str, word: &str) -> bool {
    cell.contains(&format!("`{word}`"))
}

/// Paths of the values in a JSON value, as `rows[].id`.
fn paths(value: &Value, path: &str, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                paths(field, &format!("{path}{dot}{name}"), all);
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            elements.iter().for_each(|element| paths(element, &format!("{path}[]"), all));
        }
        Value::Array(_) => drop(all.insert(format!("{path}[]"))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            all.insert(path.to_owned());
        }
    }
}

#[test]
fn the_documents_have_the_fields_of_the_status() {
    let coordinator = Coordinator::start_with_data_dir(60, &["http=0"]);
    let address = http_address(&coordinator);
    let read = || serde_json::from_str::<Value>(&get(address, "/status.json").body).unwrap();
    let mut found = BTreeSet::new();
    paths(&read(), "", &mut found);
    let without_journal = Coordinator::start(60, &["http=0"]);
    let other = get(http_address(&without_journal), "/status.json").body;
    paths(&serde_json::from_str(&other).unwrap(), "", &mut found);
    let mut alice = coordinator.join("alice", "");
    coordinator.join("bob", "").disconnect();
    alice.msend("one");
    // The state is built once a second. A thread looks at the disk every 10 s.
    let timer = Timer::start(3 * DEADLINE);
    while !["deepest.id", "journal.disk_bytes"].iter().all(|path| found.contains(*path)) {
        assert!(timer.left().is_some(), "{found:?}");
        paths(&read(), "", &mut found);
    }
    let mut reader = BufReader::new(connect_http(address));
    reader.get_mut().write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut lines = reader.lines().map(Result::unwrap);
    lines.find(|line| line == "event: update").unwrap();
    let update = lines.next().unwrap();
    let update = serde_json::from_str(update.strip_prefix("data: ").unwrap()).unwrap();
    paths(&update, "", &mut found);
    let text =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/README.md")).unwrap();
    let (_, table) = text.split_once("| field | meaning |\n| --- | --- |\n").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let cells = table.lines().filter_map(|row| row.split(" | ").next());
    let known: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    // Elements of an update are those of the whole state. A list may have been empty once.
    let base = |path: &str| match path.split_once("[].") {
        Some((list @ ("changed" | "new_events"), _)) => format!("{list}[]"),
        _ => path.to_owned(),
    };
    let all: BTreeSet<String> = found.iter().map(|path| base(path)).collect();
    let has_elements = |list: &str| all.iter().any(|path| path.starts_with(&format!("{list}.")));
    let found: BTreeSet<&str> = all
        .iter()
        .map(String::as_str)
        .filter(|path| !path.ends_with("[]") || !has_elements(path))
        .collect();
    assert_eq!(known, found);
}
