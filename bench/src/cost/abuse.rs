//! Cost of clients that break the rules, for the coordinator and for the other clients.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Error, Result};

use super::{Report, Setup};
use crate::clients::{Pace, Until};
use crate::clock;
use crate::command::ConnectBack;
use crate::coordinator::{Coordinator, Start};
use crate::peers::{Plan, groupcast};
use crate::socket::Socket;
use crate::table::{Samples, megabytes, ratio};

const FILES: u32 = 40;
const SOCKETS: usize = 80;
/// More than the backlog, which stays full because one member never reads.
const UNREAD: u64 = 400_000;
const BACKLOG: [&str; 4] = ["--max-backlog", "32m", "--overflow", "drop-oldest"];
/// Two members that send each other a message in turn.
const PAIR: Plan = Plan { publishers: 2, receivers: 2, text_bytes: 100, are_same: true };
const INTERVAL: Duration = Duration::from_millis(10);
const MESSAGES: u64 = 500;
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    report.title(
        "abuse",
        format_args!(
            "{UNREAD} messages for a member that never reads, a client that reads no reply, \
             {SOCKETS} sockets where {FILES} files are allowed, a backlog of 32 MiB that drops the \
             oldest; two other members send {MESSAGES} messages, one each {} ms",
            INTERVAL.as_millis()
        ),
    );
    let start = Start::new(&setup.programs.coordinator, 60, &BACKLOG);
    let coordinator = Start { files_max: Some(FILES), ..start }.run()?;
    let listener = ConnectBack::listen()?;
    let _unread_member = member_that_never_reads(&coordinator, &listener)?;
    let mut pair = groupcast::connect(&coordinator, PAIR, false)?;
    let (_unread_client, requested) = client_that_never_reads(&coordinator)?;
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        let connected = TcpStream::connect(coordinator.address);
        sockets.push(connected.context("cannot connect one of many sockets")?);
    }
    clock::pause(PATIENCE);

    let before = coordinator.server.usage()?;
    let run = pair.run(Pace::Every(INTERVAL), Until::Messages(MESSAGES))?;
    let after = coordinator.server.usage()?;
    let times_ms = Samples::new(pair.times.iter().map(|it| it.as_secs_f64() * 1e3).collect());
    pair.settle()?;

    report.value("requests without reading", megabytes(requested));
    report.target("peak of resident memory", after.rss_bytes_max as f64 / 1e6, 60.0, "MB");
    let share = ratio(after.cpu_ns_since(&before), run.elapsed.as_nanos() as u64);
    report.target("CPU of a core", share * 100.0, 5.0, "%");
    let [median, p99, most] = [0.5, 0.99, 1.0].map(|share| times_ms.quantile(share));
    report.target("msend to delivery, median", median, 20.0, "ms");
    report.value("msend to delivery, p99", format!("{p99:.3} ms"));
    report.value("msend to delivery, greatest", format!("{most:.3} ms"));
    drop(sockets);
    // Messages for clients that never read cannot be sent, so the coordinator is killed.
    drop(coordinator);
    Ok(())
}

/// Returns the message socket of a member with more messages than its socket and the backlog hold.
fn member_that_never_reads(coordinator: &Coordinator, listener: &ConnectBack) -> Result<Socket> {
    let messages = listener.register(&mut coordinator.command()?, "unread", false)?;
    drop(groupcast::publish(coordinator, 100, UNREAD, 1_000)?);
    // The pair registers the same identifier.
    coordinator.command()?.request("publisher0", "deregister")?;
    Ok(messages)
}

/// Sends requests until the coordinator stops reading. Returns the socket and the bytes sent.
fn client_that_never_reads(coordinator: &Coordinator) -> Result<(Socket, u64)> {
    let mut client = coordinator.command()?.into_stream();
    client.tcp().set_write_timeout(Some(PATIENCE)).context("cannot set a timeout")?;
    let requests = "unread#members#127.0.0.1\n".repeat(1000);
    let mut bytes = 0;
    loop {
        match client.write(requests.as_bytes()) {
            Ok(written) => bytes += written as u64,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok((client, bytes));
            }
            Err(error) => {
                return Err(Error::new(error).context("a client that reads no reply"));
            }
        }
    }
}
