//! The program `site`: one of several coordinators of a group.

use std::process::ExitCode;

use groupcast::config::{CoordinatorRun, Program, report_failure, task_or_exit};
use groupcast::coordinator;

fn main() -> ExitCode {
    let name = Program::Site.name();
    match task_or_exit(name, CoordinatorRun::of_program(Program::Site, std::env::args_os().skip(1)))
    {
        Ok(task) => match coordinator::run(&task) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                report_failure(name, &failure);
                ExitCode::from(failure.exit_code())
            }
        },
        Err(code) => code,
    }
}
