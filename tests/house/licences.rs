//! Licences: everything that is built in the workspace may be used and passed on freely.

use std::env;
use std::process::Command;

/// Licences that only ask for their text to be kept.
const ALLOWED: [&str; 8] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
];

/// Returns true if an SPDX expression allows a use under allowed licences alone. It is read as
/// alternatives that are joined by `AND`. This refuses too much for an `AND` within an
/// alternative, and never too little.
fn is_free(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    expression.split(" AND ").all(|part| {
        let part = part.trim_matches(['(', ')', ' ']);
        part.split(" OR ").any(|licence| ALLOWED.contains(&licence.trim_matches(['(', ')', ' '])))
    })
}

/// Returns the packages of lines `<package> TAB <licence>` whose licence is not allowed.
fn not_free(tree: &str) -> Vec<&str> {
    // A blank line stands between two members of the workspace, and `(*)` behind a repeated line.
    let lines = tree.lines().map(|line| line.trim_end_matches(" (*)")).filter(|it| !it.is_empty());
    let is_bad = |line: &&str| line.split_once('\t').is_none_or(|(_, licence)| !is_free(licence));
    lines.filter(is_bad).collect()
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["tree", "--workspace", "--locked", "--prefix=none", "--format={p}\t{l}"]);
    let output = command.current_dir(crate::top()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(tree.lines().count() > 50, "{tree}");
    assert_eq!(not_free(&tree), [""; 0]);
}

#[test]
fn a_licence_that_is_not_allowed_is_seen() {
    for free in ["MIT", "MIT/GPL-3.0", "(MIT OR X) AND Unicode-3.0", "X OR Unlicense"] {
        assert!(is_free(free), "{free}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR X) AND Y", "Apache-2.0 WITH X"] {
        assert!(!is_free(bad), "{bad}");
    }
    assert_eq!(not_free("a v1\tMIT\n\nb v2\tX\nc v3\tMIT (*)\nd v4\t\n"), ["b v2\tX", "d v4\t"]);
}
