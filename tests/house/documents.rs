//! Documents: the files and functions that they name exist, and links between them lead somewhere.

use std::path::{Path, PathBuf};

use crate::code::functions_of;
use crate::{files, hold, read, top};

/// Texts between two backticks.
fn code_spans(document: &str) -> impl Iterator<Item = &str> {
    document.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Files below `src` that a document names and that do not exist.
fn missing_files(document: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let named = code_spans(document).filter(|span| span.ends_with(".rs"));
    named.filter(|file| !exists(file)).map(|file| format!("no file {file}")).collect()
}

/// Table rows that end with a file and a function.
fn steps(document: &str) -> Vec<(&str, &str)> {
    let last_cells = |line: &'_ str| -> Option<(usize, usize)> {
        let spans: Vec<&str> = line.split('`').collect();
        let [.., _, " | ", _, " |"] = spans[..] else { return None };
        Some((spans.len() - 4, spans.len() - 2))
    };
    let rows = document.lines().filter_map(|line| {
        let (file, function) = last_cells(line)?;
        let mut spans = line.split('`');
        let file = spans.nth(file)?;
        let function = line.split('`').nth(function)?;
        Some((file, function))
    });
    rows.filter(|(file, _)| file.ends_with(".rs")).collect()
}

/// Relative links of a document: the file, empty for the document itself, and the anchor.
fn links(document: &str) -> Vec<(&str, &str)> {
    let targets = document.split("](").skip(1).filter_map(|behind| behind.split(')').next());
    let relative = targets.filter(|target| !target.contains("://"));
    relative.map(|target| target.split_once('#').unwrap_or((target, ""))).collect()
}

/// The anchors of the headings, as the sites that show Markdown make them.
fn anchors(document: &str) -> Vec<String> {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    let texts = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let is_kept = |char: &char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_');
    texts.map(|text| text.chars().filter(is_kept).collect::<String>().replace(' ', "-")).collect()
}

/// Links that lead to no file, or to no heading of a document.
fn dead_links(document: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let is_dead = |(file, anchor): &(&str, &str)| {
        let target = if file.is_empty() { Some(document.to_owned()) } else { read(file) };
        let has_anchor = |text: String| anchors(&text).iter().any(|it| it == anchor);
        !target.is_some_and(|text| anchor.is_empty() || has_anchor(text))
    };
    let dead = links(document).into_iter().filter(is_dead);
    dead.map(|(file, anchor)| format!("no {file}#{anchor}")).collect()
}

#[test]
fn every_file_and_function_that_the_architecture_names_exists() {
    let architecture = read("src/README.md");
    let exists = |file: &str| top().join("src").join(file).exists();
    assert_eq!(missing_files(&architecture, exists), [""; 0]);
    let steps = steps(&architecture);
    assert!(steps.len() > 30, "{steps:?}");
    for (file, function) in steps {
        let source = read(Path::new("src").join(file));
        let has_it = functions_of(&source).iter().any(|(name, ..)| name == function);
        assert!(has_it, "no function {function} in src/{file}");
    }
}

#[test]
fn every_link_between_documents_leads_to_a_heading_or_a_file() {
    let root = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(PathBuf::from);
    let folders = ["src", "tests", "config", "bench"].map(files).concat();
    let documents =
        folders.into_iter().filter(|path| path.extension().is_some_and(|it| it == "md"));
    hold(root.into_iter().chain(documents).collect(), |path, document| {
        let folder = top().join(path.parent().unwrap_or(Path::new("")));
        dead_links(document, |file| {
            let path = folder.join(file);
            if path.is_dir() { Some(String::new()) } else { std::fs::read(path).ok().map(text_of) }
        })
    });
}

/// A picture is a target, too.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

#[test]
fn what_a_document_names_is_found() {
    let document = "see `a/b.rs` and `c.rs`\n| 1. Do it, `x`. | `a/b.rs` | `run` |\n\
                    | no step | `run` |\n[x](y.md#z) [w](https://w) [v](#v)";
    assert_eq!(missing_files(document, |file| file == "a/b.rs"), ["no file c.rs"]);
    assert_eq!(steps(document), [("a/b.rs", "run")]);
    assert_eq!(links(document), [("y.md", "z"), ("", "v")]);
    assert_eq!(anchors("# A b\ntext\n## `c_d`: e-f (g)"), ["a-b", "c_d-e-f-g"]);
    let document = "# Here\n[1](#here) [2](#there) [3](a.md#x) [4](a.md#y) [5](b.md) [6](a.md)";
    let read = |file: &str| (file == "a.md").then(|| "## X".to_owned());
    assert_eq!(dead_links(document, read), ["no #there", "no a.md#y", "no b.md#"]);
}
