//! A coordinator with a journal: how it is started, published to, and asked.

use std::path::Path;

use super::Setup;
use super::stage::Stage;
use crate::command::{Door, value_of};
use crate::coordinator::{Coordinator, Start};
use crate::failure::{Failure, Result};
use crate::peers::groupcast::Requests;
use crate::peers::link::Link;

/// Longer than anything here takes.
const TTL_S: u64 = 86_400;
/// Member for whom everything is kept, as it is away.
const ABSENT: &str = "absent";
const PUBLISHER: &str = "publisher";

/// Starts it on an empty directory and connects the publishers. Nobody receives.
pub(super) fn begin(setup: &Setup, directory: &Path, publishers: usize) -> Result<Stage> {
    connect(start(setup, directory, &["--sync", "always"])?, publishers)
}

/// Starts it again on what it left: how many messages it has.
pub(super) fn count(setup: &Setup, directory: &Path) -> Result<u64> {
    missed(&start(setup, directory, &[])?)
}

/// A coordinator with its journal in this directory.
pub(super) fn start(setup: &Setup, directory: &Path, options: &[&str]) -> Result<Coordinator> {
    let directory = directory.join("journal");
    let Some(directory) = directory.to_str() else {
        return Err(Failure::Wrong("a directory whose name is not UTF-8".to_owned()));
    };
    let all = [&["--max-backlog", "4g", "--data-dir", directory], options].concat();
    let cores = setup.programs.cores;
    Start { cores, ..Start::new(&setup.programs.coordinator, TTL_S, &all) }.run()
}

/// Registers who is away, and who publishes: one member on as many command sockets as there are
/// publishers. Members of their own would get what the others publish.
pub(super) fn connect(coordinator: Coordinator, publishers: usize) -> Result<Stage> {
    let door = Door::open()?;
    let mut setup = coordinator.command()?;
    let absent = door.register(&mut setup, ABSENT, true)?;
    setup.request(ABSENT, "disconnect")?;
    drop(absent);
    let messages = door.register(&mut setup, PUBLISHER, true)?;
    let mut links = Vec::new();
    for _ in 0..publishers {
        let command = coordinator.command()?.into_stream();
        links.push(Link::new(command, Box::new(Requests::new(PUBLISHER)))?);
    }
    Ok(Stage { server: coordinator.server, publishers: links, held: Some(messages) })
}

/// How many messages a coordinator has for who is away. It acknowledges nothing, so that the same
/// is there the next time.
pub(super) fn missed(coordinator: &Coordinator) -> Result<u64> {
    let mut command = coordinator.command()?;
    let (_, reply) = Door::open()?.enter(&mut command, ABSENT, "reconnect", true)?;
    let missed = value_of(&reply, "missed").and_then(|number| number.parse().ok());
    missed.ok_or_else(|| Failure::Wrong(format!("no count of what was missed: {reply}")))
}
