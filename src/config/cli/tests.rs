use super::*;
use crate::config::key::KEYS;

fn arguments(words: &str) -> Vec<OsString> {
    words.split_whitespace().map(OsString::from).collect()
}

#[track_caller]
fn check(words: &str, expected: &str) {
    for error in [
        CoordinatorRun::from_arguments(arguments(words)).unwrap_err(),
        ParticipantRun::from_arguments(arguments(words), None).unwrap_err(),
    ] {
        assert_eq!((error.to_string().as_str(), error.is_usage()), (expected, true), "{words}");
    }
}

#[test]
fn a_wrong_command_line_gets_a_clear_error() {
    let none = CoordinatorRun::from_arguments(arguments("")).unwrap_err();
    assert_eq!(none.to_string(), "found 0 config files, expected one, or --port and --ttl");
    let none = ParticipantRun::from_arguments(arguments(""), None).unwrap_err();
    assert_eq!(none.to_string(), "found 0 config files, expected one, or --id");
    assert!(none.is_usage());
    check("a b", "found 2 config files, expected one");
    check("--color a", "Unrecognized option: 'color'");
    check("--check --check a", "Option 'check' given more than once");
    check("--check=1 a", "Option 'check' does not take an argument");
    check("a --log-level", "Argument to option 'log-level' missing");
    check("-v --log-level info a", "found both --verbose and --log-level, expected one");
    check(
        "--log-level loud a",
        "--log-level: found \"loud\", expected off, error, warn, info, debug or trace",
    );
}

#[test]
fn an_argument_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let wrong = ["-e".into(), OsString::from_vec(b"msend \xff".to_vec()), "a".into()];
    let error = ParticipantRun::from_arguments(wrong, None).unwrap_err();
    assert_eq!(error.to_string(), "argument \"msend \\xFF\" is not UTF-8");
}

