//! Licences: everything that is built in the workspace may be used and passed on freely.

use std::env;
use std::process::Command;

/// Licences that only ask for their text to be kept.
const ALLOWED: [&str; 9] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
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

/// Returns what `cargo tree` prints with these arguments.
fn cargo_tree(arguments: &[&str]) -> String {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["tree", "--locked", "--prefix=none"]).args(arguments);
    let output = command.current_dir(crate::top()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns crates of lines `<name> v<version>` that have no heading in the list of licences, or an
/// empty text behind the heading.
fn without_notice<'a>(tree: &'a str, notices: &str) -> Vec<&'a str> {
    let texts = notices.split("\n==== ").skip(1).filter_map(|text| text.split_once('\n'));
    let texts: Vec<(&str, &str)> = texts.filter(|(_, text)| text.trim().len() > 200).collect();
    let crates = tree.lines().map(|line| line.trim_end_matches(" (*)"));
    let crates = crates.filter(|line| !line.is_empty() && !line.starts_with("groupcast "));
    let is_missing = |line: &&str| {
        let heading = line.split(" (").next().unwrap_or(line).replace(" v", " ") + " (";
        !texts.iter().any(|(title, _)| title.starts_with(&heading))
    };
    crates.filter(is_missing).collect()
}

#[test]
fn every_crate_of_the_programs_has_its_licence_in_the_packages() {
    let tree = cargo_tree(&["--edges=normal", "--format={p}"]);
    assert!(tree.lines().count() > 20, "{tree}");
    let notices = crate::read("config/packages/third-party-licences.txt");
    let missing = without_notice(&tree, &notices);
    assert!(missing.is_empty(), "no licence text, `make notices` writes it: {missing:?}");
}

#[test]
fn every_further_crate_of_a_site_has_its_licence_in_the_packages() {
    let tree = cargo_tree(&["--features=engine", "--edges=normal", "--format={p}"]);
    let notices = crate::read("config/packages/third-party-licences.txt");
    let of_site = crate::read("config/packages/third-party-licences-site.txt");
    assert!(of_site.contains("\n==== async-nats "), "only what the other programs do not have");
    let missing = without_notice(&tree, &(notices + &of_site));
    assert!(missing.is_empty(), "no licence text, `make notices` writes it: {missing:?}");
}

/// The default programs have nothing of the engine, so their packages carry no notices of it.
#[test]
fn the_default_programs_have_nothing_of_the_engine() {
    let of_engine = |tree: &str| tree.lines().any(|line| line.starts_with("async-nats "));
    assert!(!of_engine(&cargo_tree(&["--edges=normal", "--format={p}"])));
    assert!(of_engine(&cargo_tree(&["--features=engine", "--edges=normal", "--format={p}"])));
}

#[test]
fn a_crate_without_a_licence_text_is_seen() {
    let text = "words ".repeat(40);
    let notices = format!("Head\n\n==== a 1.0.0 (MIT)\n{text}\n==== b 1.0.0 (MIT)\n\n");
    let tree = "groupcast v0.1.0 (/x)\na v1.0.0\na v1.0.1\nb v1.0.0 (*)\n\n";
    assert_eq!(without_notice(tree, &notices), ["a v1.0.1", "b v1.0.0"]);
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let tree = cargo_tree(&["--workspace", "--features=engine", "--format={p}\t{l}"]);
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
