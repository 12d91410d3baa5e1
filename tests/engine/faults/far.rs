//! A site that is far from the engine, beside busy ones that are near.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use support::Timer;
use support::coordinator::Coordinator;

use crate::delay::LongWay;
use crate::group::{TTL_S, founded, msend, options, start};
use crate::raw::Raw;
use crate::servers::{LONG, Servers};

/// Least delay of the way, each way.
const DELAY: Duration = Duration::from_millis(60);
/// Entries that the near sites write while bytes of the far site are on the way once. Twice as many
/// come between the last entry that it had read and its batch.
const ENTRIES: u64 = 200;

/// Starts a site that reaches the engine by the long way.
fn start_far(servers: &Servers, way: &LongWay) -> Coordinator {
    let mut options = options(servers, "far");
    options[0] = format!("engine=nats://{}", way.address);
    Coordinator::start_site(TTL_S, &options.iter().map(String::as_str).collect::<Vec<_>>())
}

fn last_entry(raw: &mut Raw) -> u64 {
    raw.api("INFO", "")["state"]["last_seq"].as_u64().unwrap()
}

/// Returns the time in which this many entries are written.
#[track_caller]
fn time_of_entries(raw: &mut Raw, count: u64) -> Duration {
    let (first, timer) = (last_entry(raw), Timer::start(LONG));
    while last_entry(raw) < first + count {
        assert!(timer.left().is_some(), "nobody writes");
    }
    timer.elapsed()
}

/// Sets a flag when it ends, also in a panic.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_far_site_gets_its_messages_into_the_list_while_near_sites_write_hundreds_of_entries() {
    let Some(servers) = founded(1) else { return };
    let way = LongWay::to(([127, 0, 0, 1], servers.all[0].port()).into());
    let far = start_far(&servers, &way);
    let near = [start(&servers, "oslo"), start(&servers, "cairo")];
    let mut ann = far.join("ann", "acks=1");
    let join = |(id, site): (&str, usize)| near[site].join(id, "");
    let mut senders = [("bob", 0), ("eve", 0), ("joe", 1), ("zoe", 1)].map(join);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let ends_senders = SetAtEnd(&is_over);
        for sender in &mut senders {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    msend(sender, "one more");
                }
            });
        }
        let mut raw = Raw::connect(&servers.all[0]);
        way.delay(time_of_entries(&mut raw, ENTRIES).max(DELAY));
        let (mut sent, timer) = (0, Timer::start(LONG));
        while sent < 3 {
            let before = last_entry(&mut raw);
            msend(&mut ann, "from far");
            // A busy machine may have kept the near sites from writing.
            sent += u64::from(last_entry(&mut raw) - before > ENTRIES * 3 / 2);
            assert!(timer.left().is_some(), "the near sites write too slowly");
        }
        drop(ends_senders);
    });
}
