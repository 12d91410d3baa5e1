//! The founding of a group by `site --found`.

use groupcast::net::engine::{Engine, NewStream};

use crate::group::{TTL_S, run, start};
use crate::raw::Raw;
use crate::servers::Servers;

/// The stream of a site with the options of the tests.
fn stream() -> NewStream {
    NewStream { replicas: 1, bytes_max: 256 << 20 }
}

/// Returns whether `--found` succeeds, and what it prints.
fn found(servers: &Servers) -> (bool, String) {
    let output = run(servers, &["--found"], TTL_S, "founder");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn a_founding_that_was_interrupted_before_the_first_entry_is_finished_by_the_next_one() {
    let Some(servers) = Servers::start(1, "") else { return };
    Engine::found(&servers.options(), stream()).unwrap(); // The stream is empty.
    let (is_founded, text) = found(&servers);
    assert!(is_founded && text.contains("group g is founded: start its sites"), "{text}");
    let oslo = start(&servers, "oslo");
    assert_eq!(oslo.join("ann", "acks=1").msend("one"), 1);
    let (is_founded, text) = found(&servers);
    assert!(
        !is_founded && text.contains("stream GC_g exists: start a site without --found"),
        "{text}"
    );
}

#[test]
fn an_empty_stream_with_other_settings_is_not_founded() {
    let Some(servers) = Servers::start(1, "") else { return };
    let bytes_max = stream().bytes_max / 2;
    Engine::found(&servers.options(), NewStream { bytes_max, ..stream() }).unwrap();
    let (is_founded, text) = found(&servers);
    let expected = "the empty stream GC_g has engine_replicas=1 and engine_bytes=134217728";
    assert!(!is_founded && text.contains(expected), "{text}");
}

#[test]
fn a_stream_into_which_a_stranger_wrote_first_is_not_founded() {
    let Some(servers) = Servers::start(1, "") else { return };
    Engine::found(&servers.options(), stream()).unwrap();
    Raw::connect(&servers.all[0]).ask("groupcast.g.log", "a stranger");
    let (is_founded, text) = found(&servers);
    assert!(
        !is_founded && text.contains("stream GC_g exists: start a site without --found"),
        "{text}"
    );
}
