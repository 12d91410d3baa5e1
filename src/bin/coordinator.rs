//! The coordinator: options, config, run, exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use groupcast::config::{CoordinatorRun, settle};
use groupcast::coordinator;

fn main() -> ExitCode {
    let call = CoordinatorRun::from_arguments(std::env::args_os().skip(1));
    match settle(CoordinatorRun::PROGRAM, call) {
        Ok(run) => match coordinator::run(&run) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                // Where even this cannot be written, the exit code is all that is left to say.
                let _ = writeln!(io::stderr(), "{}: {failure}", CoordinatorRun::PROGRAM);
                ExitCode::FAILURE
            }
        },
        Err(code) => code,
    }
}