#[test]
fn help_and_version_need_no_config_file() {
    for words in ["-h", "--help", "--help --check absent.txt", "--version --help"] {
        for call in [
            CoordinatorRun::from_arguments(arguments(words)).map(|call| text(&call)),
            ParticipantRun::from_arguments(arguments(words), None).map(|call| text(&call)),
        ] {
            let text = call.unwrap();
            assert!(text.contains("\nUsage: ") && text.ends_with(EXIT_CODES), "{text}");
            assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        }
    }
    let version = CoordinatorRun::from_arguments(arguments("--version absent.txt"));
    let expected = format!("coordinator {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(version.map(|call| text(&call)), Ok(expected));
}

fn text<R>(call: &Invocation<R>) -> String {
    match call {
        Invocation::Show(text) => text.clone(),
        Invocation::Run(_) => panic!("nothing shown"),
    }
}

fn run<R>(call: Result<Invocation<R>, ConfigError>) -> R {
    match call.unwrap() {
        Invocation::Run(run) => run,
        Invocation::Show(text) => panic!("{text}"),
    }
}

fn served(call: Result<Invocation<CoordinatorTask>, ConfigError>) -> CoordinatorRun {
    match run(call) {
        CoordinatorTask::Serve(run) => run,
        other @ (CoordinatorTask::Check { .. }
        | CoordinatorTask::InitKeys(..)
        | CoordinatorTask::Invite(..)
        | CoordinatorTask::Inspect(_)
        | CoordinatorTask::Health(_)) => panic!("{other:?}"),
        #[cfg(feature = "engine")]
        other @ CoordinatorTask::OfSite(_) => panic!("{other:?}"),
    }
}

#[test]
fn a_journal_is_inspected_without_a_config_file_and_without_anything_else() {
    for words in ["--inspect data", "--inspect=data"] {
        let task = run(CoordinatorRun::from_arguments(arguments(words)));
        assert_eq!(task, CoordinatorTask::Inspect("data".into()));
    }
    for words in ["c.txt", "--check", "-v", "--log-level info", "--data-dir x", "--sync never"] {
        let words = format!("--inspect data {words}");
        let error = CoordinatorRun::from_arguments(arguments(&words)).unwrap_err();
        let expected = "--inspect takes no other option and no config file";
        assert_eq!((error.to_string().as_str(), error.is_usage()), (expected, true), "{words}");
    }
}

#[test]
fn a_sign_of_life_is_asked_for_without_a_config_file_and_without_anything_else() {
    let task = run(CoordinatorRun::from_arguments(arguments("--health [::1]:5000")));
    assert_eq!(task, CoordinatorTask::Health(Endpoint::parse("[::1]:5000").unwrap()));
    for (words, expected) in [
        ("--health hub:1 c.txt", "--health takes no other option and no config file"),
        ("--health hub:1 --port 1", "--health takes no other option and no config file"),
        ("--health hub:1 --inspect x", "--inspect takes no other option and no config file"),
        ("--health hub", "--health: found \"hub\", expected an address or a host name, and a port"),
        ("--init-keys", "found 0 config files, expected one, or --port and --ttl"),
        ("--invite --port 1 --ttl 1", "--invite takes no other option"),
    ] {
        let error = CoordinatorRun::from_arguments(arguments(words)).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{words}: {error}");
        assert!(error.is_usage(), "{words}");
    }
}

#[test]
fn an_option_that_must_be_alone_sees_each_other_option() {
    for program in [
        Program::Coordinator,
        #[cfg(feature = "engine")]
        Program::Site,
    ] {
        let options = coordinator_options(program);
        let none = options.parse([""; 0]).unwrap();
        let help = options.usage("");
        let names = help.split_whitespace().filter_map(|word| word.strip_prefix("--"));
        let names: Vec<&str> = names.filter(|name| none.opt_defined(name)).collect();
        assert!(names.len() > 30, "{names:?}");
        for name in names.into_iter().filter(|name| !["help", "version"].contains(name)) {
            let flag = options.parse([format!("--{name}")]);
            let matches = flag.or_else(|_| options.parse([format!("--{name}=1")])).unwrap();
            assert!(has_others(&matches, "another"), "--{name} of {program:?}");
            assert!(!has_others(&matches, name), "--{name} of {program:?}");
        }
    }
}

#[cfg(feature = "engine")]
#[test]
fn a_group_is_founded_only_where_nothing_else_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("site.txt");
    std::fs::write(&file, "0\n60\nengine=nats://127.0.0.1:1\ngroup=class\nsite=one\n").unwrap();
    let file = file.display();
    for (words, expected) in [
        (format!("--check --found {file}"), "found both --check and --found, expected one"),
        (
            format!("--check --found --import data {file}"),
            "found both --check and --found, expected one",
        ),
        (format!("--init-keys --found {file}"), "--init-keys takes no other option"),
        (format!("--invite --found {file}"), "--invite takes no other option"),
        (format!("--inspect {file} --found"), "--inspect takes no other option and no config file"),
        (
            format!("--inspect {file} --import x"),
            "--inspect takes no other option and no config file",
        ),
        ("--health hub:1 --found".to_owned(), "--health takes no other option and no config file"),
        (format!("--import data {file}"), "--import needs --found"),
        (format!("--found --new-epoch {file}"), "found both --new-epoch and --found, expected one"),
    ] {
        let error = CoordinatorRun::of_program(Program::Site, arguments(&words)).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.is_usage()), (expected, true), "{words}");
    }
    for words in [format!("--check {file}"), format!("--found {file}")] {
        assert!(CoordinatorRun::of_program(Program::Site, arguments(&words)).is_ok(), "{words}");
    }
}

#[test]
fn the_help_names_every_key_with_its_default() {
    let help = text(&CoordinatorRun::from_arguments(arguments("--help")).unwrap());
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for key in &KEYS {
        let shown = (key.show)(&CoordinatorConfig::new(0, 0));
        let default = if shown.is_empty() { key.without_value() } else { &shown };
        let line = format!("--{} {} {} (default {default})", key.option(), key.hint, key.about);
        assert!(words.contains(&line), "{line}\n{help}");
    }
    let [first, .., last] = KEYS.each_ref().map(ConfigKey::option);
    assert!(
        words.contains(&format!(
            "The keys are the options from --{first} to --{last}, with _ for -"
        )),
        "{help}"
    );
}

