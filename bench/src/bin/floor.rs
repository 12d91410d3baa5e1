//! The floor: a server that copies bytes and does nothing else, to compare others with.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use groupcast_bench::cores::raise_file_limit;
use groupcast_bench::peers::floor_server::Floor;
use groupcast_bench::program::complain;

fn main() -> ExitCode {
    let keeps = match env::args().nth(1).as_deref() {
        None => false,
        Some("--keep") => true,
        Some(_) => {
            let _ = writeln!(io::stderr(), "usage: floor [--keep]");
            return ExitCode::from(2);
        }
    };
    raise_file_limit();
    match serve(keeps) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain("floor", &error);
            ExitCode::FAILURE
        }
    }
}

fn serve(keeps: bool) -> io::Result<()> {
    let mut floor = Floor::open(keeps)?;
    writeln!(io::stdout(), "{}", floor.address()?)?;
    floor.run()
}
