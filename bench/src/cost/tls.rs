//! Memory of an idle TLS connection, the return of all members after a restart, and handshakes that
//! nobody completes.
//!
//! Latencies of members that are back are measured beside others that have no right to
//! `receive`: more receivers of each message would make it slower without any handshake.

use std::collections::VecDeque;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::thread::gettid;
use tempfile::TempDir;

use super::{Report, Setup};
use crate::clients::{Clients, Pace, Until};
use crate::clock;
use crate::command::CommandSocket;
use crate::coordinator::{Coordinator, Start};
use crate::cores::reset_when_closed;
use crate::peers::groupcast::{Deliveries, Requests};
use crate::process::Usage;
use crate::socket::Socket;
use crate::table::{Samples, megabytes, ratio};
use crate::tls::{Suite, Tls};

const MEMBERS: usize = 1000;
/// Members that are back before the others come. They may do everything, and the others may only
/// send. So each message goes to as many members while the others come as before.
const FIRST: usize = 100;
const ACCESS: &str = "first* anyone\nother* anyone send\n@operator address=127.0.0.0/8\n";
/// Handshakes under way at a time. The coordinator allows 256.
const WINDOW: usize = 100;
const TTL_S: u64 = 3600;
const TEXT_BYTES: usize = 100;
const INTERVAL: Duration = Duration::from_millis(20);
/// Messages before the others come, and when all are back.
const MESSAGES: u64 = 100;
/// Messages between two looks at the others.
const STEP: u64 = 2;
const SETTLE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);
/// Number of times that the others come back.
const ROUNDS: usize = 5;
/// Connections of clients that never complete a handshake, and those that are open at a time. The
/// coordinator lets 256 handshakes be under way.
const SILENT: usize = 5000;
const SILENT_OPEN: usize = 400;

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    report.title(
        "tls",
        format_args!(
            "{MEMBERS} online members with one socket each (`here`), without and with TLS; then \
             all come back to a coordinator that has started again with its journal"
        ),
    );
    let plain = memory_of_member(setup, report, None)?;
    let encrypted = memory_of_member(setup, report, Some(&Tls::new(Suite::Any)?))?;
    report.value("resident memory of a member without TLS", format!("{plain:.0} B"));
    report.target("memory of TLS for an idle socket", encrypted - plain, 4608.0, "B");
    all_return(setup, report)?;
    the_first_are_served(setup, report)?;
    silent_handshakes(setup, report)
}

/// Resident memory of an idle member that gets its messages on its own connection.
fn memory_of_member(setup: &Setup, report: &mut Report, tls: Option<&Tls>) -> Result<f64> {
    let start = Start::new(&setup.programs.coordinator, TTL_S, &[]);
    let coordinator = Start { tls, ..start }.run()?;
    let settled = || -> Result<Usage> {
        clock::pause(SETTLE);
        coordinator.server.usage()
    };
    let fresh = settled()?.rss_bytes;
    let _sockets = register(&coordinator)?;
    let full = settled()?.rss_bytes;
    let how = if tls.is_some() { "with" } else { "without" };
    report.value(&format!("resident memory, new, {how} TLS"), megabytes(fresh));
    coordinator.server.stop()?;
    Ok(ratio(full.saturating_sub(fresh), MEMBERS as u64))
}

/// All members come back at once. Nothing is published.
fn all_return(setup: &Setup, report: &mut Report) -> Result<()> {
    let restarted = Restarted::new(setup)?;
    let before = restarted.coordinator.server.usage()?;
    let sockets = come_back(restarted.coordinator.address, &restarted.tls, 0..MEMBERS)?;
    let after = restarted.coordinator.server.usage()?;
    let online = restarted.coordinator.command()?.stat("online")?;
    ensure!(online == MEMBERS as u64, "{online} of {MEMBERS} members are online");
    let cpu_s = after.cpu_ns_since(&before) as f64 / 1e9;
    report.target(&format!("CPU of the return of {MEMBERS} members"), cpu_s, 1.0, "s");
    drop(sockets);
    restarted.coordinator.server.stop()
}

/// Times of deliveries to the members that are back, while the others come.
fn the_first_are_served(setup: &Setup, report: &mut Report) -> Result<()> {
    let Restarted { coordinator, tls, _directory } = Restarted::new(setup)?;
    let mut clients = first_members(&coordinator, &tls)?;
    let alone = p99_alone_ms(&mut clients)?;
    let (mut times, mut others) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        drop(others); // They go, and come back.
        while coordinator.command()?.stat("online")? > FIRST as u64 {
            clock::pause(POLL);
        }
        let address = coordinator.address;
        others = beside(&mut clients, || come_back(address, &tls, FIRST..MEMBERS))?;
        times.append(&mut clients.times);
    }
    let beside = p99_ms(&times);
    let all = p99_alone_ms(&mut clients)?;
    clients.settle()?;
    report.value(&format!("p99 of the first {FIRST} members, alone"), format!("{alone:.3} ms"));
    report.value("p99 while the others come back", format!("{beside:.3} ms"));
    report.value("p99 when all are back", format!("{all:.3} ms"));
    report.target("the second p99 to the first", beside / alone, 2.0, "");
    drop((clients, others));
    coordinator.server.stop()
}

/// Times of deliveries beside connections that never complete a handshake.
fn silent_handshakes(setup: &Setup, report: &mut Report) -> Result<()> {
    let Restarted { coordinator, tls, _directory } = Restarted::new(setup)?;
    let mut clients = first_members(&coordinator, &tls)?;
    let alone = p99_alone_ms(&mut clients)?;
    let (mut times, address) = (Vec::new(), coordinator.address);
    for _ in 0..ROUNDS {
        beside(&mut clients, || be_silent(address))?;
        times.append(&mut clients.times);
    }
    let beside = p99_ms(&times);
    clients.settle()?;
    report.value(&format!("p99 beside {SILENT} silent handshakes"), format!("{beside:.3} ms"));
    report.value("deliveries meanwhile", times.len());
    report.target("this p99 to that without them", beside / alone, 2.0, "");
    drop(clients);
    coordinator.server.stop()
}

