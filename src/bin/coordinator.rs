//! The coordinator: options, config, run, exit code.

use std::process::ExitCode;

use groupcast::config::{CoordinatorRun, settle};

fn main() -> ExitCode {
    let call = CoordinatorRun::from_arguments(std::env::args_os().skip(1));
    match settle(CoordinatorRun::PROGRAM, call) {
        Ok(_) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}
