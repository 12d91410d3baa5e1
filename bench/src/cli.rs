//! The command line: options that several subcommands share, output, and where the programs are.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use getopts::{Matches, Options};

use crate::{SUBCOMMANDS, Subcommand};

/// A fault in the command line, which ends the program with exit code 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Usage {}

/// Exit codes of the subcommands that measure in rounds.
pub(crate) const EXIT_CODES: &str = "Exit code 0: all rounds passed; 1: a round failed; 2: wrong \
options.\nA missed target does not change the exit code, because times depend on the machine.";

/// Runs the subcommand that the arguments name.
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let name = arguments.next().unwrap_or_default();
    let name = name.to_string_lossy();
    if matches!(&*name, "help" | "-h" | "--help") {
        print(&help());
        return ExitCode::SUCCESS;
    }
    let Some(subcommand) = SUBCOMMANDS.iter().find(|subcommand| subcommand.name == name) else {
        print_error(format_args!("bench: found {name:?}, expected a subcommand\n\n{}", help()));
        return ExitCode::from(2);
    };
    let (program, options) = (format!("bench {name}"), (subcommand.options)());
    let ended = match parse(&options, arguments) {
        Ok(matches) if matches.opt_present("help") => {
            let Subcommand { about, exit_codes, .. } = subcommand;
            print(&options.usage(&format!("{program} [options]: {about}\n{exit_codes}")));
            Ok(ExitCode::SUCCESS)
        }
        Ok(matches) => (subcommand.run)(&matches),
        Err(failure) => Err(failure),
    };
    ended.unwrap_or_else(|failure| {
        print_error(format_args!("{program}: {failure:#}"));
        ExitCode::from(if failure.is::<Usage>() { 2 } else { 1 })
    })
}

fn help() -> String {
    let mut text = "bench SUBCOMMAND [options]: measures groupcast on this machine\n\n".to_owned();
    for Subcommand { name, about, .. } in SUBCOMMANDS.iter().filter(|it| !it.is_hidden) {
        text += &format!("    {name:<12}{about}\n");
    }
    text + "\n`bench SUBCOMMAND --help` shows the options of a subcommand.\n"
}

/// Parses options. Arguments that are not options are refused.
pub(crate) fn parse(
    options: &Options,
    arguments: impl Iterator<Item = OsString>,
) -> Result<Matches> {
    let matches = options.parse(arguments).map_err(|fault| Usage(fault.to_string()))?;
    if let Some(free) = matches.free.first() {
        bail!(Usage(format!("there are no arguments besides options: found {free:?}")));
    }
    Ok(matches)
}

/// Options with `--help` and `--programs`, which all subcommands have.
pub(crate) fn options() -> Options {
    let mut options = Options::new();
    options.optflag("h", "help", "show this");
    let about = "directory of coordinator and participant (default: that of bench)";
    options.optopt("", "programs", about, "DIRECTORY");
    options
}

/// Adds an option with a fixed set of values, which can be given several times.
pub(crate) fn add_choice(options: &mut Options, option: &str, names: &[&str]) {
    let about = format!("one of {} (repeatable; default: all)", listed(names));
    options.optmulti("", option, &about, "NAME");
}

pub(crate) fn add_quick(options: &mut Options) {
    options.optflag("", "quick", "one short round of each measurement, to try the program");
}

pub(crate) fn add_rounds(options: &mut Options, default: &str) {
    options.optopt("", "rounds", &format!("rounds of each measurement ({default})"), "N");
}

pub(crate) fn add_out(options: &mut Options, files: &str) {
    options.optopt("", "out", &format!("directory that {files} is written into"), "DIRECTORY");
}

pub(crate) fn rounds(matches: &Matches) -> Result<Option<usize>> {
    match matches.opt_get("rounds") {
        Ok(Some(0)) | Err(_) => bail!(Usage("--rounds: expected a whole number from 1".to_owned())),
        Ok(rounds) => Ok(rounds),
    }
}

/// Names given with `option`. All names are chosen if the option is not given.
pub(crate) fn chosen<'a>(
    matches: &Matches,
    option: &str,
    names: &[&'a str],
) -> Result<Vec<&'a str>> {
    let given = matches.opt_strs(option);
    if let Some(unknown) = given.iter().find(|name| !names.contains(&name.as_str())) {
        let names = listed(names);
        bail!(Usage(format!("--{option}: found {unknown:?}, expected one of {names}")));
    }
    let is_chosen = |name: &&str| given.is_empty() || given.iter().any(|it| it == name);
    Ok(names.iter().copied().filter(is_chosen).collect())
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// Directory given with `option`. The default is the directory of this program.
pub(crate) fn directory(matches: &Matches, option: &str) -> PathBuf {
    let own = || own_program().parent().map(Path::to_owned).unwrap_or_default();
    matches.opt_str(option).map_or_else(own, PathBuf::from)
}

pub(crate) fn own_program() -> PathBuf {
    env::current_exe().unwrap_or_default()
}

/// This command line, as a document cites it.
pub(crate) fn command_line() -> String {
    format!("bench {}", env::args().skip(1).collect::<Vec<_>>().join(" "))
}

pub(crate) fn write(directory: &Path, name: &str, text: &str) -> Result<()> {
    let path = directory.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

pub(crate) fn print(text: &str) {
    // A reader that closed the pipe does not need the rest.
    let _ = write!(io::stdout(), "{text}");
}

pub(crate) fn print_error(fault: impl Display) {
    // Without standard error, the exit code still tells the failure.
    let _ = writeln!(io::stderr(), "{fault}");
}
