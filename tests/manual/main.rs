//! The man pages and completions in `config`, made from the tables of the programs.
//!
//! ```text
//!   --help, help, config/coordinator.txt ──▶ tables ─┬─ tests/manual/pages ──▶ config/man
//!                                                    └────────────▶ config/completions
//! ```
//!
//! A committed file that is not what the tables say fails a test; `make manual` renews all of them.
//! The files of the program `site` are made and checked with the feature `engine`.

#![cfg(test)]

mod completions;
mod help;
mod keys;
mod page;
mod shells;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use help::Program;
use page::Tables;

/// A file, relative to the top of the repository, and its text.
type MadeFile = (PathBuf, String);

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All pages and completions, as the tables say.
fn made() -> Vec<MadeFile> {
    let (coordinator, participant) = (Program::coordinator(), Program::participant());
    let sample = read(Path::new("config/coordinator.txt"));
    let coordinator_keys = keys::of_coordinator(&sample, &coordinator);
    let participant_keys = keys::of_participant(&participant);
    assert!(coordinator_keys.len() > 20 && participant_keys.len() > 3, "{participant_keys:?}");
    let for_coordinator = Tables { program: &coordinator, keys: &coordinator_keys };
    let for_participant = Tables { program: &participant, keys: &participant_keys };
    #[cfg(feature = "engine")]
    let site = Program::site();
    #[cfg(feature = "engine")]
    let site_keys = keys::of_site(&site);
    #[cfg(feature = "engine")]
    let for_site = Tables { program: &site, keys: &site_keys };
    let pages = pages().into_iter().map(|name| {
        let source = format!("tests/manual/pages/{name}");
        let tables = match name.as_str() {
            #[cfg(feature = "engine")]
            name if is_of_site(name) => &for_site,
            name if name.starts_with("groupcast-participant") => &for_participant,
            _ => &for_coordinator,
        };
        (Path::new("config/man").join(&name), tables.fill(&source, &read(Path::new(&source))))
    });
    let completions = Program::all().into_iter().flat_map(|program| {
        let file = |name: String| Path::new("config/completions").join(name);
        [
            (file(program.name.to_owned()), completions::bash(&program)),
            (file(format!("_{}", program.name)), completions::zsh(&program)),
            (file(format!("{}.fish", program.name)), completions::fish(&program)),
        ]
    });
    pages.chain(completions).collect()
}

/// Returns true for a file of the program `site`, which only the feature `engine` has.
fn is_of_site(name: &str) -> bool {
    name.trim_start_matches('_').starts_with("groupcast-site")
}

/// Names of the man pages of the programs of this build.
fn pages() -> Vec<String> {
    let entries = fs::read_dir(top().join("tests/manual/pages")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| cfg!(feature = "engine") || !is_of_site(name));
    names.sort();
    names
}

/// Returns true if the command can be run; if not, says that `check` is skipped.
fn has_tool(tool: &str, check: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().unwrap();
    if !found.status.success() {
        eprintln!("SKIPPED {check}: {tool} is missing");
    }
    found.status.success()
}

#[test]
fn the_committed_pages_and_completions_are_what_the_tables_say() {
    let renews = std::env::var_os("GROUPCAST_RENEW").is_some();
    let mut old = Vec::new();
    let files = made();
    for (path, text) in &files {
        if fs::read_to_string(top().join(path)).is_ok_and(|found| found == *text) {
            continue;
        }
        match renews {
            true => fs::write(top().join(path), text).unwrap(),
            false => old.push(path.display().to_string()),
        }
    }
    assert!(old.is_empty(), "not what the tables say, `make manual` renews them: {old:#?}");
    for directory in ["config/man", "config/completions"] {
        for entry in fs::read_dir(top().join(directory)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if !cfg!(feature = "engine") && is_of_site(&name) {
                eprintln!("SKIPPED {name}: this build has no site (--features engine)");
                continue;
            }
            let path = Path::new(directory).join(name);
            assert!(files.iter().any(|(made, _)| *made == path), "{}", path.display());
        }
    }
}

#[test]
fn every_option_and_key_stands_in_the_pages_and_completions() {
    let read = |path: String| read(Path::new(&path));
    for program in Program::all() {
        let name = program.name;
        assert!(program.options.len() > 20, "{:?}", program.options);
        let page = read(format!("config/man/{name}.1"));
        let [bash, zsh] = [name.to_owned(), format!("_{name}")]
            .map(|file| read(format!("config/completions/{file}")));
        let fish = read(format!("config/completions/{name}.fish"));
        for option in &program.options {
            let long = &option.long;
            let is_word = |text: &str, word: &str| {
                text.split(|char: char| !char.is_ascii_alphanumeric() && char != '-')
                    .any(|it| it == word)
            };
            assert!(page.contains(&format!("Fl -{long}")), "{long} in {name}.1");
            for (shell, text) in [("bash", &bash), ("zsh", &zsh)] {
                assert!(is_word(text, &format!("--{long}")), "{long} in {shell}");
            }
            assert!(fish.contains(&format!(" -l {long} ")), "{long} in fish");
        }
        let page = read(format!("config/man/{name}.5"));
        let keys = program.keys();
        assert!(keys.len() > 5, "{keys:?}");
        for key in keys {
            assert!(page.contains(&format!("Cm {key}= ")), "{key} in {name}.5");
        }
    }
    let access = read("config/man/groupcast-access.5".to_owned());
    for word in ["address", "anyone", "key", "ca", "secret", "send", "receive", "list"] {
        assert!(access.contains(&format!(".It Cm {word}")), "{word}");
    }
}

#[test]
fn the_pages_have_no_fault_that_mandoc_knows() {
    if !has_tool("mandoc", "man pages under mandoc -T lint") {
        return;
    }
    let mut command = Command::new("mandoc");
    command.args(["-T", "lint"]).args(pages()).current_dir(top().join("config/man"));
    let output = command.output().unwrap();
    let faults = String::from_utf8(output.stdout).unwrap();
    // A machine need not have the pages of other programs.
    let faults = faults.lines().filter(|line| !line.contains("referenced manual not found"));
    assert_eq!(faults.collect::<Vec<_>>(), [""; 0]);
}