#[test]
fn options_reach_the_run_of_a_coordinator() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.txt");
    std::fs::write(&path, "5000\n60\nmax_line=1k\n").unwrap();
    let coordinator = |words: &str| {
        let words = format!("{words} {}", path.display());
        served(CoordinatorRun::from_arguments(arguments(&words)))
    };
    let plain = CoordinatorConfig { max_line: 1024, ..CoordinatorConfig::new(5000, 60) };
    assert_eq!(coordinator("").config, plain);
    let mut wins = CoordinatorConfig { max_line: 2048, ..plain };
    wins.counts.max_members = 3;
    assert_eq!(coordinator("--max-line 2k --max-members=3").config, wins);
    wins.ttl_s = 5;
    wins.listen.set_port(7);
    let words = "--max-line 2k --max-members=3 --ttl 5 --port=7";
    assert_eq!(coordinator(words).config, wins);
    wins = CoordinatorConfig { max_line: 2048, ..CoordinatorConfig::new(7, 5) };
    let without_file = arguments("--max-line 2k --port 7 --ttl 5");
    let without_file = served(CoordinatorRun::from_arguments(without_file));
    assert_eq!(without_file.config, wins);
    assert_eq!(without_file.source.load(Fifos::Awaited), Ok(wins));
    for (words, level) in [
        ("", LevelFilter::Info),
        ("-v", LevelFilter::Debug),
        ("-vv", LevelFilter::Trace),
        ("-v --verbose -v", LevelFilter::Trace),
        ("--log-level off", LevelFilter::Off),
        ("--log-level=error", LevelFilter::Error),
    ] {
        assert_eq!(coordinator(words).config.log_level, level, "{words}");
    }
}

#[test]
fn options_reach_the_run_of_a_participant() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.txt");
    std::fs::write(&path, "a\nl\n::1 5000\n").unwrap();
    let participant = |words: &str| {
        let words = format!("{words} {}", path.display());
        run(ParticipantRun::from_arguments(arguments(&words), None))
    };
    let plain = ParticipantOptions {
        execute: Vec::new(),
        interactive: false,
        exit_on_error: false,
        join: false,
        follow: false,
        quiet: false,
        time: false,
        history: true,
        reconnect: true,
        store: StoreOptions::default(),
        top: false,
        script: ScriptOptions::default(),
    };
    assert_eq!(participant("").options, plain);
    assert_eq!(participant("").log_level, LevelFilter::Warn);
    assert_eq!(participant("-v").log_level, LevelFilter::Info);
    let all = ParticipantOptions {
        execute: vec!["ping".to_owned(), "stats".to_owned()],
        interactive: true,
        exit_on_error: true,
        join: true,
        follow: true,
        quiet: true,
        time: true,
        history: false,
        reconnect: false,
        store: StoreOptions { sync: true, outbox: None },
        ..plain.clone()
    };
    let words = "-e ping -fqi --time --join --exit-on-error --execute=stats --no-reconnect --sync \
                 --no-history";
    assert_eq!(participant(words).options, all);
    let script = ScriptOptions { count: Some(3), ..ScriptOptions::default() };
    let top = ParticipantOptions { top: true, script, ..plain };
    assert_eq!(participant("--top --count 3").options, top);
    assert_eq!(all.commands(), ["join", "ping", "stats"]);
    for words in ["--join --last 20", "--count 5 --last 20"] {
        assert_eq!(participant(words).options.commands(), ["join last=20"], "{words}");
    }
    for (words, reads_input) in [("", true), ("-f", true), ("-e ping", false), ("-ie ping", true)] {
        assert_eq!(participant(words).options.reads_input(), reads_input, "{words}");
    }
}

/// The options of a participant that needs no config file.
fn options_without_file(words: &str) -> ParticipantOptions {
    let words = arguments(&format!("--id a --coordinator b:1 {words}"));
    run(ParticipantRun::from_arguments(words, None)).options
}

#[test]
fn options_for_scripts_reach_the_run_of_a_participant() {
    let script = ScriptOptions {
        lines: true,
        send: vec!["a".to_owned(), "b".to_owned()],
        count: Some(18_000),
        timeout_ms: Some(1_500),
        last: None,
        json: true,
        exec: Some("cat".to_owned()),
    };
    let words = "--lines --send a --send=b --count 18000 --timeout 1.5 --json --exec cat";
    assert_eq!(options_without_file(words).script, script);
}

