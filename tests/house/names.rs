//! Names: each type has one of its own, and none is a word that only we know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::code::words_of;
use crate::types::{Types, types_of};
use crate::{read, sources};

/// Words that no name may have among its own, the left column of the table of words.
const PRIVATE_WORDS: [&str; 31] = [
    "aside",
    "at_the_door",
    "attend",
    "buried",
    "bury",
    "cast",
    "crew",
    "deaf",
    "desk",
    "door",
    "farewell",
    "hear",
    "held_up",
    "keeper",
    "offer",
    "outlet",
    "own_runs",
    "papers",
    "place",
    "play",
    "pursue",
    "rig",
    "scene",
    "scribe",
    "stage",
    "standing",
    "standpoint",
    "tally",
    "tend",
    "terms",
    "told",
];

/// Names with such a word that are right, with the reason.
const RIGHT: [(&str, &str); 4] = [
    ("cast", "of std: pointers"),
    ("cast_signed", "of std: numbers"),
    ("cast_unsigned", "of std: numbers"),
    ("seal_in_place_append_tag", "of ring: encryption"),
];

/// Types of `src` by file, without those that are only built for tests.
pub(crate) fn types_of_src() -> &'static [(PathBuf, Types)] {
    static TYPES: OnceLock<Vec<(PathBuf, Types)>> = OnceLock::new();
    TYPES.get_or_init(read_types)
}

fn read_types() -> Vec<(PathBuf, Types)> {
    let files = sources("src").into_iter().map(|path| (types_of(&read(&path)), path));
    let mut all: Vec<(PathBuf, Types)> = files.map(|(types, path)| (path, types)).collect();
    let for_tests: Vec<PathBuf> =
        all.iter().flat_map(|(path, types)| test_files(path, types)).collect();
    all.retain(|(path, _)| {
        let module = path.with_extension("");
        !for_tests.iter().any(|test| module.starts_with(test))
    });
    all
}

/// Modules that `path` declares for tests, as paths without `.rs`.
fn test_files(path: &Path, types: &Types) -> Vec<PathBuf> {
    let is_root = ["mod.rs", "lib.rs"].iter().any(|root| path.ends_with(root));
    let below = if is_root { path.parent().unwrap().to_owned() } else { path.with_extension("") };
    types.test_modules.iter().map(|module| below.join(module)).collect()
}

/// Names that stand more than once.
fn shared<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut once = BTreeSet::new();
    names.into_iter().filter(|name| !once.insert(*name)).collect()
}

/// The words of a name in `snake_case` or `CamelCase`, in small letters.
fn parts_of(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_small = false;
    for char in name.chars() {
        if char == '_' || char.is_uppercase() && was_small {
            parts.push(String::new());
        }
        was_small = !char.is_uppercase() && char != '_';
        if char != '_' {
            parts.last_mut().unwrap().extend(char.to_lowercase());
        }
    }
    parts
}

/// The private word in a name, also in the plural or with another `s`.
fn private_word(name: &str) -> Option<&'static str> {
    let parts = parts_of(name);
    PRIVATE_WORDS.into_iter().find(|private| {
        let words: Vec<&str> = private.split('_').collect();
        parts.windows(words.len()).any(|parts| {
            parts.iter().zip(&words).all(|(part, word)| {
                part == word || part.strip_suffix('s').is_some_and(|part| part == *word)
            })
        })
    })
}

/// Compares what is found with a list of exceptions: both must be the same.
#[track_caller]
pub(crate) fn match_exceptions<T: Ord + std::fmt::Debug>(found: &BTreeSet<T>, list: &BTreeSet<T>) {
    let new: Vec<&T> = found.difference(list).collect();
    let gone: Vec<&T> = list.difference(found).collect();
    assert!(new.is_empty(), "against the rule: {new:#?}");
    assert!(gone.is_empty(), "no longer needed in the list of exceptions: {gone:#?}");
}

#[test]
fn a_type_name_stands_once() {
    let all = types_of_src();
    let names = all.iter().flat_map(|(_, types)| &types.names).map(String::as_str);
    match_exceptions(&shared(names), &BTreeSet::new());
}

/// Names with a private word in a source.
fn private_names(source: &str) -> BTreeSet<String> {
    let is_end = |char: char| !char.is_alphanumeric() && char != '_';
    let words: BTreeSet<&str> = source.split(is_end).collect();
    let is_private = |name: &&str| private_word(name).is_some();
    let suspects: BTreeSet<&str> = words.into_iter().filter(is_private).collect();
    if suspects.is_empty() {
        return BTreeSet::new(); // Few sources have to be read as code.
    }
    let names = words_of(source).into_iter();
    names.filter(|name| suspects.contains(name.as_str())).collect()
}

#[test]
fn no_name_is_a_private_word() {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for path in ["src", "bench", "tests"].map(sources).concat() {
        for name in private_names(&read(&path)) {
            found.entry(name).or_insert_with(|| path.display().to_string());
        }
    }
    let known: BTreeSet<&str> = RIGHT.iter().map(|(name, _)| *name).collect();
    let new: Vec<_> = found.iter().filter(|(name, _)| !known.contains(name.as_str())).collect();
    assert!(new.is_empty(), "private words: {new:#?}");
    let gone: Vec<_> = known.iter().filter(|name| !found.contains_key(**name)).collect();
    assert!(gone.is_empty(), "no longer needed in the list: {gone:#?}");
}

#[test]
fn a_name_that_stands_twice_is_seen() {
    assert_eq!(shared(["A", "B", "C", "B"]), ["B"].into());
    let types = types_of("#[cfg(test)] mod tests; mod a;");
    assert_eq!(test_files(Path::new("src/a/mod.rs"), &types), [Path::new("src/a/tests")]);
    assert_eq!(test_files(Path::new("src/a.rs"), &types), [Path::new("src/a/tests")]);
    assert!(types_of_src().iter().all(|(path, _)| !path.ends_with("tests.rs")));
}

#[test]
fn a_private_word_is_seen_in_every_kind_of_name() {
    for (name, word) in [
        ("bury", Some("bury")),
        ("offer_all", Some("offer")),
        ("OFFERS_MAX", Some("offer")),
        ("AtTheDoor", Some("at_the_door")),
        ("is_held_up", Some("held_up")),
        ("MemberTally", Some("tally")),
        ("replace", None),
        ("original", None),
        ("OwnRuns", Some("own_runs")),
        ("own_members_runs", None),
        ("display", None),
        ("told_", Some("told")),
    ] {
        assert_eq!(private_word(name), word, "{name}");
    }
    let source = "// a scene\nfn bury(x: Desk) { let text = \"told\"; m!(x.tend()); }";
    let expected = ["Desk", "bury", "tend"].map(str::to_owned);
    assert_eq!(private_names(source), expected.into());
    assert!(private_names("// a scene\nfn display() {}").is_empty());
}
