//! The rules of the house, kept by reading the sources.
//!
//! ```text
//!   walls     parts use only parts above them; parts that decide touch nothing outside
//!   sizes     lines, files, functions, structs and their methods
//!   names     each type has one name, and no name is a private word
//!   comments  a comment starts with its subject
//!   keys      every limit is in the help, the samples and the documents
//!   licences  dependencies may be used and passed on freely
//!   documents the files and functions that they name exist
//!   replicated  limits that all sites share change only with a version in the list
//! ```
//!
//! Each rule is a function from a text to what offends in it, tried on snippets that offend.

#![cfg(test)]

mod code;
mod comments;
mod documents;
mod engine;
mod keys;
mod licences;
mod modules;
mod names;
mod replicated;
mod sizes;
mod types;
mod walls;

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = top().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every file below `directory`, relative to the top, in the order of names.
pub(crate) fn files(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![top().join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                found.push(path.strip_prefix(top()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn sources(directory: &str) -> Vec<PathBuf> {
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    files(directory).into_iter().filter(is_source).collect()
}

/// No file offends against a rule.
#[track_caller]
pub(crate) fn hold(files: Vec<PathBuf>, rule: impl Fn(&Path, &str) -> Vec<String>) {
    assert!(!files.is_empty(), "a rule about nothing");
    let mut offences = Vec::new();
    for path in files {
        let found = rule(&path, &read(&path)).into_iter();
        offences.extend(found.map(|offence| format!("{}: {offence}", path.display())));
    }
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}
