//! What it costs that nothing is lost: on the disk, on the processor, and after a crash.
//!
//! ```text
//!   Setup ─► confirm   Disk, and each Store: Crew publishes, all is answered; killed, and counted
//!     ├────► cost      a coordinator's CPU of a delivery, by what it keeps
//!     └────► recovery  from the start to the first reply, by what there is to be read
//!                 │
//!                 └─► Table: rows, rounds, ratios ─► Goal ─► document
//! ```
//!
//! Whoever confirms and then does not have what it confirmed has failed, however fast it was:
//! every server is killed after its work, started again, and asked what it has.

mod confirm;
mod cost;
mod crew;
mod disk;
mod document;
mod goals;
mod jetstream;
mod journal;
mod place;
mod recovery;
mod redis_stream;
mod run;
mod stage;
mod store;
mod table;

use std::path::PathBuf;

use crate::failure::Result;
use crate::peers::Programs;

pub use document::document;
pub use goals::{Goal, goals};
pub use jetstream::version as nats_version;
pub use place::Place;
pub use run::SUBCOMMAND;
pub use store::{STORES, Store};
pub use table::{Row, Table};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Messages confirmed a second, each safe on the disk.
    Confirm,
    /// CPU of a delivery.
    Cost,
    /// Time until a killed coordinator serves again.
    Recovery,
}

/// All parts, in the order in which they are measured.
pub const PARTS: [Part; 3] = [Part::Confirm, Part::Cost, Part::Recovery];

/// What everything is measured with.
#[derive(Debug)]
pub struct Setup {
    /// Our own programs, and the cores.
    pub programs: Programs,
    /// The NATS server: one that can be told to sync always.
    pub nats: PathBuf,
    /// Where everything is stored.
    pub place: Place,
    /// Rounds of each measurement, if not the default.
    pub rounds: Option<usize>,
    /// Only shortly, for trying.
    pub is_quick: bool,
}

impl Setup {
    /// Rounds of a measurement that has `usual` rounds by default.
    fn rounds_or(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.is_quick { 1 } else { usual })
    }
}

impl Part {
    /// As it is asked for.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Cost => "cost",
            Self::Recovery => "recovery",
        }
    }

    /// Measures it; each value is shown to `heard` when it is there.
    ///
    /// # Errors
    ///
    /// What could not be had for any of it. What goes wrong in a round stands in the tables.
    pub fn measure(self, setup: &Setup, heard: &mut dyn FnMut(&str)) -> Result<Vec<Table>> {
        match self {
            Self::Confirm => confirm::measure(setup, heard),
            Self::Cost => cost::measure(setup, heard),
            Self::Recovery => recovery::measure(setup, heard),
        }
    }
}
