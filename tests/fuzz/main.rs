//! The fuzz targets on stable: each one gets its corpus, and mutations of the corpus from a seed.
//!
//! ```text
//!   corpus/<target>/* ─► mutated(seed) ─► targets/<target>.rs: check   these tests
//!          └───────────► libFuzzer ─────► the same function            `make fuzz`
//! ```
//!
//! A failure prints the input and how to run it again:
//!
//! ```text
//!   FUZZ_RUNS=<n> cargo test --test fuzz                     n mutations of each target
//!   FUZZ_FIRST=<seed> FUZZ_RUNS=1 cargo test --test fuzz ack the mutation of this seed again
//! ```

#![cfg(test)]

mod mutation;
pub mod targets;

use std::path::PathBuf;
use std::{env, fs, thread};

use support::rng::Rng;
use targets::FuzzTarget;

/// Inputs of a corpus are short, and few.
const CORPUS_FILES_MAX: usize = 36;
const CORPUS_FILE_BYTES_MAX: usize = 4096;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

/// Returns the inputs of a target's corpus, in the order of their names.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(directory().join("corpus").join(target)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// Prints an input if its check panics.
struct InputOnPanic<'a> {
    name: String,
    bytes: &'a [u8],
}

impl Drop for InputOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}: input b\"{}\"", self.name, self.bytes.escape_ascii());
        }
    }
}

fn check(target: &FuzzTarget, bytes: &[u8], name: String) {
    let _input = InputOnPanic { name, bytes };
    (target.check)(bytes);
}

/// Runs a target over its corpus, and over mutations of the corpus.
fn run(name: &str) {
    let target = targets::ALL.iter().find(|target| target.name == name).unwrap();
    let corpus = corpus(name);
    for (path, bytes) in &corpus {
        check(target, bytes, path.display().to_string());
    }
    let inputs: Vec<Vec<u8>> = corpus.into_iter().map(|(_, bytes)| bytes).collect();
    let first = variable("FUZZ_FIRST").unwrap_or(0);
    for seed in first..first + variable("FUZZ_RUNS").unwrap_or(target.runs) {
        let bytes = mutation::mutated(&inputs, &mut Rng::new(seed));
        let again = format!("FUZZ_FIRST={seed} FUZZ_RUNS=1 cargo test --test fuzz {name}");
        check(target, &bytes, again);
    }
}

#[test]
fn access_file() {
    run("access_file");
}

#[test]
fn ack() {
    run("ack");
}

#[test]
fn coordinator_config() {
    run("coordinator_config");
}

#[test]
fn journal() {
    run("journal");
}

#[test]
fn keys_files() {
    run("keys_files");
}

#[test]
fn line_buffer() {
    run("line_buffer");
}

#[test]
fn message_line() {
    run("message_line");
}

#[test]
fn message_log() {
    run("message_log");
}

#[test]
fn participant_config() {
    run("participant_config");
}

#[test]
fn request() {
    run("request");
}

#[test]
fn segment() {
    run("segment");
}

#[test]
fn tls_handshake() {
    run("tls_handshake");
}

#[test]
fn each_target_has_a_test_a_program_and_a_small_corpus() {
    let this = fs::read_to_string(directory().join("main.rs")).unwrap();
    let manifest = fs::read_to_string(directory().join("libfuzzer/Cargo.toml")).unwrap();
    for FuzzTarget { name, .. } in targets::ALL {
        assert!(this.contains(&format!("\n    run(\"{name}\");\n")), "{name} has no test");
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name} has no program");
        let corpus = corpus(name);
        assert!((3..=CORPUS_FILES_MAX).contains(&corpus.len()), "{name}: {}", corpus.len());
        for (path, bytes) in corpus {
            assert!(bytes.len() <= CORPUS_FILE_BYTES_MAX, "{} is long", path.display());
        }
    }
    let folders = fs::read_dir(directory().join("corpus")).unwrap().count();
    assert_eq!(folders, targets::ALL.len(), "a corpus has no target");
}