/// Opens connections, of which each second one sends one byte, and no other one sends anything.
fn be_silent(address: SocketAddr) -> Result<()> {
    let mut open = VecDeque::new();
    for number in 0..SILENT {
        let mut stream = TcpStream::connect(address).context("cannot connect")?;
        reset_when_closed(&stream)?;
        if number % 2 == 0 {
            // The coordinator may have closed it already.
            let _ = stream.write(&[0x16]);
        }
        open.push_back(stream);
        if open.len() > SILENT_OPEN {
            open.pop_front();
        }
    }
    Ok(())
}

/// Makes a publisher and receivers of the first members, which come back.
fn first_members(coordinator: &Coordinator, tls: &Tls) -> Result<Clients> {
    let mut clients = Clients::new(TEXT_BYTES)?;
    for (index, socket) in come_back(coordinator.address, tls, 0..FIRST)?.into_iter().enumerate() {
        if index == 0 {
            clients.keep(socket);
            let wire = Box::new(Requests::new(&id(0)));
            clients.add_publisher(coordinator.command()?.into_stream(), wire)?;
        } else {
            clients.add_receiver(socket, Box::new(Deliveries::new(TEXT_BYTES, false)), 1, 0..0)?;
        }
    }
    Ok(clients)
}

/// Sends messages, and returns the p99 of their deliveries.
fn p99_alone_ms(clients: &mut Clients) -> Result<f64> {
    clients.run(Pace::Every(INTERVAL), Until::Messages(MESSAGES))?;
    Ok(p99_ms(&std::mem::take(&mut clients.times)))
}

/// Sends messages while others work. The work does not take the core from the clients.
fn beside<T: Send>(clients: &mut Clients, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let is_over = AtomicBool::new(false);
    let mut times = Vec::new();
    let done = thread::scope(|scope| {
        let others = scope.spawn(|| {
            let done = run_when_idle().and_then(|()| work());
            is_over.store(true, Ordering::Relaxed);
            done
        });
        while !is_over.load(Ordering::Relaxed) {
            clients.run(Pace::Every(INTERVAL), Until::Messages(STEP))?;
            times.append(&mut clients.times);
        }
        others.join().ok().context("the thread of the others panicked")?
    })?;
    clients.times = times;
    Ok(done)
}

pub(super) fn p99_ms(times: &[Duration]) -> f64 {
    Samples::new(times.iter().map(|time| time.as_secs_f64() * 1e3).collect()).quantile(0.99)
}

/// A coordinator that has started again and knows its members, which are all offline.
struct Restarted {
    coordinator: Coordinator,
    tls: Tls,
    _directory: TempDir,
}

impl Restarted {
    fn new(setup: &Setup) -> Result<Self> {
        let (tls, directory) = (Tls::new(Suite::Any)?, TempDir::new()?);
        let journal = directory.path().join("journal");
        let access = directory.path().join("access");
        fs::write(&access, ACCESS).context("cannot write the access file")?;
        let not_utf8 = "a directory whose name is not UTF-8";
        let (journal, access) =
            (journal.to_str().context(not_utf8)?, access.to_str().context(not_utf8)?);
        let connections = ["--max-connections-per-address", "10000"];
        let options = [&["--data-dir", journal, "--access", access][..], &connections].concat();
        // The thread that writes the journal would wait for the loop on one core.
        let start =
            Start { cores: None, tls: Some(&tls), ..setup.programs.coordinator(TTL_S, &options) };
        let first = start.run()?;
        let sockets = register(&first)?;
        first.server.stop()?;
        drop(sockets);
        let coordinator = start.run()?;
        Ok(Self { coordinator, tls, _directory: directory })
    }
}

/// Registers all members, each with a socket of its own.
pub(super) fn register(coordinator: &Coordinator) -> Result<Vec<Socket>> {
    let member = |index| {
        let mut command = coordinator.command()?;
        command.register_here(&id(index), false)?;
        Ok(command.into_stream())
    };
    (0..MEMBERS).map(member).collect()
}

/// Lets this thread run only while its core has nothing else to do (`SCHED_IDLE`).
fn run_when_idle() -> Result<()> {
    let thread = gettid().as_raw_nonzero().to_string();
    let status = Command::new("chrt").args(["--idle", "--pid", "0", &thread]).status();
    ensure!(status.context("cannot run chrt")?.success(), "chrt has failed");
    Ok(())
}

/// Id of a member.
pub(super) fn id(index: usize) -> String {
    let who = if index < FIRST { "first" } else { "other" };
    format!("{who}{index}")
}

/// Members connect and reconnect, many at a time. Returns their message sockets.
fn come_back(address: SocketAddr, tls: &Tls, members: Range<usize>) -> Result<Vec<Socket>> {
    let (all, mut sockets): (Vec<usize>, _) = (members.collect(), Vec::new());
    for some in all.chunks(WINDOW) {
        let begun = some.iter().map(|_| CommandSocket::begin(address, tls));
        let mut commands = begun.collect::<Result<Vec<_>>>()?;
        let request = |index: &usize| format!("{}#reconnect here#-\n", id(*index));
        for (index, command) in some.iter().zip(&mut commands) {
            command.shake_hands()?;
            command.write(request(index).as_bytes())?;
        }
        for (index, mut command) in some.iter().zip(commands) {
            command.reply(&request(index))?;
            sockets.push(command.into_stream());
        }
    }
    Ok(sockets)
}
