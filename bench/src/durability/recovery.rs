//! Time until a coordinator that was killed serves again.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::fs::{Advice, fadvise};

use super::{Measured, Setup, store};
use crate::clients::{Pace, Until};
use crate::clock;
use crate::directory::files;
use crate::table::{Row, Table, Target, Values, count};

/// Values are scaled to this size of the journal.
const BYTES: u64 = 100_000_000;
const TIME: &str = "ms for 100 MB";
/// Bytes of a journal that are read in a second, at least.
const BYTES_PER_SECOND: f64 = (256 * 1024 * 1024) as f64;
const AROUND_BYTES: u64 = 50;
const WINDOW: u64 = 1_000;
const ROUNDS: usize = 5;
/// Name, bytes of a text, and if the files are read from the disk.
const ROWS: [(&str, u64, bool); 3] =
    [("100 B", 100, false), ("100 B, read from the disk", 100, true), ("1 KiB", 1024, false)];

pub(super) fn measure(setup: &Setup) -> Result<Measured> {
    let bytes = if setup.is_quick { BYTES / 4 } else { BYTES };
    let rounds = setup.rounds_or(ROUNDS);
    let mut journals = Vec::new();
    for text_bytes in [100, 1024] {
        let directory = setup.directory.fresh()?;
        let messages = bytes / (text_bytes + AROUND_BYTES);
        fill(setup, directory.path(), messages, text_bytes as usize)?;
        journals.push((text_bytes, messages, directory));
    }
    let about = format!(
        "A journal of {} MB for one offline member. Its coordinator was killed. {}: \
         time from the start of the program to its reply to the first `ping`, for each {} MB. The \
         member must be missing every message. The files are in the page cache, as after a crash \
         of the program, or not, as after a crash of the machine.",
        bytes / 1_000_000,
        count(rounds, "round"),
        BYTES / 1_000_000,
    );
    let rows = ROWS.map(|(name, ..)| Row::new(name)).into();
    let mut table = Table { title: "recovered".to_owned(), about, rows };
    table.measure(rounds, &mut |index| {
        let Some((_, bytes, is_cold)) = ROWS.get(index) else { return Ok(Values::new()) };
        let journal = journals.iter().find(|(text_bytes, ..)| text_bytes == bytes);
        let Some((_, messages, directory)) = journal else { return Ok(Values::new()) };
        round(setup, directory.path(), *messages, *is_cold)
    });
    // The time with files from the disk depends on the disk, so it has no target.
    let rows = table.rows.iter().zip(ROWS).filter(|(_, (.., is_cold))| !is_cold);
    let most = BYTES as f64 / BYTES_PER_SECOND * 1e3;
    let target = |row: &Row| {
        Target::at_most(format!("{}: {}", table.title, row.name), row.median(TIME), most)
    };
    let targets = rows.map(|(row, _)| Target { unit: "ms", ..target(row) }).collect();
    Ok(Measured { targets, tables: vec![table] })
}

/// Leaves the journal of a coordinator that was killed.
fn fill(setup: &Setup, directory: &Path, messages: u64, text_bytes: usize) -> Result<()> {
    let coordinator = store::journaled(setup, directory, &["--sync", "never"])?;
    let mut connected = store::connect_journaled(coordinator, 1, text_bytes)?;
    connected.clients.run(Pace::Unanswered(WINDOW), Until::Messages(messages)).map(drop)
}

fn round(setup: &Setup, directory: &Path, messages: u64, is_cold: bool) -> Result<Values> {
    let files = files(&directory.join("journal"))?;
    if is_cold {
        files.iter().try_for_each(|(path, _)| drop_from_page_cache(path))?;
    }
    let bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let begin = clock::now();
    let coordinator = store::journaled(setup, directory, &["--sync", "always"])?;
    coordinator.command()?.request("bench", "ping")?;
    let elapsed = clock::now().duration_since(begin);
    let missed = store::missed(&coordinator)?;
    ensure!(missed == messages, "of {messages} messages {missed} were recovered");
    Ok(vec![(TIME, elapsed.as_secs_f64() * 1e3 * BYTES as f64 / bytes.max(1) as f64)])
}

fn drop_from_page_cache(path: &Path) -> Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    file.sync_all()?; // Pages that are not written yet stay in the cache.
    fadvise(&file, 0, None, Advice::DontNeed).context("cannot drop pages from the page cache")
}
