//! The command line of the program `site`, where it differs from that of the coordinator.

use std::path::PathBuf;

use getopts::{Matches, Options};

use super::{CoordinatorRun, CoordinatorTask, check_alone};
use crate::config::{ConfigError, ConfigSource, CoordinatorConfig, Fifos, Program};

/// Task that only the program `site` has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteTask {
    /// Found the group in the engine, and exit.
    Found(CoordinatorRun),
    /// Found the group in the engine with the members and messages of this journal, and exit.
    Import(CoordinatorRun, PathBuf),
    /// Print the group of this config as the engine has it, and exit.
    Inspect(CoordinatorConfig),
}

pub(super) const PURPOSE: &str =
    "serves one site of a group: several coordinators that share one list of messages";

pub(super) const INSPECT: &str = "print the group of the config FILE as the engine has it, without \
                                  taking part, and exit";

pub(super) const NEW_EPOCH: &str = "use once, at one site, after all servers of the engine were \
                                    restored from a copy while no site ran: start a new epoch";

pub(super) const FILE: &str = "\
The config file is that of the coordinator, with further keys from --engine to
--engine-bytes. A site needs engine=, group= and site=. The group is made once,
with --found. ttl, max_members, overflow and presence are those of the group:
each site needs the same values. data_dir is not for sites.
";

/// Returns the task of `--inspect`, which must be the only option.
pub(super) fn inspect_task(matches: &Matches) -> Result<Option<CoordinatorTask>, ConfigError> {
    let Some(file) = matches.opt_str("inspect") else { return Ok(None) };
    check_alone(matches, "inspect")?;
    let source = ConfigSource {
        file: Some(file.into()),
        program: Program::Site,
        port: None,
        ttl: None,
        verbose: None,
        keys: Vec::new(),
    };
    Ok(Some(CoordinatorTask::OfSite(SiteTask::Inspect(source.load(Fifos::Awaited)?))))
}

/// Adds the options that only a site has.
pub(super) fn add_options(options: &mut Options) {
    options.optflag(
        "",
        "found",
        "found the group: make its stream in the engine, once for all sites, and exit",
    );
    options.optopt(
        "",
        "import",
        "with --found: take members, cursors and messages from the journal in DIR of a coordinator \
         that was stopped",
        "DIR",
    );
}

/// Returns the task of `--found`, which neither checks nor serves.
pub(super) fn found_task(
    matches: &Matches,
    run: &CoordinatorRun,
) -> Result<Option<CoordinatorTask>, ConfigError> {
    for other in ["check", "new-epoch"] {
        if matches.opt_present("found") && matches.opt_present(other) {
            let words = format!("found both --{other} and --found, expected one");
            return Err(ConfigError::Usage(words));
        }
    }
    match (matches.opt_present("found"), matches.opt_str("import")) {
        (false, None) => Ok(None),
        (false, Some(_)) => Err(ConfigError::Usage("--import needs --found".to_owned())),
        (true, None) => Ok(Some(CoordinatorTask::OfSite(SiteTask::Found(run.clone())))),
        (true, Some(directory)) => {
            let task = SiteTask::Import(run.clone(), directory.into());
            Ok(Some(CoordinatorTask::OfSite(task)))
        }
    }
}
