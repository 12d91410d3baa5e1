//! `bench load` finds every fault of a faulty coordinator, and none of the real one.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::faulty::{self, Fault};
use crate::support::{PROGRAMS, bench, with_script};

/// A finished `bench load`.
struct Run {
    code: Option<i32>,
    text: String,
    /// Steps of the sweep, from the JSON file.
    steps: Value,
    svg: String,
}

fn load(options: &str, programs: Option<&Path>) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let [json, svg] = ["r.json", "r.svg"].map(|name| directory.path().join(name));
    let mut arguments = vec!["load", "--json", json.to_str().unwrap()];
    arguments.extend(["--plot", svg.to_str().unwrap()]);
    arguments.extend(options.split(' '));
    let (code, text) = bench(&arguments, programs, None);
    assert!(!directory.path().join("r.json.part").exists());
    let [json, svg] = [json, svg].map(|path| fs::read_to_string(path).unwrap_or_default());
    Run { code, text, steps: serde_json::from_str(&json).unwrap_or_default(), svg }
}

fn against(fault: Fault, further: &str) -> Run {
    let address = faulty::coordinator(fault);
    let options = "--participants 4 --publishers 2 --rate 1000 --messages 20";
    load(&format!("--coordinator {address} {options}{further}"), None)
}

#[track_caller]
fn finds_nothing(options: &str) -> Value {
    let Run { code, text, steps, .. } = load(options, None);
    let step = steps[0].clone();
    assert_eq!(code, Some(0), "{text}");
    assert!(step["first_faults"] == json!([]) && step["refused"] == 0, "{text}");
    step
}

#[test]
fn a_right_coordinator_has_no_faults() {
    for further in ["", " --here"] {
        let Run { code, text, steps, .. } = against(Fault::None, further);
        assert_eq!(code, Some(0), "{text}");
        assert_eq!(steps[0]["sent"], 20);
        assert_eq!(steps[0]["received"]["deliveries"], 60);
        assert!(text.contains("verified          nothing lost"), "{text}");
    }
}

#[test]
fn every_fault_of_a_coordinator_is_found_and_named() {
    for (fault, expected) in [
        (Fault::Drops, "message 5 is lost: neither delivered nor counted in a gap"),
        (Fault::DropsForAll, "message 5 is lost: neither delivered nor counted in a gap"),
        (Fault::Doubles, "message 5 was delivered or reported lost twice"),
        (Fault::Swaps, "message 5 is out of order: it came after message 6"),
        (Fault::Alters, "message 5 differs from what was sent or others received"),
        (Fault::Echoes, "message 5 was delivered to its publisher"),
        (Fault::Revives, "message 0 is from before the registration"),
        (Fault::Garbles, "not a line of the protocol: \"5 "),
        (Fault::Miscounts, "\"gap#1#5#6\" is wrong: 2 messages of other members have these"),
        (Fault::Renumbers, "number 6 was given to two messages, or one message has two"),
        (Fault::Overcounts, "the coordinator's next number is 22, by its replies 21"),
        (Fault::Closes, "the coordinator closed the message socket"),
        (Fault::Babbles, "unexpected reply: \"FINE\""),
    ] {
        check_fault(&against(fault, ""), expected);
        check_fault(&against(fault, " --here"), expected);
    }
}

#[test]
fn every_fault_of_a_message_log_is_found_and_named() {
    for (edit, expected) in [
        ("sed -i '/^5\t/d'", "message 5 is lost: neither delivered nor counted in a gap"),
        ("sed -i '/^5\t/p'", "message 5 was delivered or reported lost twice"),
        ("sed -i '/^5\t/{h;d};/^6\t/G'", "message 5 is out of order: it came after message 6"),
        ("sed -i '/^5\t/s/groupcast/groupcost/'", "message 5 differs from what was sent"),
        ("sed -i 's/^5\t.*/# gap 1 5 6/'", "is wrong: message 5 is "),
        ("sed -i 's/^5\t/five\t/'", "not a line of the protocol: \"five"),
        ("truncate -s -1", "the last line of the message log is cut"),
    ] {
        let script = format!(
            "for config; do :; done\n\
             {} \"$@\" || exit\n\
             case $config in *member2.txt) {edit} \"$(sed -n 2p \"$config\")\"; esac",
            PROGRAMS.join("participant").display()
        );
        let faulty = with_script("participant", &script);
        symlink(PROGRAMS.join("coordinator"), faulty.path().join("coordinator")).unwrap();
        let options = "--processes --participants 3 --rate 1000 --messages 20";
        check_fault(&load(options, Some(faulty.path())), expected);
    }
}

