//! What those who do not play by the rules cost the coordinator, and those who do.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::Setup;
use crate::clock;
use crate::command::Door;
use crate::coordinator::{Coordinator, Start};
use crate::exchange::{Pair, Talk};
use crate::failure::{Failure, Result};
use crate::flood::{Flood, Load};
use crate::publisher::Dialect;
use crate::report::{Report, megabytes, ratio};

const FILES: u32 = 40;
const SOCKETS: usize = 80;
/// More than the backlog, so that it stands at its bound for the member that never reads.
const UNREAD: Load = Load { messages: 400_000, text_bytes: 100, in_flight: 1_000 };
const BACKLOG: [&str; 4] = ["--max-backlog", "32m", "--overflow", "drop-oldest"];
const TALK: Talk = Talk { rate: 100, text_bytes: 100, duration: Duration::from_secs(5) };
const PATIENCE: Duration = Duration::from_millis(500);
const RSS_BYTES_MAX: u64 = 60_000_000;
const CPU_SHARE_MAX: f64 = 0.05;
const ROUND_TRIP_MS_MAX: f64 = 20.0;

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    report.title(
        "abuse",
        format_args!(
            "{} messages unread by one member, a client that reads no reply, {SOCKETS} sockets at \
             {FILES} files, a backlog of 32 MiB that drops the oldest; meanwhile two members \
             exchange {} messages a second for {} s",
            UNREAD.messages,
            TALK.rate,
            TALK.duration.as_secs()
        ),
    );
    let start = Start::new(&setup.coordinator, 60, &BACKLOG);
    let coordinator = Start { files_max: Some(FILES), ..start }.run()?;
    let door = Door::open()?;
    let _deaf_member = member_that_never_reads(&coordinator, &door)?;
    let pair = Pair::register(&coordinator, &door)?;
    let (_deaf_client, requested) = client_that_never_reads(&coordinator)?;
    let mut crowd = Vec::new();
    for _ in 0..SOCKETS {
        let connected = TcpStream::connect(coordinator.address);
        crowd.push(connected.map_err(Failure::system("cannot join the crowd"))?);
    }
    clock::pause(PATIENCE);

    let before = coordinator.server.usage()?;
    let begin = clock::now();
    let times_ms = pair.talk(TALK)?;
    let elapsed = clock::now().duration_since(begin);
    let after = coordinator.server.usage()?;

    report.value("requests without reading", megabytes(requested));
    let rss = after.rss_bytes_max;
    report.figure("RSS at its peak", megabytes(rss), "at most 60 MB", rss <= RSS_BYTES_MAX);
    let share = ratio(after.cpu_ns_since(&before), elapsed.as_nanos() as u64);
    let value = format!("{:.2} %", share * 100.0);
    report.figure("CPU of a core", value, "at most 5 %", share <= CPU_SHARE_MAX);
    let median = times_ms.quantile(0.5);
    let value = format!("{median:.3} ms");
    report.figure("msend to delivery, median", value, "below 20 ms", median < ROUND_TRIP_MS_MAX);
    report.value("msend to delivery, p99", format!("{:.3} ms", times_ms.quantile(0.99)));
    report.value("msend to delivery, most", format!("{:.3} ms", times_ms.quantile(1.0)));
    drop(crowd);
    // What is due to those who never read cannot leave: ending well would take giving up on it.
    drop(coordinator);
    Ok(())
}

/// A member that was sent more than its socket and the backlog hold.
fn member_that_never_reads(coordinator: &Coordinator, door: &Door) -> Result<TcpStream> {
    let mut command = coordinator.command()?;
    let messages = door.register(&mut command, "deaf", false)?;
    let _own = door.register(&mut command, "loud", false)?;
    let dialect = Dialect::groupcast("loud");
    let mut flood = Flood::new(UNREAD, command.into_stream(), dialect, Vec::new(), false)?;
    flood.run()?;
    flood.finish()?;
    Ok(messages)
}

/// A client that asks until nothing more is taken from it; how many bytes that were.
fn client_that_never_reads(coordinator: &Coordinator) -> Result<(TcpStream, u64)> {
    let mut client = coordinator.command()?.into_stream();
    let set = client.set_write_timeout(Some(PATIENCE));
    set.map_err(Failure::system("cannot set a time-out"))?;
    let requests = "deaf#members#127.0.0.1\n".repeat(1000);
    let mut bytes = 0;
    loop {
        match client.write(requests.as_bytes()) {
            Ok(written) => bytes += written as u64,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok((client, bytes));
            }
            Err(error) => return Err(Failure::System("the deaf client".to_owned(), error)),
        }
    }
}
