//! Each source file is part of a program: a module of the file above it, or a root.

use std::path::{Path, PathBuf};

use crate::{hold, read, sources};

/// Programs whose files `Cargo.toml` names one by one.
const ROOTS: [&str; 3] = ["src/bin", "bench/micro", "tests/fuzz/libfuzzer/src"];

/// Files that can declare the modules of a directory.
fn parents(directory: &Path) -> Vec<PathBuf> {
    let inside = ["main.rs", "lib.rs", "mod.rs"].map(|name| directory.join(name));
    inside.into_iter().chain([directory.with_extension("rs")]).filter(|it| it.exists()).collect()
}

fn is_declared(path: &Path, parents: &[PathBuf]) -> bool {
    let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { return false };
    let name = if stem == "mod" { path.parent().and_then(Path::file_name) } else { None };
    let name = name.and_then(|name| name.to_str()).unwrap_or(stem);
    parents.iter().any(|parent| read(parent).contains(&format!("mod {name};")))
}

#[test]
fn each_source_is_a_module_or_a_root() {
    hold(["src", "bench", "tests"].map(sources).concat(), |path, _| {
        let directory = path.parent().unwrap_or(path);
        let is_root = ROOTS.iter().any(|root| directory == Path::new(root))
            || ["main.rs", "lib.rs"].iter().any(|name| path.ends_with(name));
        let above = if path.ends_with("mod.rs") { directory.parent() } else { Some(directory) };
        let is_module = above.is_some_and(|above| is_declared(path, &parents(above)));
        match is_root || is_module {
            true => Vec::new(),
            false => vec!["belongs to no program".to_owned()],
        }
    });
}
