//! An engine without room: requests are refused, and what was confirmed stays.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use support::Timer;
use support::http::{get, http_address};
use support::member::Member;

use crate::group::{eventually, founded, later, msend, start, start_with, stderr_of};
use crate::raw::Raw;
use crate::servers::{LONG, Servers, copy};

/// Longer than `engine_timeout` of the sites.
const UNDECIDED: Duration = Duration::from_secs(6);

/// Sends long texts until one is refused or stays undecided. Returns the number of the last one
/// that was accepted, and true if the next one is undecided.
#[track_caller]
fn fill(ann: &mut Member, bob: &mut Member) -> (u64, bool) {
    let timer = Timer::start(LONG);
    for seq in 1.. {
        let text = long_text(seq);
        let request = ann.request(&format!("msend {text}"));
        ann.command.say(&request);
        match ann.command.line_within(Timer::start(UNDECIDED)) {
            Ok(reply) if reply.starts_with("ERR 506") => return (seq - 1, false),
            Ok(reply) => assert_eq!(reply, format!("OK msend seq={seq}")),
            Err(_) => return (seq - 1, true),
        }
        bob.socket().delivery(seq, "ann", &text);
        assert!(timer.left().is_some(), "{seq} messages have room");
    }
    unreachable!()
}

fn long_text(seq: u64) -> String {
    format!("{seq} {}", "x".repeat(60_000))
}

#[test]
fn a_full_list_refuses_and_goes_on_when_it_may_be_longer() {
    let Some(servers) = founded(1) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    let mut raw = Raw::connect(&servers.all[0]);
    let config = raw.api("INFO", "")["config"].clone();
    let mut small = config.clone();
    small["max_bytes"] = (1 << 20).into();
    raw.api("UPDATE", &small.to_string());
    let (last, is_undecided) = fill(&mut ann, &mut bob);
    assert!(!is_undecided, "the engine says that it is full");
    assert!((10..20).contains(&last), "{last}");
    raw.api("UPDATE", &config.to_string());
    assert_eq!(msend(&mut ann, "after"), last + 1, "nothing that was refused stands between");
    bob.socket().delivery(last + 1, "ann", "after");
}

/// A file system of a few MB in memory, over a directory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it over the store of the first server, which is started again with what it had.
    /// `None` without the right to do so, which is said.
    fn below_first(servers: &mut Servers) -> Option<Self> {
        servers.all[0].kill();
        let kept = servers.keep(0);
        let store = servers.all[0].store();
        let disk = Self::mount(&store)?;
        copy(&kept.join("."), &store);
        servers.all[0].restart();
        Some(disk)
    }

    fn mount(over: &Path) -> Option<Self> {
        if let Err(why) = mount(over, "size=24m") {
            let test = thread::current().name().unwrap_or_default().to_owned();
            let _ = writeln!(io::stderr(), "SKIPPED {test}: no small disk: {why}");
            return None;
        }
        Some(Self(over.to_owned()))
    }

    fn grow(&self) {
        mount(&self.0, "remount,size=256m").unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

fn mount(over: &Path, options: &str) -> Result<(), String> {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(over);
    let output = command.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn a_full_disk_of_the_engine_refuses_and_what_was_confirmed_stays() {
    let Some(mut servers) = founded(1) else { return };
    let Some(disk) = SmallDisk::below_first(&mut servers) else { return };
    let (oslo, cairo) = (start_with(&servers, "oslo", &["http=0"]), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    let epoch = bob.epoch().to_owned();
    let (mut last, is_undecided) = fill(&mut ann, &mut bob);
    assert!(is_undecided, "the engine does not say that its disk is full");
    cairo.client().refused("bob#msend too late#127.0.0.1", 506, "");
    assert_eq!(
        get(http_address(&oslo), "/readyz").body,
        "the engine does not answer: texts get ERR 506\n"
    );
    let hint = "a server whose disk was full must be started again";
    assert!(stderr_of(&oslo).contains(hint), "{}", stderr_of(&oslo));
    // Room alone does not help: the server takes nothing until it is started again.
    disk.grow();
    cairo.client().refused("bob#msend too early#127.0.0.1", 506, "");
    servers.all[0].end(Signal::TERM);
    servers.all[0].restart();
    let undecided = later(&mut ann);
    if undecided.starts_with("OK msend seq=") {
        last += 1;
        bob.socket().delivery(last, "ann", &long_text(last));
    } else {
        assert!(undecided.starts_with("ERR 506"), "{undecided}");
    }
    let next = msend(&mut ann, "after");
    assert_eq!(next, last + 1, "nothing that was refused stands between");
    bob.socket().delivery(next, "ann", "after");
    // A start reads all of it.
    cairo.terminate();
    assert_eq!(cairo.wait().code(), Some(0));
    let cairo = cairo.start_again();
    let mut back = Member::come_back(&cairo, "bob", &format!("acks=1 since={epoch}:0"));
    for seq in 1..=last {
        back.socket().delivery(seq, "ann", &long_text(seq));
    }
    back.socket().delivery(next, "ann", "after");
    drop(servers);
    drop(disk);
}

/// Returns true if a server has all entries, as the leader sees it. Another server is asked.
fn is_current(servers: &Servers, name: &str) -> bool {
    let other = servers.all.iter().find(|server| server.name != name).unwrap();
    let answer = Raw::connect(other).ask("$JS.API.STREAM.INFO.GC_g", "");
    let is_it = |replica: &&Value| replica["name"] == name;
    let replicas = answer["cluster"]["replicas"].as_array();
    let found = replicas.and_then(|replicas| replicas.iter().find(is_it));
    found.map_or(answer["cluster"]["leader"] == name, |replica| replica["current"] == true)
}

#[test]
fn a_full_disk_of_one_server_of_three_refuses_nothing_and_a_restart_brings_the_server_back() {
    let Some(mut servers) = founded(3) else { return };
    let victim = servers.all[0].name.clone();
    let Some(disk) = SmallDisk::below_first(&mut servers) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    eventually("it takes part", || is_current(&servers, &victim));
    let (timer, mut last) = (Timer::start(LONG), 0);
    let mut talk = |last: &mut u64| {
        let text = long_text(*last + 1);
        *last = msend(&mut ann, &text);
        bob.socket().delivery(*last, "ann", &text);
    };
    let bytes_max = 24 << 20;
    while last * 60_000 < bytes_max || is_current(&servers, &victim) {
        talk(&mut last);
        assert!(timer.left().is_some(), "{last} messages have room");
    }
    disk.grow();
    servers.all[0].end(Signal::TERM);
    servers.all[0].restart();
    eventually("it has all entries again", || is_current(&servers, &victim));
    // It counts: with another one fewer, there is still a majority.
    servers.all[1].kill();
    talk(&mut last);
    drop(servers);
    drop(disk);
}
