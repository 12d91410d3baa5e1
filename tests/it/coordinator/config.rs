//! Both programs at the shell: their options, what they say, and the config files as shipped.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use groupcast::config::{
    CoordinatorConfig, CoordinatorRun, CoordinatorTask, Host, Invocation, ParticipantRun,
};

const COORDINATOR: &str = env!("CARGO_BIN_EXE_coordinator");
/// Both programs, or the one that is built.
const PROGRAMS: &[(&str, &str)] = &[
    (COORDINATOR, "coordinator"),
    #[cfg(feature = "participant")]
    (PARTICIPANT, "participant"),
];
#[cfg(feature = "participant")]
const PARTICIPANT: &str = env!("CARGO_BIN_EXE_participant");

fn run(program: &str, arguments: &[&str]) -> Output {
    let top = env!("CARGO_MANIFEST_DIR");
    Command::new(program).current_dir(top).args(arguments).output().unwrap()
}

/// Checks the result of a program: exit code, standard output, standard error.
#[track_caller]
fn check(program: &str, arguments: &[&str], expected: (i32, &str, &str)) {
    let output = run(program, arguments);
    let words = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (code, stdout, stderr) = expected;
    let expected = (Some(code), stdout.to_owned(), stderr.to_owned());
    assert_eq!((output.status.code(), words(&output.stdout), words(&output.stderr)), expected);
}

#[test]
fn what_was_asked_for_goes_to_standard_output_and_is_exit_code_0() {
    let version = env!("CARGO_PKG_VERSION");
    for (program, name) in PROGRAMS {
        check(program, &["--version"], (0, &format!("{name} {version}\n"), ""));
        let help = run(program, &["--help"]);
        assert!(help.status.success() && help.stderr.is_empty());
        assert!(String::from_utf8(help.stdout).unwrap().contains("--log-level LEVEL"));
    }
    let file = "config/coordinator.txt";
    check(COORDINATOR, &["--check", file], (0, "config/coordinator.txt: valid\n", ""));
    #[cfg(feature = "participant")]
    for number in 1..=3 {
        let file = format!("config/participant{number}.txt");
        check(PARTICIPANT, &["--check", &file], (0, &format!("{file}: valid\n"), ""));
    }
}

#[test]
fn what_a_file_name_holds_does_not_drive_the_terminal() {
    let absent = "a\u{1b}[2J\nb\u{2028}c\u{202e}d";
    let shown = "a\\u{1b}[2J\\u{a}b\\u{2028}c\\u{202e}d";
    for (program, name) in PROGRAMS {
        let words =
            format!("{name}: {shown}: cannot be read: No such file or directory (os error 2)\n");
        check(program, &[absent], (2, "", &words));
        let words = format!("{name}: Unrecognized option: '{shown}'\n");
        let output = run(program, &[&format!("--{absent}")]);
        assert!(String::from_utf8(output.stderr).unwrap().starts_with(&words));
    }
    let words = format!("coordinator: journal {shown}: there is no such directory\n");
    check(COORDINATOR, &["--inspect", absent], (1, "", &words));
}

