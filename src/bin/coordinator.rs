//! The program `coordinator`: parses the command line, runs, and returns the exit code.

use std::process::ExitCode;

use groupcast::config::{CoordinatorRun, report_failure, task_or_exit};
use groupcast::coordinator;

fn main() -> ExitCode {
    let call = CoordinatorRun::from_arguments(std::env::args_os().skip(1));
    match task_or_exit(CoordinatorRun::PROGRAM, call) {
        Ok(run) => match coordinator::run(&run) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                report_failure(CoordinatorRun::PROGRAM, &failure);
                ExitCode::from(failure.exit_code())
            }
        },
        Err(code) => code,
    }
}
