//! `--init-keys` and `--invite`: from a plain config to a group with keys, with the real programs.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::participant::Running;
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

    /// Runs it with files of at most 512 bytes. A write beyond fails as on a full disk.
    fn said_with_full_disk(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let limit = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", limit]).arg(program("coordinator")).args(arguments);
        let Output { status, stdout, stderr } =
            command.current_dir(self.0.path()).output().unwrap();
        assert!(stdout.is_empty(), "an invitation is shown");
        (status.code(), String::from_utf8(stderr).unwrap())
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
fn a_further_invitation_gives_the_rights_of_the_first_one() {
    let folder = Folder::new();
    folder.said(&["--init-keys", "c.txt"]);
    let access = folder.read("access.txt");
    fs::write(folder.path("access.txt"), format!("{} receive ids=2\n", access.trim_end())).unwrap();
    let (code, _, said) = folder.said(&["--invite", "c.txt"]);
    assert_eq!(code, Some(0), "{said}");
    let access = folder.read("access.txt");
    let lines: Vec<_> = access.lines().filter(|it| it.starts_with("* secret=sha256:")).collect();
    assert_eq!(lines.len(), 2, "{access}");
    assert!(lines.iter().all(|line| line.ends_with(" receive ids=2")), "{access}");
    assert_eq!(folder.run(&["--check", "c.txt"]).status.code(), Some(0));
}

#[test]
fn an_invitation_that_would_give_others_its_rights_is_refused_and_changes_nothing() {
    let folder = Folder::new();
    folder.said(&["--init-keys", "c.txt"]);
    let access = "// guests\n* anyone receive\n";
    fs::write(folder.path("access.txt"), access).unwrap();
    let (code, shown, said) = folder.said(&["--invite", "c.txt"]);
    assert_eq!((code, shown.as_str()), (Some(2), ""), "{said}");
    assert!(said.contains("access.txt:3: right: found \"send receive list\""), "{said}");
    assert!(said.contains("expected the rights of line 2, or a line for other ids"), "{said}");
    assert_eq!(folder.read("access.txt"), access);
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

/// The config would name other files, or would no longer be valid.
#[test]
fn a_folder_that_no_line_of_a_config_can_name_is_refused() {
    let folder = Folder::new();
    for name in [" d", "d\ne", "d\nkeep=5\n"] {
        fs::create_dir(folder.path(name)).unwrap();
        let config = format!("{name}/c.txt");
        fs::write(folder.path(&config), "0\n60\n").unwrap();
        let (code, shown, said) = folder.said(&["--init-keys", &config]);
        assert_eq!((code, shown.as_str()), (Some(2), ""), "{said}");
        assert!(said.contains("cannot stand in a config"), "{said}");
        assert_eq!(fs::read_dir(folder.path(name)).unwrap().count(), 1, "{name:?}");
        assert_eq!(folder.read(&config), "0\n60\n");
    }
}

#[test]
fn a_config_that_is_no_file_is_refused_without_waiting_and_nothing_is_made() {
    let folder = Folder::new();
    let fifo = folder.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut command = Command::new(program("coordinator"));
    command.args(["--init-keys", "fifo"]).current_dir(folder.0.path());
    let mut init = Running::start(command);
    fs::write(&fifo, "0\n60\n").unwrap();
    assert_eq!(init.wait(), Some(2), "{}", init.said);
    assert!(init.said.contains("fifo: is no regular file"), "{}", init.said);
    assert_eq!(folder.names(), ["c.txt", "fifo"]);
}

#[test]
fn the_config_keeps_its_owner_and_its_group() {
    let folder = Folder::new();
    let config = folder.path("c.txt");
    let (uid, gid) = if rustix::process::geteuid().is_root() {
        (12_345, 23_456)
    } else {
        let metadata = fs::metadata(&config).unwrap();
        eprintln!("SKIPPED: a config of another owner: only the superuser can make one");
        (metadata.uid(), metadata.gid())
    };
    chown(&config, Some(uid), Some(gid)).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(folder.run(&["--init-keys", "c.txt"]).status.code(), Some(0));
    let after = fs::metadata(&config).unwrap();
    assert_eq!((after.uid(), after.gid(), after.mode() & 0o7777), (uid, gid, 0o640));
}

#[test]
fn the_name_of_a_folder_drives_no_terminal() {
    let folder = Folder::new();
    fs::create_dir(folder.path("d\u{1b}[2J")).unwrap();
    let config = "d\u{1b}[2J/c.txt";
    fs::write(folder.path(config), "0\n60\n").unwrap();
    for option in ["--init-keys", "--invite"] {
        let (code, _, said) = folder.said(&[option, config]);
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains('\u{1b}') && said.contains("d\\u{1b}[2J/access.txt"), "{said:?}");
    }
}

#[test]
fn a_full_disk_leaves_every_file_as_it_was() {
    let folder = Folder::new();
    let comments = "// A config that is too long for the disk.\n".repeat(12);
    let config = format!("0\n60\n{comments}");
    fs::write(folder.path("c.txt"), &config).unwrap();
    let (code, said) = folder.said_with_full_disk(&["--init-keys", "c.txt"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("c.txt.new: cannot be written: File too large"), "{said}");
    assert_eq!((folder.names(), folder.read("c.txt")), (vec!["c.txt".to_owned()], config));

    assert_eq!(folder.run(&["--init-keys", "c.txt"]).status.code(), Some(0));
    // Room for a part of the next line.
    let access = folder.read("access.txt");
    let access = format!("{access}//{}\n", "x".repeat(512 - 30 - access.len() - 3));
    fs::write(folder.path("access.txt"), &access).unwrap();
    let (code, said) = folder.said_with_full_disk(&["--invite", "c.txt"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("access.txt: cannot be written: File too large"), "{said}");
    assert_eq!(folder.read("access.txt"), access);
    assert_eq!(folder.run(&["--check", "c.txt"]).status.code(), Some(0));
}

#[test]
fn an_invitation_that_cannot_be_shown_can_be_replaced() {
    let folder = Folder::new();
    for (option, lines) in [("--init-keys", 1), ("--invite", 2)] {
        let command = format!("exec \"$0\" {option} c.txt > /dev/full");
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).arg(program("coordinator")).current_dir(folder.0.path());
        let output = shell.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot show the invitation: --invite makes another one"), "{said}");
        assert_eq!(folder.read("access.txt").matches("secret=").count(), lines);
    }
}
