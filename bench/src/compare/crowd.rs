//! Cost of a member in a group of 1000 and of 9000: to register, and to come back with all others.
//!
//! ```text
//!   register one after the other ─► all sockets are reset ─► messages ─► all reconnect at once
//!   └──────── REGISTERING ──────┘                                       └──── RETURNING ─────┘
//! ```
//!
//! The members are spread over several loopback addresses, each with a listener of its own: one
//! accept queue does not hold 9000 connections. One thread drives all of them.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, Result, ensure};

use crate::cases::TOTAL;
use crate::clients::Clients;
use crate::clock;
use crate::command::{CommandSocket, ConnectBack, DEADLINE};
use crate::coordinator::Coordinator;
use crate::cores::{file_limit, lengthen_accept_queue, reset_when_closed};
use crate::peers::Programs;
use crate::peers::groupcast::{self, Deliveries};
use crate::table::{Row, Table, Values, count};

pub(super) const NAME: &str = "crowd";
pub(super) const REGISTERING: &str = "CPU to register a member, µs";
pub(super) const RETURNING: &str = "CPU of a member's return, µs";
const SIZES: [usize; 2] = [1000, 9000];
/// A quick run has the members divided by this number.
const QUICK_DIVISOR: usize = 10;
const ROUNDS: usize = 5;
/// The members have 127.0.0.1, 127.0.0.2 and so on in turns.
const ADDRESSES: u8 = 9;
const TEXT_BYTES: usize = 100;
/// Messages that each member missed. Few, so that the return costs more than the deliveries.
const MESSAGES: u64 = 10;
const TTL_S: u64 = 3600;
/// Files of each process beside the sockets of the members.
const OTHER_FILES: u64 = 64;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// Measures groups of both sizes in turns. Each process needs two files for a member.
pub(super) fn measure(programs: &Programs, rounds: Option<usize>, is_quick: bool) -> Table {
    let sizes = SIZES.map(|size| if is_quick { size / QUICK_DIVISOR } else { size });
    let rounds = rounds.unwrap_or(if is_quick { 1 } else { ROUNDS });
    let row = |size: usize| {
        let name = count(size, "member");
        let needed = size as u64 * 2 + OTHER_FILES;
        match file_limit() {
            Some(limit) if limit < needed => {
                let reason = format!("needs {needed} open files, the limit is {limit} (ulimit -n)");
                Row::not_measured(&name, reason)
            }
            Some(_) | None => Row::new(&name),
        }
    };
    let about = format!(
        "Members at {ADDRESSES} loopback addresses register one after the other, each with two \
         sockets. All sockets are reset, and {MESSAGES} messages of {TEXT_BYTES} B are published. \
         Then all members connect, reconnect at once and get the messages. CPU of the coordinator \
         for a member; {}.",
        count(rounds, "round")
    );
    let rows = sizes.map(row).into();
    let mut table = Table { title: NAME.to_owned(), about, rows };
    table.measure(rounds, &mut |index| round(programs, sizes.get(index).copied().unwrap_or(0)));
    table
}

fn round(programs: &Programs, members: usize) -> Result<Values> {
    let coordinator = programs.coordinator(TTL_S, &[]).run()?;
    let listeners = (1..=ADDRESSES).map(Listener::open).collect::<Result<Vec<_>>>()?;
    let listener_of = |member: usize| listeners.get(member % listeners.len());
    let begin = coordinator.server.usage()?;
    let mut sockets = Vec::new();
    for member in 0..members {
        let Some(listener) = listener_of(member) else { continue };
        let mut command = CommandSocket::connect_from(listener.ip, coordinator.address)?;
        let messages = listener.back.register(&mut command, &format!("member{member}"), false)?;
        reset_when_closed(&messages).context("cannot prepare a member")?;
        let command = command.into_stream();
        reset_when_closed(&command).context("cannot prepare a member")?;
        sockets.push((command, messages));
    }
    let registered = coordinator.server.usage()?;
    let registering = registered.cpu_ns_since(&begin) as f64 / members as f64;
    drop(sockets);
    wait_until_offline(&coordinator)?;
    let publisher = groupcast::publish(&coordinator, TEXT_BYTES, MESSAGES, MESSAGES)?;

    let before = coordinator.server.usage()?;
    let mut commands = Vec::new();
    for member in 0..members {
        let Some(listener) = listener_of(member) else { continue };
        let command = CommandSocket::connect_from(listener.ip, coordinator.address)?;
        let (ip, port) = (listener.ip, listener.back.port);
        let request = format!("member{member}#reconnect {port}#{ip}\n");
        commands.push((command, request));
    }
    let mut clients = Clients::new(TEXT_BYTES)?;
    for Listener { back, .. } in listeners {
        let wire =
            || -> Box<dyn crate::wire::Wire> { Box::new(Deliveries::new(TEXT_BYTES, false)) };
        clients.accept_from(back.listener, Box::new(wire))?;
    }
    let begin = clock::now();
    for (command, request) in &mut commands {
        command.write(request.as_bytes())?;
    }
    clients.receive(members, MESSAGES)?;
    let total = clock::now().duration_since(begin);
    for (command, request) in &mut commands {
        let reply = command.line()?;
        let is_right = reply.contains(&format!(" missed={MESSAGES} expired=0"));
        ensure!(is_right, "{}: {reply}", request.trim_end());
    }
    let after = coordinator.server.usage()?;
    let returning = after.cpu_ns_since(&before) as f64 / members as f64;
    for (command, _) in commands {
        reset_when_closed(&command.into_stream()).context("cannot close a command socket")?;
    }
    drop((clients, publisher));
    coordinator.server.stop()?;
    let total_ms = total.as_secs_f64() * 1e3;
    Ok(vec![(REGISTERING, registering / 1e3), (RETURNING, returning / 1e3), (TOTAL, total_ms)])
}

struct Listener {
    ip: IpAddr,
    back: ConnectBack,
}

impl Listener {
    /// Listens on 127.0.0.`last`.
    fn open(last: u8) -> Result<Self> {
        let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        let back = ConnectBack::listen_on(ip)?;
        lengthen_accept_queue(&back.listener).context("cannot listen")?;
        Ok(Self { ip, back })
    }
}

/// Waits until the coordinator knows that all sockets of members are closed.
fn wait_until_offline(coordinator: &Coordinator) -> Result<()> {
    let (mut command, begin) = (coordinator.command()?, clock::now());
    while command.stat("online")? > 0 {
        let waited = clock::now().duration_since(begin);
        ensure!(waited < DEADLINE, "members are online without a socket");
        clock::pause(PAUSE);
    }
    Ok(())
}
