//! Snapshots that a program of another build has written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use groupcast::journal::SNAPSHOT_VERSION;
use xxhash_rust::xxh3::xxh3_64;

use crate::group::{TTL_S, founded, run, start};
use crate::raw::{Raw, until_snapshot};

/// Changes the version of a piece of a snapshot.
fn of_version(mut piece: Vec<u8>, version: u8) -> Vec<u8> {
    piece.truncate(piece.len() - 8);
    assert_eq!(piece[2], SNAPSHOT_VERSION);
    piece[2] = version;
    let checksum = xxh3_64(&piece).to_le_bytes();
    piece.extend_from_slice(&checksum);
    piece
}

#[test]
fn a_start_behind_snapshots_of_another_build_names_their_version_and_what_to_do() {
    let Some(servers) = founded(1) else { return };
    let oslo = start(&servers, "oslo");
    oslo.join("ann", "acks=1").msend("before");
    let mut raw = Raw::connect(&servers.all[0]);
    let position = until_snapshot(&mut raw, 0);
    let entry = raw.api("MSG.GET", &format!("{{\"seq\":{position}}}"));
    let piece = STANDARD.decode(entry["message"]["data"].as_str().unwrap()).unwrap();
    oslo.terminate();
    assert_eq!(oslo.wait().code(), Some(0));
    let newer = SNAPSHOT_VERSION + 1;
    let cases = [
        (1, "Start it with the program that wrote the snapshot, or found a new group"),
        (newer, "Upgrade this site"),
    ];
    for (version, advice) in cases {
        raw.api("PURGE", "");
        assert!(raw.ask("groupcast.g.snap", of_version(piece.clone(), version))["seq"].is_u64());
        let said = format!(
            " is gone, and the snapshot behind it has version {version}: this program reads \
             version {SNAPSHOT_VERSION}. {advice}\n"
        );
        for first in [&[][..], &["--inspect"]] {
            let output = run(&servers, first, TTL_S, "cairo");
            assert_eq!(output.status.code(), Some(1), "{first:?}: {output:?}");
            let text = String::from_utf8(output.stderr).unwrap();
            assert!(text.ends_with(&said), "{first:?}: {text}");
        }
    }
}
