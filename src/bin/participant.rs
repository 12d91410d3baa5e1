//! The participant: options, config, run, exit code.

use std::process::ExitCode;

use groupcast::config::{ParticipantRun, settle};

fn main() -> ExitCode {
    let call = ParticipantRun::from_arguments(std::env::args_os().skip(1));
    match settle(ParticipantRun::PROGRAM, call) {
        Ok(_) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}
