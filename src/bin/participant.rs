//! The participant: options, config, run, exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use groupcast::config::{ParticipantRun, settle};
use groupcast::participant;

fn main() -> ExitCode {
    let call = ParticipantRun::from_arguments(std::env::args_os().skip(1));
    match settle(ParticipantRun::PROGRAM, call) {
        Ok(run) => match participant::run(&run) {
            Ok(code) => ExitCode::from(code),
            Err(failure) => {
                // Where even this cannot be written, the exit code is all that is left to say.
                let _ = writeln!(io::stderr(), "{}: {failure}", ParticipantRun::PROGRAM);
                ExitCode::from(failure.exit_code())
            }
        },
        Err(code) => code,
    }
}
