//! The completions in real shells: the candidates for the last word of a line.

use std::collections::BTreeSet;
use std::process::Command;

use crate::help::Program;
use crate::{has_tool, top};

/// A shell that can complete a line without a terminal of ours.
struct Shell {
    program: &'static str,
    /// Arguments before the words of the line.
    arguments: Vec<String>,
}

impl Shell {
    fn all() -> Vec<Self> {
        let script = |name: &str| {
            let path = top().join("tests/manual/shells").join(name);
            path.into_os_string().into_string().unwrap()
        };
        let shells = [
            ("bash", vec!["--norc".to_owned(), script("complete.bash")]),
            ("zsh", vec!["-f".to_owned(), script("complete.zsh")]),
            ("fish", vec!["--no-config".to_owned(), script("complete.fish")]),
        ];
        let shells = shells.map(|(program, arguments)| Self { program, arguments });
        let has =
            |shell: &Self| has_tool(shell.program, &format!("completions in {}", shell.program));
        shells.into_iter().filter(has).collect()
    }

    /// Returns the candidates for the last word of the line.
    fn candidates(&self, line: &str) -> BTreeSet<String> {
        let mut command = Command::new("timeout");
        command.args(["60", self.program]).args(&self.arguments).args([line]);
        command.current_dir(top().join("config/completions")).env("TERM", "dumb");
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{}: {line}: {stderr}", self.program);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    }
}

fn set(words: &str) -> BTreeSet<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn each_shell_completes_options_and_their_values() {
    for shell in Shell::all() {
        for (line, expected) in [
            ("groupcast-coordinator --max-m", "--max-members --max-members-per-address"),
            ("groupcast-coordinator --overflow ", "reject drop-oldest"),
            ("groupcast-coordinator --overflow r", "reject"),
            ("groupcast-coordinator --bind ", ""),
            ("groupcast-coordinator --log-level i", "info"),
            ("groupcast-site --engine-r", "--engine-replicas"),
            ("groupcast-site --engine-replicas ", "1 3 5"),
            ("groupcast-participant --no-l", "--no-log"),
            ("groupcast-participant --execute re", "register reconnect"),
            ("groupcast-participant -e sta", "stats status"),
        ] {
            assert_eq!(shell.candidates(line), set(expected), "{}: {line}", shell.program);
        }
        for line in ["groupcast-coordinator --access _", "groupcast-coordinator --check _"] {
            let expected = set("_groupcast-coordinator _groupcast-participant _groupcast-site");
            assert_eq!(shell.candidates(line), expected, "{}: {line}", shell.program);
        }
    }
}

#[test]
fn each_shell_completes_every_option() {
    let programs = Program::all();
    for shell in Shell::all() {
        for program in &programs {
            let found = shell.candidates(&format!("{} --", program.name));
            let all = program.options.iter().map(|option| format!("--{}", option.long));
            assert_eq!(found, all.collect(), "{}: {}", shell.program, program.name);
        }
    }
}