#[track_caller]
fn check_fault(Run { code, text, steps, .. }: &Run, expected: &str) {
    assert!(*code == Some(1) && text.contains("FAILED"), "{expected}: {text}");
    let mut first = steps[0]["first_faults"].as_array().unwrap().iter();
    let is_named = first.any(|first| first.as_str().unwrap().contains(expected));
    assert!(is_named && steps[0]["faults"] != 0, "{expected}: {text}");
}

#[test]
fn the_coordinator_keeps_its_guarantees_without_churn() {
    let by_clock = "--participants 40 --publishers 4 --rate 500 --messages 250";
    let fast = "--participants 20 --publishers 20 --window 16 --messages 2000 --size 1000";
    for (options, deliveries) in
        [(by_clock, 250 * 39), (fast, 2_000 * 19), (&format!("{fast} --no-acks"), 2_000 * 19)]
    {
        let step = finds_nothing(options);
        assert_eq!(step["received"]["deliveries"], deliveries, "{options}");
        assert!(step["costs"]["cpu_ns_per_delivery"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn the_coordinator_keeps_its_guarantees_under_churn() {
    let options =
        "--participants 20 --publishers 20 --rate 1000 --duration 1 --churn 60 --away 100";
    for further in ["--seed 1", "--seed 2", "--seed 3 --ttl 0", "--seed 4 --no-acks"] {
        let step = finds_nothing(&format!("{options} {further}"));
        for kind in ["disconnected", "crashed", "took_over"] {
            assert_ne!(step["departures"][kind], 0, "{kind}: {step}");
        }
        assert_eq!(step["received"]["gaps"] != 0, further.contains("ttl"), "{step}");
    }
}

#[test]
fn the_coordinator_keeps_its_guarantees_to_members_without_a_listener_and_with_tls() {
    let calm = "--participants 20 --publishers 4 --rate 500 --messages 250";
    let churn =
        "--participants 20 --publishers 20 --rate 500 --duration 1 --churn 60 --away 100 --seed 5";
    for how in ["--here", "--tls", "--here --tls", "--here --tls --no-acks"] {
        let step = finds_nothing(&format!("{calm} {how}"));
        assert_eq!(step["received"]["deliveries"], 250 * 19, "{how}");
        for flag in ["here", "tls"] {
            assert_eq!(step["plan"][flag], how.contains(flag), "{how}");
        }
        let step = finds_nothing(&format!("{churn} {how}"));
        for kind in ["disconnected", "crashed", "took_over"] {
            assert_ne!(step["departures"][kind], 0, "{how}: {kind}: {step}");
        }
    }
}

#[test]
fn real_participants_log_every_message() {
    let options = "--processes --participants 8 --publishers 3 --rate 100 --messages 100";
    let step = finds_nothing(&format!("{options} --churn 8 --away 100"));
    assert!(step["participants_cpu_ns_per_delivery"].as_f64().unwrap() > 0.0, "{step}");
    assert!(step["received"]["deliveries"].as_u64().unwrap() >= 90 * 7, "{step}");
}

#[test]
fn a_sweep_writes_text_json_and_plots() {
    let Run { code, text, steps, svg } = load("--participants 3,6 --messages 50 --rate 200", None);
    assert_eq!(code, Some(0), "{text}");
    let first = "3 lightweight members, 1 publishing, 100 B, 200 messages/s";
    assert!(text.starts_with(first) && text.contains("250 of 50 messages"), "{text}");
    assert_eq!(steps[0]["received"]["deliveries"], 100);
    assert_eq!(steps[1]["received"]["deliveries"], 250);
    assert!(steps[1]["latency_us"]["p99_9"].as_f64().unwrap() > 0.0);
    assert_eq!(steps[0]["plan"]["pace"]["rate"], 200.0);
    check_well_formed(&svg);
    assert!(svg.matches("<polyline").count() >= 4, "two steps in two plots");
}

#[test]
fn a_wrong_option_ends_with_2_and_ctrl_c_with_130() {
    assert_eq!(load("--participants none", None).code, Some(2));
    assert_eq!(load("--help", None).code, Some(0));
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(["load", "--participants", "5", "--duration", "600", "--programs"]);
    let mut child = command.arg(&*PROGRAMS).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut text) = (BufReader::new(child.stdout.take().unwrap()), String::new());
    // Ctrl-C is handled from the first line on.
    stdout.read_line(&mut text).unwrap();
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    stdout.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
    assert!(text.contains("nothing lost, doubled, reordered or altered (ended by the user)"));
}

/// Every element is closed where it was opened, and every quote.
#[track_caller]
fn check_well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').unwrap();
        assert!(tag.matches('"').count() % 2 == 0 && !text.contains('>'), "{tag}");
        let name = tag.trim_start_matches('/').split_whitespace().next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty() && svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
}
