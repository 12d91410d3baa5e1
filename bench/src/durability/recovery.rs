//! How long a coordinator that was killed takes until it serves again.

use std::fs::File;
use std::path::Path;

use rustix::fs::{Advice, fadvise};

use super::crew::{Crew, Until};
use super::place::files;
use super::table::{Row, Table};
use super::{Setup, journal};
use crate::clock;
use crate::failure::{Failure, Result};

/// How the title begins.
pub(super) const TITLE: &str = "recovered";
/// Values are for so many bytes of a journal.
pub(super) const BYTES: u64 = 100_000_000;
/// The one that says more of the disk than of what is measured.
pub(super) const FROM_DISK: &str = "100 B, read from the disk";

const AROUND_BYTES: u64 = 50;
const IN_FLIGHT: u64 = 1_000;
const ROUNDS: usize = 5;

pub(super) fn measure(setup: &Setup, heard: &mut dyn FnMut(&str)) -> Result<Vec<Table>> {
    let bytes = if setup.is_quick { BYTES / 4 } else { BYTES };
    let rounds = setup.rounds_or(ROUNDS);
    let mut rows = Vec::new();
    for (name, text_bytes) in [("100 B", 100), ("1 KiB", 1024)] {
        let directory = setup.place.fresh()?;
        let messages = bytes / (text_bytes + AROUND_BYTES);
        fill(setup, directory.path(), messages, text_bytes as usize)?;
        let mut warm = Row::new(name);
        let mut cold = (text_bytes == 100).then(|| Row::new(FROM_DISK));
        for round in 1..=rounds {
            for (row, is_cold) in [(Some(&mut warm), false), (cold.as_mut(), true)] {
                let Some(row) = row else { continue };
                let measured = play(setup, directory.path(), messages, is_cold);
                heard(&match &measured {
                    Ok(ms) => format!("  {round} {:<25} {ms:>7.1} ms", row.name),
                    Err(failure) => format!("  {round} {:<25} FAILED: {failure}", row.name),
                });
                row.push(&measured);
            }
        }
        rows.extend([Some(warm), cold].into_iter().flatten());
    }
    let about = format!(
        "A journal of {} MB, all of it for one member that is away; its coordinator was killed. \
         {rounds} rounds: from the start of the program to its reply to the first `ping`, for each \
         {} MB. The member must then be missing every message. The files are in the kernel's \
         memory, as after a crash of the program, or are not, as after one of the machine.",
        bytes / 1_000_000,
        BYTES / 1_000_000,
    );
    Ok(vec![Table { title: TITLE.to_owned(), about, unit: "ms for 100 MB", rows }])
}

/// Leaves the journal of a coordinator that was killed.
fn fill(setup: &Setup, directory: &Path, messages: u64, text_bytes: usize) -> Result<()> {
    let stage = journal::connect(journal::start(setup, directory, &["--sync", "never"])?, 1)?;
    let mut crew = Crew::new(stage.publishers, text_bytes)?;
    crew.play(IN_FLIGHT, Until::Published(messages))?;
    Ok(())
}

fn play(setup: &Setup, directory: &Path, messages: u64, is_cold: bool) -> Result<f64> {
    let files = files(&directory.join("journal"))?;
    if is_cold {
        files.iter().try_for_each(|(path, _)| forget(path))?;
    }
    let bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let begin = clock::now();
    let coordinator = journal::start(setup, directory, &["--sync", "always"])?;
    coordinator.command()?.request("bench", "ping")?;
    let passed = clock::now().duration_since(begin);
    let missed = journal::missed(&coordinator)?;
    if missed != messages {
        return Err(Failure::Wrong(format!("of {messages} messages {missed} were recovered")));
    }
    Ok(passed.as_secs_f64() * 1e3 * BYTES as f64 / bytes.max(1) as f64)
}

/// Has the kernel read a file from the disk the next time.
fn forget(path: &Path) -> Result<()> {
    let forgotten = File::open(path).and_then(|file| {
        file.sync_all()?; // It keeps what it has not written yet.
        Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
    });
    forgotten.map_err(Failure::system(format!("cannot forget {}", path.display())))
}
