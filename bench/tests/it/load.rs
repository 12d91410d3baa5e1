//! The harness finds every fault of a coordinator that errs, and none of the real one.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use crate::faulty::{self, Wrong};
use crate::support::programs;
use groupcast_bench::load::outcome::Outcome;
use groupcast_bench::load::plan::{Pace, Plan};
use groupcast_bench::load::run::{Setup, Target, run};

fn setup(target: Target) -> Setup {
    let participant = programs().join("participant");
    Setup { target, participant, counts_system_calls: false, interrupt: Arc::default() }
}

fn against(wrong: Wrong) -> Outcome {
    let plan = Plan {
        participants: 4,
        publishers: 2,
        pace: Pace::Rate(1_000.0),
        messages: Some(20),
        ..Plan::default()
    };
    run(&setup(Target::Running(faulty::coordinator(wrong))), &plan).unwrap()
}

#[track_caller]
fn finds_nothing(plan: &Plan) -> Outcome {
    let outcome = run(&setup(Target::Own(programs().join("coordinator"))), plan).unwrap();
    assert_eq!(outcome.described, [""; 0]);
    assert_eq!((outcome.faults, outcome.refused), (0, 0));
    outcome
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let outcome = against(Wrong::Nothing);
    assert_eq!(outcome.described, [""; 0]);
    assert_eq!((outcome.faults, outcome.sent, outcome.taken.deliveries), (0, 20, 60));
}

#[test]
fn whatever_a_coordinator_does_wrong_is_found_and_said() {
    for (wrong, expected) in [
        (Wrong::Drops, "message 5 is lost: neither delivered nor in a gap"),
        (Wrong::DropsForAll, "message 5 is lost: neither delivered nor in a gap"),
        (Wrong::Doubles, "message 5 was delivered or told lost twice"),
        (Wrong::Swaps, "message 5 is out of order: it came after message 6"),
        (Wrong::Alters, "message 5 is altered: not as sent, or as others got it"),
        (Wrong::Echoes, "message 5 was delivered to its own publisher"),
        (Wrong::Miscounts, "\"gap#1#5#6\" is wrong: 2 messages of others have these numbers"),
        (Wrong::Renumbers, "number 6 was given to two messages, or one message has two"),
        (Wrong::Overcounts, "the coordinator's next number is 22, by its replies 21"),
        (Wrong::Closes, "the message socket was closed by the coordinator"),
        (Wrong::Babbles, "unexpected reply: \"FINE\""),
    ] {
        let outcome = against(wrong);
        let is_said = outcome.described.iter().any(|fault| fault.contains(expected));
        assert!(outcome.faults > 0 && is_said, "{wrong:?}: {:?}", outcome.described);
    }
}

#[test]
fn the_coordinator_keeps_its_promise_by_the_clock() {
    let pace = Pace::Rate(500.0);
    let plan =
        Plan { participants: 40, publishers: 4, pace, messages: Some(250), ..Plan::default() };
    let outcome = finds_nothing(&plan);
    assert_eq!(outcome.taken.deliveries, 250 * 39);
    assert!(outcome.costs.is_some_and(|costs| costs.cpu_ns_per_delivery > 0.0));
}

#[test]
fn the_coordinator_keeps_its_promise_as_fast_as_it_can() {
    for acks in [true, false] {
        let plan = Plan {
            participants: 20,
            publishers: 20,
            pace: Pace::Window(16),
            messages: Some(2_000),
            size: 1_000,
            acks,
            ..Plan::default()
        };
        assert_eq!(finds_nothing(&plan).taken.deliveries, 2_000 * 19);
    }
}

#[test]
fn the_coordinator_keeps_its_promise_while_members_come_and_go() {
    for (seed, ttl_s, acks) in [(1, 60, true), (2, 60, true), (3, 0, true), (4, 60, false)] {
        let plan = Plan {
            participants: 20,
            publishers: 20,
            pace: Pace::Rate(1_000.0),
            duration_s: Some(1.0),
            churn: 60.0,
            away_ms: 100,
            seed,
            ttl_s,
            acks,
            ..Plan::default()
        };
        let outcome = finds_nothing(&plan);
        let goings = outcome.goings;
        assert!(goings.left > 0 && goings.crashed > 0 && goings.moved > 0, "{goings:?}");
        assert_eq!(outcome.taken.gaps > 0, ttl_s == 0, "{:?}", outcome.taken);
    }
}

#[test]
fn real_participants_log_what_they_are_promised() {
    let plan = Plan {
        participants: 8,
        publishers: 3,
        pace: Pace::Rate(100.0),
        messages: Some(100),
        churn: 8.0,
        away_ms: 100,
        processes: true,
        ..Plan::default()
    };
    let outcome = finds_nothing(&plan);
    assert!(outcome.participants_cpu_ns_per_delivery.is_some_and(|cpu| cpu > 0.0));
    assert!(outcome.taken.deliveries >= 90 * 7, "{:?}", outcome.taken);
}

fn loadtest(arguments: &[&str]) -> Output {
    let mut loadtest = Command::new(env!("CARGO_BIN_EXE_bench"));
    loadtest.arg("load").args(arguments).arg("--programs").arg(programs()).output().unwrap()
}

#[test]
fn a_sweep_reports_for_people_for_programs_and_for_the_eye() {
    let directory = tempfile::tempdir().unwrap();
    let (json, svg) = (directory.path().join("r.json"), directory.path().join("r.svg"));
    let [json, svg] = [&json, &svg].map(|path| path.to_str().unwrap());
    let sweep = ["--participants", "3,6", "--messages", "50", "--rate", "200"];
    let output = loadtest(&[&sweep[..], &["--json", json, "--plot", svg]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(
        text.starts_with("3 lightweight members, 1 publishing, 100 B, 200 messages/s"),
        "{text}"
    );
    for expected in ["deliveries        250 of 50 messages", "verified          nothing lost"] {
        assert!(text.contains(expected), "{text}");
    }
    let steps: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    let deliveries = [0, 1].map(|step| steps[step]["taken"]["deliveries"].as_u64());
    assert_eq!(deliveries, [Some(100), Some(250)]);
    assert!(steps[1]["latency_us"]["p99_9"].as_f64().unwrap() > 0.0);
    assert_eq!(steps[0]["plan"]["pace"]["rate"].as_f64(), Some(200.0));
    well_formed(Path::new(svg));
    assert!(!Path::new(&format!("{json}.part")).exists());
}

#[test]
fn the_exit_code_says_what_became_of_it() {
    let address = faulty::coordinator(Wrong::Doubles).to_string();
    let run = ["--participants", "4", "--publishers", "2", "--messages", "20"];
    let output = loadtest(&[&["--coordinator", &address][..], &run].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("FAILED            1 faults"), "{text}");
    assert!(text.contains("message 5 was delivered or told lost twice"), "{text}");
    assert_eq!(loadtest(&["--participants", "none"]).status.code(), Some(2));
    assert_eq!(loadtest(&["--help"]).status.code(), Some(0));
}

/// Every element is closed where it was opened, and every quote.
#[track_caller]
fn well_formed(svg: &Path) {
    let svg = fs::read_to_string(svg).unwrap();
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
    assert!(svg.matches("<polyline").count() >= 4, "two steps in two plots");
}
