//! The program `participant`: parses the command line, runs, and returns the exit code.

use std::process::ExitCode;

use groupcast::config::{COORDINATOR_VARIABLE, ParticipantRun, report_failure, task_or_exit};
use groupcast::participant;

fn main() -> ExitCode {
    let call = ParticipantRun::from_arguments(
        std::env::args_os().skip(1),
        std::env::var_os(COORDINATOR_VARIABLE).filter(|value| !value.is_empty()),
    );
    match task_or_exit(ParticipantRun::PROGRAM, call) {
        Ok(run) => match participant::run(&run) {
            Ok(code) => ExitCode::from(code),
            Err(failure) => {
                report_failure(ParticipantRun::PROGRAM, &failure);
                ExitCode::from(failure.exit_code())
            }
        },
        Err(code) => code,
    }
}
