//! Sizes that fit a screen and a head: lines, files, functions, structs and their methods.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::code::functions_of;
use crate::names::{match_exceptions, types_of_src};
use crate::{files, hold, sources};

const LINE_CHARS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 399;
const FUNCTION_LINES_MAX: usize = 59;
const FIELDS_MAX: usize = 12;
const METHOD_FILES_MAX: usize = 2;

/// Files that are longer. The list only gets shorter.
const LONG_FILES: [&str; 3] =
    ["tests/simulation/model.rs", "tests/simulation/participant.rs", "tests/simulation/storage.rs"];

fn too_wide(text: &str) -> Vec<String> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.chars().count()));
    let wide = lines.filter(|(_, chars)| *chars > LINE_CHARS_MAX);
    wide.map(|(number, chars)| format!("line {number} has {chars} characters")).collect()
}

fn too_long(source: &str) -> Vec<String> {
    let lines = source.lines().count();
    let long = lines > FILE_LINES_MAX;
    long.then(|| format!("has {lines} lines")).into_iter().collect()
}

fn functions_too_long(source: &str) -> Vec<String> {
    let functions = functions_of(source).into_iter();
    let long = functions.filter(|(_, _, lines)| *lines > FUNCTION_LINES_MAX);
    long.map(|(name, line, lines)| format!("line {line}: {name} has {lines} lines")).collect()
}

fn left_undone(text: &str) -> Vec<String> {
    // In two pieces, or this line would offend.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let words = text.split(|char: char| !char.is_alphanumeric() && char != '_');
    words.filter(|word| marks.contains(word)).map(|word| format!("says {word}")).collect()
}

/// Those of `counted` that are above the limit.
fn above(
    limit: usize,
    counted: impl IntoIterator<Item = (String, usize)>,
) -> BTreeSet<(String, usize)> {
    counted.into_iter().filter(|(_, count)| *count > limit).collect()
}

/// Counts each name.
fn count(names: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

/// A list of exceptions as what was found.
fn exceptions<const N: usize>(list: [(&str, usize); N]) -> BTreeSet<(String, usize)> {
    list.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

#[test]
fn sources_fit_a_screen() {
    let mut all = ["src", "tests", "bench"].map(sources).concat();
    hold(all.clone(), |_, source| too_wide(source));
    hold(all.clone(), |_, source| functions_too_long(source));
    for long in LONG_FILES {
        let path = PathBuf::from(long);
        assert!(!too_long(&crate::read(&path)).is_empty(), "{long} is no longer long");
        all.retain(|other| *other != path);
    }
    hold(all, |_, source| too_long(source));
}

#[test]
fn a_struct_has_few_fields() {
    let all = types_of_src();
    let fields = all.iter().flat_map(|(_, types)| types.fields.clone());
    match_exceptions(&above(FIELDS_MAX, fields), &BTreeSet::new());
}

#[test]
fn the_methods_of_a_type_stand_in_few_files() {
    let all = types_of_src().iter();
    // Once for each file.
    let names = all.flat_map(|(_, types)| BTreeSet::from_iter(types.with_methods.clone()));
    match_exceptions(&above(METHOD_FILES_MAX, count(names)), &BTreeSet::new());
}

#[test]
fn nothing_is_left_undone() {
    let manifest = vec![PathBuf::from("Cargo.toml"), PathBuf::from("Makefile")];
    let mut directories = ["src", "tests", "config", "bench"].map(files).concat();
    // Journals are not text, and inputs of fuzz targets need not be.
    directories.retain(|path| path.extension().is_none_or(|it| it != "journal"));
    directories.retain(|path| !path.starts_with("tests/fuzz/corpus"));
    hold([directories, manifest].concat(), |_, text| left_undone(text));
}

#[test]
fn what_is_too_large_or_left_undone_is_seen() {
    assert_eq!(too_wide(&format!("{}\n{}\n", "ä".repeat(100), "x".repeat(99))), [""; 0]);
    assert_eq!(too_wide(&format!("\n{}\n", "x".repeat(101))), ["line 2 has 101 characters"]);
    assert_eq!(too_long(&"x\n".repeat(399)), [""; 0]);
    assert_eq!(too_long(&"x\n".repeat(400)), ["has 400 lines"]);
    let function = |lines: usize| format!("\nfn f() {{\n{}}}\n", "    x();\n".repeat(lines - 2));
    assert_eq!(functions_too_long(&function(59)), [""; 0]);
    assert_eq!(functions_too_long(&function(60)), ["line 2: f has 60 lines"]);
    for mark in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")] {
        assert_eq!(left_undone(&format!("// {mark}: later")), [format!("says {mark}")]);
        assert_eq!(left_undone(&format!("mktemp x.{mark}{mark}")), [""; 0]);
    }
}

#[test]
fn a_type_that_is_too_large_is_seen() {
    let types = crate::types::types_of("struct A { a: u8, b: u8 } struct B(u8, u8, u8);");
    assert_eq!(above(2, types.fields), exceptions([("B", 3)]));
    let names = ["A", "B", "A", "B", "A"].map(str::to_owned);
    assert_eq!(above(2, count(names)), exceptions([("A", 3)]));
}

#[test]
#[should_panic = "against the rule"]
fn an_offence_that_no_exception_names_is_seen() {
    match_exceptions(&exceptions([("A", 3)]), &exceptions([("A", 2)]));
}

#[test]
#[should_panic = "no longer needed"]
fn an_exception_that_is_no_longer_needed_is_seen() {
    match_exceptions(&exceptions([]), &exceptions([("A", 2)]));
}
