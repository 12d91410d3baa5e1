//! Keys files on the disk.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;

const SECRET: &str = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";

fn invitation() -> String {
    format!("gc1:{}:{SECRET}\n", "0a".repeat(32))
}

/// A directory with the keys file of a participant that was not started yet.
fn first_start(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alice.keys");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    (directory, path)
}

#[test]
fn the_first_start_adds_a_key_and_later_ones_find_it() {
    let (directory, path) = first_start(&format!("// mine\n{}", invitation()));
    for mode in [0o600, 0o640, 0o400] {
        fs::write(&path, format!("// mine\n{}", invitation())).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let first = OpenedKeys::open(&path).unwrap();
        assert!(first.is_new);
        assert_eq!(first.keys.secret.unwrap().reveal(), SECRET);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("// mine\n{}", invitation())), "the invitation stays");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
        let again = OpenedKeys::open(&path).unwrap();
        assert!(!again.is_new);
        assert_eq!(again.identity.key_name(), first.identity.key_name());
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "nothing is written");
        fs::remove_file(&path).unwrap();
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "no other file is left");
}

#[test]
fn two_programs_with_one_new_file_have_one_key() {
    let (_directory, path) = first_start(&invitation());
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || {
                let opened = OpenedKeys::open(&path).unwrap();
                (opened.identity.key_name(), opened.is_new)
            })
        })
        .collect();
    let keys: Vec<_> = starts.into_iter().map(|start| start.join().unwrap()).collect();
    let own = OpenedKeys::open(&path).unwrap().identity.key_name();
    assert!(keys.iter().all(|(key, _)| *key == own), "{keys:?}");
    assert_eq!(keys.iter().filter(|(_, is_new)| *is_new).count(), 1, "{keys:?}");
}

#[test]
fn a_symbolic_link_and_an_unfinished_file_do_not_matter() {
    let (directory, path) = first_start(&invitation());
    let link = directory.path().join("link");
    symlink("alice.keys", &link).unwrap();
    fs::write(directory.path().join("alice.keys.unfinished"), "half").unwrap();
    let opened = OpenedKeys::open(&link).unwrap();
    assert!(opened.is_new && fs::symlink_metadata(&link).unwrap().is_symlink());
    let found = OpenedKeys::open(&path).unwrap();
    assert_eq!(found.identity.key_name(), opened.identity.key_name());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn a_file_that_others_can_open_is_refused_and_gets_no_key() {
    for mode in [0o644, 0o604, 0o602, 0o620, 0o666] {
        let (_directory, path) = first_start(&invitation());
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = OpenedKeys::open(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("mode: found {mode:04o}")), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), invitation());
    }
}

#[test]
fn a_bad_key_is_refused_and_no_error_shows_the_file() {
    let bad = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n\
               -----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n";
    for text in [invitation() + bad, invitation() + "secret=" + SECRET, SECRET.to_owned()] {
        let (_directory, path) = first_start(&text);
        let error = OpenedKeys::open(&path).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("0f0f") && !shown.contains("AAAA"), "{shown}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let (directory, path) = first_start(&invitation());
    let unfinished = directory.path().join("alice.keys.unfinished");
    fs::create_dir(&unfinished).unwrap();
    let error = OpenedKeys::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("alice.keys: the key of the participant, which the first start"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), invitation());
}

/// The shell's `<(...)`: a second reader would find nothing, and that of a FIFO would wait.
#[test]
fn an_invitation_from_a_pipe_is_refused_and_an_own_key_is_used() {
    use std::os::fd::AsRawFd as _;

    let (_directory, path) = first_start(&invitation());
    let own = OpenedKeys::open(&path).unwrap().identity.key_name();
    let open = |text: &str| {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        drop(writer);
        OpenedKeys::open(format!("/dev/fd/{}", reader.as_raw_fd()).as_ref())
    };
    let error = open(&invitation()).unwrap_err().to_string();
    assert!(error.contains("cannot be added: it is no regular file: start once"), "{error}");
    assert_eq!(open(&fs::read_to_string(path).unwrap()).unwrap().identity.key_name(), own);
}