#[test]
fn options_that_exclude_each_other_or_need_another_are_refused() {
    let refused = |words: &str| {
        let words = arguments(&format!("--id a --coordinator b:1 {words}"));
        ParticipantRun::from_arguments(words, None).unwrap_err().to_string()
    };
    assert_eq!(refused("--last 3"), "--last needs --join or --count");
    let last = refused("--join --last=-1");
    assert_eq!(
        last,
        "--last: found \"-1\", expected a whole number from 0 to 18446744073709551615"
    );
    for option in ["--join", "--sync", "--no-log", "--follow"] {
        assert_eq!(refused(&format!("--top {option}")), format!("found both --top and {option}"));
    }
    assert_eq!(refused("--top -e ping"), "found both --top and --execute");
    assert_eq!(refused("--sync --no-log"), "found both --no-log and --sync");
    assert_eq!(refused("--no-log --log x"), "found both --no-log and --log");
    assert_eq!(refused("--lines -i"), "found both --lines and --interactive");
    assert!(refused("--outbox o --send x").starts_with("--outbox keeps texts for a member "));
    assert!(refused("--no-log -q --send x").starts_with("--quiet and --no-log neither show nor "));
    for (option, value, expected) in [
        ("count", "0", "a whole number from 1 to 9223372036854775807"),
        ("count", "x", "a whole number from 1 to 9223372036854775807"),
        ("timeout", "0", "seconds from 0.001 to 31536000, with at most three decimals"),
        ("timeout", "1e3", "seconds from 0.001 to 31536000, with at most three decimals"),
    ] {
        let found = refused(&format!("--{option}={value}"));
        assert_eq!(found, format!("--{option}: found \"{value}\", expected {expected}"));
    }
}

#[test]
fn a_verb_reads_no_commands_and_leaves_as_found_unless_the_user_decides() {
    for (words, membership, commands, reads_input) in [
        ("--timeout 1", Membership::OfCommands, &[][..], true),
        ("--join", Membership::Joins, &["join"], true),
        ("--send x", Membership::VisitsToSend, &["msend x"], false),
        ("--send x -i", Membership::VisitsToSend, &["msend x"], true),
        ("--send x --count 1", Membership::Visits, &["join", "msend x"], false),
        ("--send x --join", Membership::Joins, &["join", "msend x"], false),
        ("--send x -e ping", Membership::OfCommands, &["ping", "msend x"], false),
        ("--lines", Membership::VisitsToSend, &[], true),
        ("--lines -e ping", Membership::OfCommands, &["ping"], true),
        ("--exec cat", Membership::Visits, &["join"], false),
        ("--count 1", Membership::Visits, &["join"], false),
        ("--count 1 -q --no-log", Membership::Visits, &["join"], false),
    ] {
        let options = options_without_file(words);
        assert_eq!(options.membership(), membership, "{words}");
        assert_eq!(options.commands(), commands, "{words}");
        assert_eq!(options.reads_input(), reads_input, "{words}");
    }
}

#[test]
fn an_unusable_config_file_is_one_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("large"), vec![b'\n'; 65_537]).unwrap();
    std::fs::write(path("full"), [vec![b'\n'; 65_536 - 7], b"5000\n60".to_vec()].concat()).unwrap();
    std::fs::write(path("empty"), "").unwrap();
    let error = |name: &str| CoordinatorRun::from_arguments([OsString::from(name)]).unwrap_err();
    for (path, expected) in [
        (path("absent"), "cannot be read: No such file or directory (os error 2)"),
        (path("."), "cannot be read: Is a directory (os error 21)"),
        (path("large"), "larger than 65536 bytes: not a config file"),
        ("/dev/zero".to_owned(), "larger than 65536 bytes: not a config file"),
    ] {
        let error = error(&path);
        assert_eq!(error.to_string(), format!("{path}: {expected}"));
        assert!(!error.is_usage());
    }
    let empty = format!("{}:1: port: found the end of the file", path("empty"));
    assert!(error(&path("empty")).to_string().starts_with(&empty));
    let full = CoordinatorRun::from_arguments([OsString::from(path("full"))]);
    assert_eq!(served(full).config, CoordinatorConfig::new(5000, 60));
}