#[test]
fn what_cannot_be_run_goes_to_standard_error_and_is_exit_code_2() {
    for (program, name) in PROGRAMS {
        let or = if **name == *"participant" { "--id" } else { "--port and --ttl" };
        let words = format!(
            "{name}: found 0 config files, expected one, or {or}\n{name}: see '{name} --help'\n"
        );
        check(program, &[], (2, "", &words));
        let words =
            format!("{name}: absent.txt: cannot be read: No such file or directory (os error 2)\n");
        check(program, &["absent.txt"], (2, "", &words));
        check(program, &["--check", "absent.txt"], (2, "", &words));
    }
    check(
        COORDINATOR,
        &["--overflow", "never", "config/coordinator.txt"],
        (
            2,
            "",
            "coordinator: --overflow: found \"never\", expected reject or drop-oldest\n\
             coordinator: see 'coordinator --help'\n",
        ),
    );
    check(
        COORDINATOR,
        &["config/participant1.txt"],
        (
            2,
            "",
            "coordinator: config/participant1.txt:4: port: found \"alice\", \
             expected a port from 0 to 65535\n",
        ),
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_text_that_cannot_be_written_is_exit_code_1() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = Command::new(COORDINATOR).arg("--version").stdout(full).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn the_shipped_files_fit_together_and_name_every_key_with_its_default() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shipped = top.join("config/coordinator.txt");
    let load = |path: &Path| match CoordinatorRun::from_arguments([path.into()]) {
        Ok(Invocation::Run(CoordinatorTask::Serve(run))) => run.config,
        other => panic!("{other:?}"),
    };
    let config = load(&shipped);
    assert_eq!(config, CoordinatorConfig::new(5000, 60));

    let text = std::fs::read_to_string(&shipped).unwrap();
    let is_key =
        |line: &&str| line.starts_with("// ") && !line.contains(", ") && line.contains('=');
    let uncommented: String = text
        .lines()
        .map(|line| if is_key(&line) { line.trim_start_matches("// ") } else { line })
        .flat_map(|line| [line, "\n"])
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("coordinator.txt");
    std::fs::write(&path, &uncommented).unwrap();
    assert_eq!(load(&path), config);
    assert_eq!(text.lines().filter(is_key).count(), 28);

    for (number, id) in [(1, "alice"), (2, "bob"), (3, "carol")] {
        let path = top.join(format!("config/participant{number}.txt"));
        let Ok(Invocation::Run(run)) = ParticipantRun::from_arguments([path.into()], None) else {
            panic!("participant{number}.txt");
        };
        assert_eq!(run.config.id, id);
        assert_eq!(run.config.log_file, Some(format!("{id}.log").into()));
        let coordinator = run.config.coordinators.iter().next().unwrap();
        assert_eq!(coordinator.port, config.listen.port());
        let host = &coordinator.host;
        assert!(matches!(host, Host::Address(ip) if ip.is_loopback()), "{host:?}");
    }
}

/// A coordinator and the first line that it says.
fn started(mut command: Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    (child, said)
}

/// Ends a coordinator; returns its standard error.
fn ended(coordinator: Child) -> String {
    kill_process(Pid::from_child(&coordinator), Signal::TERM).unwrap();
    String::from_utf8(coordinator.wait_with_output().unwrap().stderr).unwrap()
}

#[test]
fn a_limit_on_open_files_below_what_the_config_lets_in_is_said_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("coordinator.txt");
    std::fs::write(&path, "0\n60\nbind=127.0.0.1\nmax_connections=1000000\n").unwrap();
    let million = "max_connections=1000000 and max_members=10000 need 1010000 files";
    for (members, connections, http, warning) in [
        (10_000, 1_000_000, "", Some(million)),
        (100, 200, "", None),
        (200, 250, "", None),
        (200, 250, "0", Some("max_connections=250, max_members=200 and http need 514 files")),
    ] {
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n 500 && exec \"$0\" \"$@\"", COORDINATOR])
            .args([format!("--max-members={members}"), format!("--max-connections={connections}")])
            .arg(format!("--http={http}"))
            .arg(&path);
        let (coordinator, said) = started(command);
        assert!(said.contains(" 500 files"), "{said}");
        let shown = ended(coordinator);
        let warning = warning.map(|it| format!("{it}, and 500 can be open: raise the limit"));
        let is_shown = |warning: String| shown.contains(&warning);
        assert!(warning.clone().is_none_or(is_shown), "{shown}");
        assert_eq!(shown.contains("can be open"), warning.is_some(), "{shown}");
        assert!(!shown.contains("the table of open files"), "{shown}");
    }
}

#[test]
fn requests_and_what_was_wrong_with_them_are_shown_to_who_asks_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("coordinator.txt");
    std::fs::write(&path, "0\n60\nbind=127.0.0.1\n").unwrap();
    for (option, shows_messages) in [("-v", false), ("-vv", true)] {
        let mut command = Command::new(COORDINATOR);
        command.arg(option).arg(&path);
        let (coordinator, said) = started(command);
        let (_, behind) = said.split_once("listening on ").unwrap();
        let mut client = TcpStream::connect(behind.split(',').next().unwrap()).unwrap();
        client.write_all(b"bob\nbob#ping#127.0.0.1\nbob#msend hi#127.0.0.1\n").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut replies = String::new();
        client.read_to_string(&mut replies).unwrap();
        assert_eq!(replies.lines().count(), 3, "{replies}");
        drop(client);
        let shown = ended(coordinator);
        assert!(shown.contains("127.0.0.1: bob#ping#127.0.0.1\n"), "{shown}");
        assert!(shown.contains("127.0.0.1: ERR 400 command: missing"), "{shown}");
        assert!(shown.contains("127.0.0.1: ERR 404 not a member: register first\n"), "{shown}");
        assert_eq!(shown.contains("msend hi"), shows_messages, "{shown}");
    }
}
