//! `--init-keys` and `--invite`: from a plain config to a group with keys, with the real programs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::program;
use tempfile::TempDir;

/// A folder with a config, in which the coordinator runs.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::write(folder.path("c.txt"), "0\n60").unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program("coordinator"));
        command.args(arguments).current_dir(self.0.path()).output().unwrap()
    }

    /// Runs it, and returns its exit code, standard output and standard error.
    fn said(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let Output { status, stdout, stderr } = self.run(arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code(), text(stdout), text(stderr))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[track_caller]
fn check_invitation(line: &str) {
    let parts: Vec<&str> = line.trim_end().split(':').collect();
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    assert_eq!((parts.len(), parts[0]), (3, "gc1"), "{line}");
    assert!(parts[1].len() == 64 && is_hex(parts[1]), "{line}");
    assert!(parts[2].len() == 32 && is_hex(parts[2]), "{line}");
}

#[test]
fn one_command_makes_a_group_with_keys_and_a_second_one_changes_nothing() {
    let folder = Folder::new();
    fs::set_permissions(folder.path("c.txt"), fs::Permissions::from_mode(0o640)).unwrap();
    let (code, invitation, said) = folder.said(&["--init-keys", "c.txt"]);
    assert_eq!(code, Some(0), "{said}");
    check_invitation(&invitation);
    assert!(said.starts_with("Made coordinator.keys, coordinator.crt and access.txt"), "{said}");
    let expected = ["access.txt", "c.txt", "coordinator.crt", "coordinator.keys"];
    assert_eq!(folder.names(), expected);
    let modes = expected.map(|name| mode(&folder.path(name)));
    assert_eq!(modes, [0o600, 0o640, 0o644, 0o600]);
    let secret = invitation.trim_end().rsplit(':').next().unwrap().to_owned();
    let key = invitation.split(':').nth(1).unwrap();
    for name in expected {
        assert!(!folder.read(name).contains(&secret), "{name} has the secret itself");
    }
    assert_eq!(folder.read("c.txt"), "0\n60\n\ntls=coordinator.keys\naccess=access.txt\n");
    let (code, checked, said) = folder.said(&["--check", "c.txt"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(checked.starts_with("c.txt: valid\n") && checked.contains(key), "{checked}");

    let before = expected.map(|name| folder.read(name));
    let (code, shown, said) = folder.said(&["--init-keys", "c.txt"]);
    assert_eq!((code, shown.as_str()), (Some(2), ""), "{said}");
    assert!(said.contains("c.txt: has tls= already: nothing was changed"), "{said}");
    assert_eq!(expected.map(|name| folder.read(name)), before);
    fs::write(folder.path("c.txt"), "0\n60\ntls=coordinator.keys\n").unwrap();
    let (_, _, said) = folder.said(&["--invite", "c.txt"]);
    assert!(said.contains("c.txt: has no access=: add it, and an access file"), "{said}");
}

#[test]
fn a_file_that_is_there_is_never_overwritten() {
    for name in ["coordinator.keys", "coordinator.crt", "access.txt"] {
        let folder = Folder::new();
        fs::write(folder.path(name), "mine").unwrap();
        let (code, shown, said) = folder.said(&["--init-keys", "c.txt"]);
        assert_eq!((code, shown.as_str()), (Some(2), ""), "{said}");
        assert!(said.contains(&format!("{name}: exists already")), "{said}");
        let mut expected = ["c.txt", name];
        expected.sort_unstable();
        assert_eq!(folder.names(), expected, "no other file is left");
        assert_eq!((folder.read(name), folder.read("c.txt")), ("mine".into(), "0\n60".into()));
    }
}

#[test]
fn each_invitation_adds_one_line_that_is_in_force() {
    let folder = Folder::new();
    let (_, _, said) = folder.said(&["--invite", "c.txt"]);
    assert!(said.contains("c.txt: has no tls= and access=: make them with --init-keys"), "{said}");
    let (_, first, _) = folder.said(&["--init-keys", "c.txt"]);
    // A last line that an editor left without its LF.
    let access = folder.read("access.txt");
    fs::write(folder.path("access.txt"), access.trim_end()).unwrap();
    let (code, second, said) = folder.said(&["--invite", "c.txt"]);
    assert_eq!(code, Some(0), "{said}");
    check_invitation(&second);
    assert_ne!(first, second);
    assert_eq!(first.split(':').nth(1), second.split(':').nth(1), "the same key");
    let access = folder.read("access.txt");
    let lines: Vec<_> = access.lines().filter(|it| it.starts_with("* secret=sha256:")).collect();
    assert_eq!(lines.len(), 2, "{access}");
    assert!(said.contains(&format!("Added the line `{}` to access.txt", lines[1])), "{said}");
    assert!(said.contains("all rights"), "{said}");
    assert_eq!(folder.run(&["--check", "c.txt"]).status.code(), Some(0));
}

#[test]
fn both_take_no_other_option() {
    let folder = Folder::new();
    for option in ["--init-keys", "--invite"] {
        for other in ["--check", "-v", "--new-epoch", "--tls=x", "--keep=5"] {
            let (code, shown, said) = folder.said(&[option, other, "c.txt"]);
            assert_eq!((code, shown.as_str()), (Some(2), ""), "{option} {other}");
            assert!(said.contains(&format!("{option} takes no other option")), "{said}");
        }
    }
    assert_eq!(folder.names(), ["c.txt"]);
}
