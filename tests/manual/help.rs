//! The words of `--help` and of the prompt's `help`, as values.

use std::process::Command;

/// A program and the words of its `--help`.
#[derive(Debug)]
pub(crate) struct Program {
    /// Name under which it is installed.
    pub(crate) name: &'static str,
    /// Its purpose, in one line.
    pub(crate) purpose: String,
    pub(crate) options: Vec<HelpOption>,
    /// The paragraph about the config file.
    pub(crate) file: String,
    /// Exit codes and their meanings.
    pub(crate) exit_codes: Vec<(String, String)>,
    /// Commands of the prompt and their purposes.
    pub(crate) commands: Vec<(String, String)>,
}

/// A row of the help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HelpOption {
    /// One letter, if the option has one.
    pub(crate) short: Option<String>,
    pub(crate) long: String,
    /// Placeholder of the value; `None` for a flag.
    pub(crate) hint: Option<String>,
    pub(crate) about: String,
}

/// The possible values of an option, as far as a shell can complete them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    /// The option takes no value.
    Flag,
    /// A value that only the user knows.
    Free,
    Words(Vec<String>),
    File,
    Directory,
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl HelpOption {
    /// Returns the possible values. `commands` are those of the prompt, for `--execute`.
    pub(crate) fn values(&self, commands: &[(String, String)]) -> Values {
        let words =
            |words: Vec<&str>| Values::Words(words.into_iter().map(str::to_owned).collect());
        match self.hint.as_deref() {
            None => Values::Flag,
            Some("FILE") => Values::File,
            Some("DIR") => Values::Directory,
            Some("LEVEL") => words(LEVELS.to_vec()),
            Some("CMD") if self.long == "execute" => {
                let mut firsts: Vec<&str> = Vec::new();
                for first in commands.iter().filter_map(|(usage, _)| usage.split(' ').next()) {
                    if !firsts.contains(&first) {
                        firsts.push(first);
                    }
                }
                words(firsts)
            }
            Some(hint) if hint.contains('|') => {
                words(hint.split('|').filter(|word| !word.contains('<')).collect())
            }
            Some(_) => Values::Free,
        }
    }

    pub(crate) fn is_repeatable(&self) -> bool {
        self.about.contains("may be repeated") || self.about.contains("-vv")
    }

    /// Returns the beginning of the description that fits a menu.
    pub(crate) fn summary(&self) -> &str {
        let end = ["; ", " (default"].into_iter().filter_map(|mark| self.about.find(mark)).min();
        end.and_then(|end| self.about.get(..end)).unwrap_or(&self.about)
    }
}

impl Program {
    pub(crate) fn coordinator() -> Self {
        let help = run(env!("CARGO_BIN_EXE_coordinator"), &["--help"]);
        let mut program = Self::parse("groupcast-coordinator", &help);
        program.exit_codes.retain(|(_, meaning)| !meaning.contains("participant"));
        program
    }

    /// Returns the programs of this build. `site` needs the feature `engine`.
    pub(crate) fn all() -> Vec<Self> {
        vec![
            Self::coordinator(),
            Self::participant(),
            #[cfg(feature = "engine")]
            Self::site(),
        ]
    }

    #[cfg(feature = "engine")]
    pub(crate) fn site() -> Self {
        let help = run(env!("CARGO_BIN_EXE_site"), &["--help"]);
        let mut program = Self::parse("groupcast-site", &help);
        program.exit_codes.retain(|(_, meaning)| !meaning.contains("participant"));
        program
    }

    pub(crate) fn participant() -> Self {
        let path = env!("CARGO_BIN_EXE_participant");
        let mut program = Self::parse("groupcast-participant", &run(path, &["--help"]));
        let nobody = ["--id", "a", "--coordinator", "127.0.0.1:1", "--no-log", "--no-history"];
        let help = run(path, &[&nobody[..], &["-e", "help"]].concat());
        program.commands = help.lines().map(command).collect();
        program
    }

    /// Returns the keys of the config file, as the program names them for a wrong one. The page of
    /// `site` has those that a coordinator does not have.
    pub(crate) fn keys(&self) -> Vec<String> {
        let coordinator = || keys_of(env!("CARGO_BIN_EXE_coordinator"), "0\n60\nwrong=1\n");
        match self.name {
            "groupcast-coordinator" => coordinator(),
            #[cfg(feature = "engine")]
            "groupcast-site" => {
                let (mut keys, others) =
                    (keys_of(env!("CARGO_BIN_EXE_site"), "0\n60\nwrong=1\n"), coordinator());
                keys.retain(|key| !others.contains(key));
                keys
            }
            _ => keys_of(env!("CARGO_BIN_EXE_participant"), "a\na.log\n127.0.0.1 1\nwrong=1\n"),
        }
    }

    fn parse(name: &'static str, help: &str) -> Self {
        let (title, rest) = help.split_once("\n\n").unwrap();
        let (_, purpose) = title.split_once(": ").unwrap();
        let (_, rest) = rest.split_once("\nOptions:\n").unwrap();
        let (rows, rest) = rest.split_once("\n\n").unwrap();
        let (file, codes) = rest.split_once("\n\n").unwrap();
        let codes = one_line(codes.strip_prefix("Exit codes:").unwrap());
        let codes = codes.trim_end_matches('.').split(", ").map(|code| {
            let (code, meaning) = code.split_once(' ').unwrap();
            (code.to_owned(), meaning.to_owned())
        });
        Self {
            name,
            purpose: purpose.to_owned(),
            options: options(rows),
            file: one_line(file),
            exit_codes: codes.collect(),
            commands: Vec::new(),
        }
    }
}

/// Returns the keys that the error for a wrong key names.
fn keys_of(program: &str, text: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.txt");
    std::fs::write(&file, text).unwrap();
    let output = Command::new(program).arg("--check").arg(&file).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let (_, keys) = stderr.trim_end().split_once("found \"wrong\", expected ").unwrap();
    keys.split(", ").map(str::to_owned).collect()
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let (stdout, stderr) = (output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {stderr}");
    String::from_utf8(stdout).unwrap()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns usage and purpose of a line of the prompt's `help`, in two columns.
fn command(line: &str) -> (String, String) {
    let (usage, purpose) = line.split_at(22);
    (usage.trim_end().to_owned(), purpose.trim().to_owned())
}

/// Returns the options of the rows: a row has its names, then its description, maybe in the next
/// lines, which are indented as far as the description of all rows.
fn options(rows: &str) -> Vec<HelpOption> {
    let mut options: Vec<HelpOption> = Vec::new();
    for line in rows.lines() {
        if line.starts_with(&" ".repeat(24)) {
            let about = &mut options.last_mut().unwrap().about;
            *about = one_line(&format!("{about} {line}"));
            continue;
        }
        let (names, rest) = line.split_once("--").unwrap();
        let short =
            names.trim().strip_prefix('-').map(|name| name.trim_end_matches(',').to_owned());
        // One space stands behind the name: a further one is padding before the description.
        let (long, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let (hint, about) = match rest.is_empty() || rest.starts_with(' ') {
            true => (None, rest),
            false => {
                let (hint, about) = rest.split_once(' ').unwrap_or((rest, ""));
                (Some(hint.to_owned()), about)
            }
        };
        let about = about.trim().to_owned();
        options.push(HelpOption { short, long: long.to_owned(), hint, about });
    }
    options
}
