//! User instructions of a process, function by function, as callgrind writes them to a file.
//!
//! ```text
//!   fl=(1) a.rs          the file of the next function
//!   fn=(7) a::f          a function; later lines name it by its number: fn=(7)
//!   16 400               line 16 of the source: 400 instructions
//!   calls=3 20           the next line is the cost of the callee, which stands there already
//!   16 9000
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// Instructions of each function, without the functions that it calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) functions: BTreeMap<String, u64>,
}

/// Returns the command line that counts the instructions of `program`, as a shell script.
pub(super) fn script(program: &Path, out: &Path) -> String {
    let [program, out] = [program, out].map(|path| path.display().to_string().replace('\'', ""));
    // One thread at a time has the simulated processor; the threads take turns.
    let options = "-q --tool=callgrind --fair-sched=try --compress-pos=no";
    format!("#!/bin/sh\nexec valgrind {options} '--callgrind-out-file={out}' '{program}' \"$@\"\n")
}

impl Profile {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("no profile {}", path.display()))?;
        let profile = Self::parse(&String::from_utf8_lossy(&text));
        ensure!(profile.total() > 0, "{} counts no instruction", path.display());
        Ok(profile)
    }

    fn parse(text: &str) -> Self {
        let (mut names, mut files) = (BTreeMap::new(), BTreeMap::new());
        let (mut function, mut file, mut inlined) = (String::new(), String::new(), String::new());
        let (mut functions, mut is_call) = (BTreeMap::new(), false);
        for line in text.lines() {
            if let Some((key, value)) = line.split_once('=') {
                match key {
                    "fn" => {
                        function = name(&mut names, value);
                        inlined.clone_from(&file);
                    }
                    "cfn" => drop(name(&mut names, value)),
                    "fl" => file = name(&mut files, value),
                    "fi" | "fe" => inlined = name(&mut files, value),
                    "cfi" | "cfl" => drop(name(&mut files, value)),
                    "calls" => is_call = true,
                    _ => (),
                }
            } else if line.starts_with(|first: char| first.is_ascii_digit())
                && let Some((_, cost)) = line.split_once(' ')
            {
                let cost = cost.trim().parse::<u64>().unwrap_or(0);
                if !std::mem::take(&mut is_call) {
                    *functions.entry(label(&function, &inlined)).or_default() += cost;
                }
            }
        }
        Self { functions }
    }

    pub(super) fn total(&self) -> u64 {
        self.functions.values().sum()
    }
}

/// Returns the name of `(number) name`, or of `(number)` if the name stood before.
fn name(names: &mut BTreeMap<String, String>, value: &str) -> String {
    let (number, name) = value.split_once(' ').unwrap_or((value, ""));
    let known = names.entry(number.to_owned()).or_default();
    if !name.is_empty() {
        name.clone_into(known);
    }
    known.clone()
}

/// Names a function with the source of its instructions: the own file, or that of code which the
/// compiler put in its place.
fn label(function: &str, file: &str) -> String {
    let mut name = function;
    if let Some((before, hash)) = function.rsplit_once("::h")
        && hash.len() == 16
    {
        name = before;
    }
    // Recursion levels of callgrind.
    let name = name.split('\'').next().unwrap_or(name).replace("groupcast::", "");
    let parts: PathBuf = Path::new(file).components().rev().take(2).collect();
    let parts: PathBuf = parts.components().rev().collect();
    format!("{name} [{}]", parts.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_instructions_are_counted_and_those_of_callees_once() {
        let text = "events: Ir\nsummary: 60\n\nob=(1) /program\nfl=(1) /x/src/group/mod.rs\n\
                    fn=(1) groupcast::group::run::h0123456789abcdef\n16 10\n17 5\n\
                    fi=(2) /rust/alloc/vec.rs\n3 20\nfe=(1)\n18 1\ncfi=(3) /x/src/text.rs\n\
                    cfn=(2) groupcast::text::check\ncalls=1 9\n18 24\n\nfl=(3)\nfn=(2)\n9 24\n\
                    \nfl=(1)\nfn=(1)\n20 4\n\ntotals: 64\n";
        let found = Profile::parse(text);
        let expected = [
            ("group::run [alloc/vec.rs]", 20),
            ("group::run [group/mod.rs]", 20),
            ("text::check [src/text.rs]", 24),
        ];
        let functions = expected.map(|(name, cost)| (name.to_owned(), cost)).into();
        assert_eq!(found, Profile { functions });
        assert_eq!(found.total(), 64);
    }
}
