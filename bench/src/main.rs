//! The program `bench`; the library has all of its work.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    groupcast_bench::run(env::args_os().skip(1))
}
