//! Steps of tests: a founded group, its sites, and members that wait for the engine.

use std::fs;
use std::net::IpAddr;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use support::coordinator::Coordinator;
use support::member::Member;
use support::transcript::lock;
use support::wire::Client;
use support::{Timer, number, program};

use crate::servers::{LONG, Servers};

/// Time to live of a message: longer than any test.
pub(crate) const TTL_S: u64 = 600;

/// Options of a site of the group `g`.
pub(crate) fn options(servers: &Servers, site: &str) -> Vec<String> {
    let urls: Vec<String> = servers.all.iter().map(|server| server.url()).collect();
    vec![
        format!("engine={}", urls.join(",")),
        "group=g".to_owned(),
        format!("site={site}"),
        format!("engine_replicas={}", servers.all.len()),
        "engine_timeout=2".to_owned(),
        "engine_bytes=256m".to_owned(),
        "bind=127.0.0.1".to_owned(),
        "allow_foreign_ip=yes".to_owned(),
    ]
}

/// Starts a site.
pub(crate) fn start(servers: &Servers, site: &str) -> Coordinator {
    start_with(servers, site, &[])
}

/// Starts a site with further options.
pub(crate) fn start_with(servers: &Servers, site: &str, more: &[&str]) -> Coordinator {
    let mut options = options(servers, site);
    options.extend(more.iter().map(|it| (*it).to_owned()));
    Coordinator::start_site(TTL_S, &options.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Runs the program with a config file, to its end.
pub(crate) fn run(servers: &Servers, first: &[&str], ttl_s: u64, site: &str) -> Output {
    run_with(servers, first, ttl_s, site, &[])
}

/// Runs the program with a config file that has further lines, to its end.
pub(crate) fn run_with(
    servers: &Servers,
    first: &[&str],
    ttl_s: u64,
    site: &str,
    more: &[&str],
) -> Output {
    let path = servers.directory.path().join(format!("{site}.txt"));
    let (lines, more) = (options(servers, site).join("\n"), more.join("\n"));
    fs::write(&path, format!("0\n{ttl_s}\n{lines}\n{more}\n")).unwrap();
    Command::new(program("site")).args(first).arg(&path).output().unwrap()
}

/// Founds the group, once for all sites.
pub(crate) fn found(servers: &Servers) {
    found_with(servers, &[]);
}

/// Founds the group with further options.
pub(crate) fn found_with(servers: &Servers, more: &[&str]) {
    let output = run_with(servers, &["--found"], TTL_S, "founder", more);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"group g is founded: start its sites\n");
}

/// Servers with a founded group; `None` without the program.
pub(crate) fn founded(count: usize) -> Option<Servers> {
    let servers = Servers::start(count, "")?;
    found(&servers);
    Some(servers)
}

/// A server on this address, with a founded group.
pub(crate) fn founded_at(ip: IpAddr) -> Option<Servers> {
    let servers = Servers::start_at(ip)?;
    found(&servers);
    Some(servers)
}

/// Waits until something holds, for longer than an election of the engine takes.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let timer = Timer::start(LONG);
    while !holds() {
        assert!(timer.left().is_some(), "in vain waited for: {what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// Returns all that a site has said on standard error.
pub(crate) fn stderr_of(site: &Coordinator) -> String {
    String::from_utf8(lock(&site.transcript.stderr).clone()).unwrap()
}

/// Sends a message again until it is accepted: an engine without a leader refuses for a while.
#[track_caller]
pub(crate) fn msend(member: &mut Member, text: &str) -> u64 {
    let timer = Timer::start(LONG);
    while timer.left().is_some() {
        let (id, ip) = (member.id.clone(), member.ip.clone());
        member.command.say(&format!("{id}#msend {text}#{ip}"));
        let reply = later(member);
        if reply.starts_with("OK msend ") {
            return number(&reply, "seq");
        }
        assert!(reply.starts_with("ERR 506"), "{reply}");
    }
    panic!("{text} is never accepted")
}

/// Sends a text of ann that stays undecided as long as the engine does not answer, and waits until
/// others are refused.
#[track_caller]
pub(crate) fn send_undecided(ann: &mut Member, other: &mut Client) {
    ann.command.say("ann#msend undecided#127.0.0.1");
    // Its batch is sent before a batch of what follows.
    other.check("ann#ping#127.0.0.1", "OK ping");
    let timer = Timer::start(LONG);
    loop {
        let reply = other.ask("ann#msend x#127.0.0.1");
        assert!(timer.left().is_some(), "never refused: {reply}");
        if reply.starts_with("ERR 506") {
            return;
        }
    }
}

/// Returns the next reply. It may wait for an election of the engine.
#[track_caller]
pub(crate) fn later(member: &mut Member) -> String {
    let reply = member.command.line_within(Timer::start(LONG));
    reply.unwrap_or_else(|missing| member.command.fail(&format!("no reply: {missing:?}")))
}
