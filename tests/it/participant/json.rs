//! `--json`: each line is an object of the schema. `--time`: each message begins with its time.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::participant::{Home, Running, until};

const SCHEMA: &str = include_str!("../../../config/participant.schema.json");

/// Returns the type of an object that exactly one object of the schema describes.
#[track_caller]
fn valid_type(line: &str) -> String {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} {line}"));
    let fitting = schema["oneOf"].as_array().unwrap().iter().filter(|one| fits(&object, one));
    assert_eq!(fitting.count(), 1, "{line}");
    assert!(line.starts_with("{\"type\":\""), "the type comes first: {line}");
    object["type"].as_str().unwrap().to_owned()
}

/// Returns true if a value fits a schema. Knows only the words that the schema has.
fn fits(value: &Value, schema: &Value) -> bool {
    schema.as_object().unwrap().iter().all(|(word, expected)| match word.as_str() {
        "description" => true,
        "type" => match expected.as_str().unwrap() {
            "object" => value.is_object(),
            "string" => value.is_string(),
            "integer" => value.is_u64(),
            "boolean" => value.is_boolean(),
            other => panic!("type {other}"),
        },
        "const" => value == expected,
        "enum" => expected.as_array().unwrap().contains(value),
        "minimum" => value.as_u64() >= expected.as_u64(),
        "format" => humantime::parse_rfc3339(value.as_str().unwrap()).is_ok(),
        "required" => {
            expected.as_array().unwrap().iter().all(|name| !value[name.as_str().unwrap()].is_null())
        }
        "properties" => {
            value.as_object().unwrap().iter().all(|(name, value)| fits(value, &expected[name]))
        }
        "additionalProperties" => {
            let known = schema["properties"].as_object().unwrap();
            value.as_object().unwrap().keys().all(|name| known.contains_key(name))
        }
        other => panic!("{other} in the schema"),
    })
}

#[test]
fn every_line_fits_the_schema_and_every_type_occurs() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut command = home.command(&["--json", "-f", "-e", "register 0"]);
    let (mut read, write) = std::io::pipe().unwrap();
    command.stdout(Stdio::from(write));
    let mut alice = Running::start_as_is(command);
    let (mut commands, mut messages) = fake.join("register", "00000000000000aa");
    messages.say("1#bob#1000#quote \" backslash \\ tab \t end");
    messages.say("2#@#2000#carol registered");
    messages.say("gap#2#3#4");
    alice.write("ping\nmembers\nnonsense\nstatus\nmsend x\n");
    commands.expect("alice#ping#127.0.0.1");
    commands.say("OK ping");
    commands.expect("alice#members#127.0.0.1");
    commands.say("OK members 1");
    commands.say("OK online 127.0.0.1:9000 pending=0 acked=0");
    commands.expect("alice#msend x#127.0.0.1");
    commands.say("ERR 507 full");
    until("the gap is logged", || home.log().ends_with("# gap 2 3 4\n"));
    alice.signal(rustix::process::Signal::TERM);
    commands.expect("alice#disconnect#127.0.0.1");
    commands.say("OK disconnect");
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
    assert_eq!(alice.said, "", "nothing is on standard error");
    let mut seen = String::new();
    read.read_to_string(&mut seen).unwrap();
    assert!(seen.ends_with("}\n"), "each object ends its line: {seen}");
    let types: BTreeSet<String> = seen.lines().map(valid_type).collect();
    let all = ["epoch", "error", "gap", "message", "notice", "presence", "reply", "row"];
    assert!(types.iter().eq(all), "{types:?}\n{seen}");
    let expected = "{\"type\":\"message\",\"seq\":1,\"time\":\"1970-01-01T00:00:01.000Z\",\
                    \"sender\":\"bob\",\"text\":\"quote \\\" backslash \\\\ tab \\t end\"}\n";
    assert!(seen.contains(expected), "{seen}");
    for line in [
        r#""seq":2,"time":"1970-01-01T00:00:02.000Z","id":"carol","state":"registered"}"#,
        r#"{"type":"gap","count":2,"first":3,"last":4}"#,
        r#"{"type":"epoch","epoch":"00000000000000aa"}"#,
        r#"{"type":"reply","ok":true,"text":"OK ping"}"#,
        r#"{"type":"row","text":"OK online 127.0.0.1:9000 pending=0 acked=0"}"#,
    ] {
        assert!(seen.contains(line), "{line}\n{seen}");
    }
}

#[test]
fn the_report_of_stopped_lines_fits_the_schema() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command_as_is(&["--lines", "--json"]));
    alice.write("one\n");
    alice.expect("OK msend seq=1");
    alice.signal(rustix::process::Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    let types: Vec<String> = alice.said.lines().map(valid_type).collect();
    assert!(types.contains(&"lines".to_owned()), "{}", alice.said);
}

/// A script that has lost the reader of its output needs the line to go on from all the more.
#[test]
fn the_report_of_stopped_lines_is_on_standard_error_if_standard_output_is_closed() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    for is_stopped_by_a_signal in [true, false] {
        let mut command = home.command_as_is(&["--lines", "--json", "--join"]);
        let (read, write) = std::io::pipe().unwrap();
        command.stdout(Stdio::from(write));
        let mut alice = Running::start_as_is(command);
        alice.write("one\n");
        let mut seen = BufReader::new(read).lines().map(Result::unwrap);
        assert!(seen.any(|line| line.contains("OK msend seq=")), "{}", alice.said);
        drop(seen);
        match is_stopped_by_a_signal {
            true => alice.signal(Signal::TERM),
            false => alice.write("two\n"), // The reply to it meets the closed output.
        }
        let report = "{\"type\":\"lines\",\"read\":";
        alice.expect(report);
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
        let line = alice.said.lines().find(|line| line.starts_with(report)).unwrap();
        assert_eq!(valid_type(line), "lines");
    }
}

/// The line that the printer's own test expects.
#[test]
fn presence_fits_the_schema() {
    let line = "{\"type\":\"presence\",\"seq\":7,\"time\":\"1970-01-01T00:00:01.500Z\",\
                \"id\":\"bob\",\"state\":\"online\"}";
    assert_eq!(valid_type(line), "presence");
}

#[test]
fn a_message_begins_with_its_time() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command(&["--time", "-f", "-e", "register 0"]));
    alice.expect("OK register ");
    bob.msend("hello");
    alice.expect(" 1 bob: hello\n");
    let line = alice.said.lines().find(|line| line.ends_with(" 1 bob: hello")).unwrap();
    until("the message is logged", || home.log().ends_with("\thello\n"));
    let logged = home.log();
    let time = logged.lines().find_map(|line| line.strip_prefix("1\t")?.split('\t').next());
    assert_eq!(line.split(' ').next(), time, "as in the message log");
}
