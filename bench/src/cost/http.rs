//! The HTTP server, scraped each second: CPU, and the times of deliveries meanwhile.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::tls::{id, p99_ms, register};
use super::{Report, Setup};
use crate::clients::{Clients, Pace, Until};
use crate::clock;
use crate::coordinator::Coordinator;
use crate::peers::groupcast::{Deliveries, Requests};
use crate::table::Samples;

const MEMBERS: usize = 1000;
/// Members that get the messages whose times are measured.
const RECEIVERS: usize = 100;
const TTL_S: u64 = 3600;
const TEXT_BYTES: usize = 100;
const SCRAPE: Duration = Duration::from_secs(1);
const WATCH: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_millis(20);
const MESSAGES: u64 = 250;

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    report.title("http", format_args!("{MEMBERS} online members, /metrics read each second"));
    let (address, port) = free_address()?;
    let options = ["--http", &port];
    let coordinator = setup.programs.coordinator(TTL_S, &options).run()?;
    let sockets = register(&coordinator)?;
    let idle = cpu_percent(&coordinator, None)?;
    let scraped = cpu_percent(&coordinator, Some(address))?;
    report.value("CPU with http and nobody who reads", format!("{idle:.2} %"));
    report.target("CPU of reading /metrics each second, of a core", scraped - idle, 0.5, "%");
    report.value("bytes of /metrics", scrape(address)?);
    drop(sockets);
    coordinator.server.stop()?;
    latencies(setup, report)
}

/// Times of deliveries without and with scrapes, in turns.
fn latencies(setup: &Setup, report: &mut Report) -> Result<()> {
    let (address, port) = free_address()?;
    let options = ["--http", &port];
    let coordinator = setup.programs.coordinator(TTL_S, &options).run()?;
    let mut clients = Clients::new(TEXT_BYTES)?;
    for (index, socket) in register(&coordinator)?.into_iter().enumerate() {
        match index {
            0 => {
                clients.keep(socket);
                let wire = Box::new(Requests::new(&id(0)));
                clients.add_publisher(coordinator.command()?.into_stream(), wire)?;
            }
            1..=RECEIVERS => {
                let wire = Box::new(Deliveries::new(TEXT_BYTES, false));
                clients.add_receiver(socket, wire, 1, 0..0)?;
            }
            _ => drop(socket), // Offline members have series, too.
        }
    }
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..setup.rounds {
        clients.run(Pace::Every(INTERVAL), Until::Messages(MESSAGES))?;
        alone.push(p99_ms(&clients.times));
        let scraper = Scraper::start(address);
        clients.run(Pace::Every(INTERVAL), Until::Messages(MESSAGES))?;
        beside.push(p99_ms(&clients.times));
        ensure!(scraper.stop()? > 0, "/metrics was not read");
    }
    clients.settle()?;
    let ratios = beside.iter().zip(&alone).map(|(beside, alone)| beside / alone).collect();
    let median = |values: Vec<f64>| Samples::new(values).quantile(0.5);
    report.value("p99 without reading", format!("{:.3} ms", median(alone)));
    report.value("p99 while /metrics is read", format!("{:.3} ms", median(beside)));
    report.target("the second p99 to the first, median of rounds", median(ratios), 1.1, "");
    coordinator.server.stop()
}

/// CPU of the coordinator in percent of a core.
fn cpu_percent(coordinator: &Coordinator, scraped: Option<SocketAddr>) -> Result<f64> {
    let scraper = scraped.map(Scraper::start);
    let before = coordinator.server.usage()?;
    clock::pause(WATCH);
    let after = coordinator.server.usage()?;
    if let Some(scraper) = scraper {
        ensure!(scraper.stop()? > 5, "/metrics was not read each second");
    }
    Ok(after.cpu_ns_since(&before) as f64 / WATCH.as_nanos() as f64 * 100.0)
}

/// An address of loopback that is free now, and its port.
fn free_address() -> Result<(SocketAddr, String)> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    Ok((address, address.port().to_string()))
}

/// Reads `/metrics` once, and returns the number of bytes.
fn scrape(address: SocketAddr) -> Result<usize> {
    let mut stream = TcpStream::connect(address).context("cannot connect for HTTP")?;
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "the answer is not 200");
    Ok(answer.len())
}

/// A thread that reads `/metrics` each second.
struct Scraper {
    /// Ends the thread when it is dropped.
    end: std::sync::mpsc::Sender<()>,
    scrapes: thread::JoinHandle<Result<usize>>,
}

impl Scraper {
    fn start(address: SocketAddr) -> Self {
        let (end, ended): (_, Receiver<()>) = channel();
        let scrapes = thread::spawn(move || {
            let mut scrapes = 0;
            let mut due = clock::now();
            loop {
                scrape(address)?;
                scrapes += 1;
                due += SCRAPE;
                let pause = due.saturating_duration_since(clock::now());
                if ended.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                    return Ok(scrapes);
                }
            }
        });
        Self { end, scrapes }
    }

    /// Returns the number of scrapes.
    fn stop(self) -> Result<usize> {
        drop(self.end);
        self.scrapes.join().ok().context("the thread of the scrapes panicked")?
    }
}
