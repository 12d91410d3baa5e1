//! Figures, with an optimized build: `tests/README.md` has the command.

use std::time::Duration;

use groupcast::net::engine::{Engine, EngineReport};
use support::Timer;

use crate::client::Client;
use crate::servers::{LONG, Servers};

/// Records of a batch, and bytes of a record.
const RECORDS: usize = 256;
const RECORD_BYTES: usize = 100;

/// Publishes batches one at a time, and prints how long each took until it was read back.
fn measure(servers: &Servers, name: &str) {
    let options = servers.options();
    Engine::found(&options, servers.new_stream()).unwrap();
    let mut client = Client::open(&options);
    client.read_from(1);
    client.caught_up();
    let batch = vec![b'x'; RECORDS * RECORD_BYTES];
    let mut times: Vec<Duration> = Vec::new();
    let whole = Timer::start(LONG);
    while times.len() < 3_000 {
        let one = Timer::start(LONG);
        client.publish(&batch);
        client.until(|report| matches!(report, EngineReport::Entry(_)).then_some(()));
        times.push(one.elapsed());
        client.reports.clear();
    }
    let seconds = whole.elapsed().as_secs_f64();
    times.sort();
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1000.0;
    let rate = times.len() as f64 * RECORDS as f64 / seconds;
    println!("{name}: p50 {:.2} ms, p99 {:.2} ms, {rate:.0} records/s", at(0.5), at(0.99));
}

#[test]
#[ignore = "figures, not a check"]
fn figures() {
    for count in [1, 3] {
        let Some(servers) = Servers::start(count, "") else { return };
        measure(&servers, &format!("{count}, default sync"));
        drop(servers);
        let Some(servers) = Servers::start_syncing(count) else { return };
        measure(&servers, &format!("{count}, sync always"));
    }
}
