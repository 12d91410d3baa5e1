//! Limits that all sites of a group must share: they change only with a version in the list.
//!
//! A batch has a version, and a snapshot has one. A site with another limit would come to another
//! state from the same entries, and would not notice. So a changed limit needs a new version: the
//! older sites then end, or do not use the snapshot.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::code::words_of;
use crate::{read, sources};

/// Values in force with one pair of versions, by the names of the limits.
type Values = &'static [(&'static str, &'static str)];

/// Versions of batches and of snapshots, with the values that belong to them as the sources write
/// them. A row stays as it is: for another value raise `BATCH_VERSION` or `SNAPSHOT_VERSION`, and
/// add a row.
const VERSIONS: &[(u8, u8, Values)] = &[(
    1,
    2,
    &[
        ("CHAIN_VALUES_MAX", "4096"),
        ("HORIZON_ENTRIES", "64"),
        ("HORIZON_SLACK_MESSAGES", "KEEP_HIGHEST as u64"),
        ("HORIZON_SLACK_MS", "60_000"),
        ("ID_BYTES_MAX", "64"),
        ("KEEP_HIGHEST", "100_000"),
        ("LIST_CLOCK_AHEAD_MS", "30_000"),
        ("SITES_MAX", "64"),
        ("SITE_DEAD_MS", "15_000"),
        ("SITE_FORGOTTEN_MS", "86_400_000"),
        ("SNAPSHOT_MARKS_MAX", "64"),
        ("SNAPSHOT_PIECES_MAX", "4096"),
    ],
)];

/// Files that decide what the list says, alike at all sites.
const DECIDING: [&str; 10] = [
    "applying.rs",
    "batch.rs",
    "chain.rs",
    "entry.rs",
    "homes.rs",
    "names.rs",
    "record.rs",
    "replaced_site.rs",
    "snapshot.rs",
    "state.rs",
];

/// Limits in these files that only a writer has: a reader takes any value.
const OF_WRITERS: [&str; 1] = ["PIECE_BYTES_MAX"];

/// Constants of a source with their values, as they are written.
fn constants(source: &str) -> Vec<(String, String)> {
    let lines = source.lines().filter_map(|line| line.trim_start().strip_prefix("pub const "));
    let parts = lines.filter_map(|line| line.strip_suffix(';')?.split_once(" = "));
    let named = parts.filter_map(|(typed, value)| Some((typed.split_once(": ")?.0, value)));
    named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// All limits with their values.
fn limits() -> BTreeMap<String, String> {
    let mut files = sources("src/limits");
    files.push(PathBuf::from("src/limits.rs"));
    files.iter().flat_map(|path| constants(&read(path))).collect()
}

/// Names of limits in a source, tests left out.
fn used(source: &str, limits: &BTreeMap<String, String>) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    words_of(code).into_iter().filter(|word| limits.contains_key(word)).collect()
}

/// Version that a file of the list defines under this name.
fn version(file: &str, name: &str) -> u8 {
    let constants = constants(&read(format!("src/journal/list/{file}")));
    let (_, value) = constants.iter().find(|(it, _)| it == name).expect(name);
    value.parse().expect(name)
}

#[test]
fn a_limit_that_all_sites_share_changes_only_with_a_version() {
    let (batch, snapshot, values) = VERSIONS.last().expect("there is a version");
    let limits = limits();
    let changed: Vec<_> = values
        .iter()
        .filter(|(name, value)| limits.get(*name).is_none_or(|now| now != value))
        .map(|(name, value)| format!("{name} was {value}, and is {:?}", limits.get(*name)))
        .collect();
    assert!(
        changed.is_empty(),
        "{changed:?}: sites of both values would differ and not notice. Raise BATCH_VERSION \
         (SNAPSHOT_VERSION, if only snapshots depend on it), add a row to VERSIONS, and name the \
         version in CHANGELOG.md"
    );
    let now = (version("batch.rs", "BATCH_VERSION"), version("snapshot.rs", "SNAPSHOT_VERSION"));
    assert_eq!(now, (*batch, *snapshot), "the last row of VERSIONS has the versions in force");
    let rise = |rows: &[(u8, u8, Values)]| {
        let [(batch, snapshot, _), (next_batch, next_snapshot, _)] = rows else { return false };
        batch <= next_batch
            && snapshot <= next_snapshot
            && batch + snapshot < next_batch + next_snapshot
    };
    assert!(VERSIONS.windows(2).all(rise), "versions rise from row to row");
}

#[test]
fn every_limit_in_the_files_that_decide_is_in_the_table() {
    let limits = limits();
    let (_, _, values) = VERSIONS.last().expect("there is a version");
    let is_known = |name: &str| values.iter().any(|(known, _)| *known == name);
    let mut found = 0;
    for file in DECIDING {
        for name in used(&read(format!("src/journal/list/{file}")), &limits) {
            found += 1;
            assert!(
                is_known(&name) || OF_WRITERS.contains(&&*name),
                "{file}: each site must have the same {name}: add it to VERSIONS"
            );
        }
    }
    assert!(found > 20, "{found} uses of limits");
}

#[test]
fn limits_are_found_where_they_are_used() {
    let source = "/// A.\npub const A_MAX: u8 = 1;\nconst _: () = assert!(A_MAX > 0);\n";
    let limits = BTreeMap::from_iter(constants(source));
    assert_eq!(limits, BTreeMap::from([("A_MAX".to_owned(), "1".to_owned())]));
    let source = "use x::{A_MAX, B_MAX};\nfn a() { A_MAX }\n#[cfg(test)]\nmod tests { A_MAX }\n";
    assert_eq!(used(source, &limits), ["A_MAX", "A_MAX"]);
    assert_eq!(used("// A_MAX\nconst OTHER: &str = \"A_MAX\";\n", &limits), [""; 0]);
}
