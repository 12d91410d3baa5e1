//! The figures, one a file: each sets up, measures, and prints its values beside its targets.

mod absent;
mod abuse;
mod fan_out;
mod greedy;
mod idle;
mod participant;
mod sizes;

use std::path::PathBuf;

use crate::failure::Result;
use crate::report::Report;

/// What the figures are measured with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The coordinator.
    pub coordinator: PathBuf,
    /// The participant.
    pub participant: PathBuf,
    /// Rounds of each kind, where several are run.
    pub rounds: usize,
}

/// Measures and prints one figure.
pub type Figure = fn(&Setup, &mut Report) -> Result<()>;

/// All figures by name, in the order in which they are run.
pub const FIGURES: [(&str, Figure); 7] = [
    ("sizes", sizes::measure),
    ("idle", idle::measure),
    ("abuse", abuse::measure),
    ("absent", absent::measure),
    ("fan-out", fan_out::measure),
    ("greedy", greedy::measure),
    ("participant", participant::measure),
];
