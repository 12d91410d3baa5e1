//! Words and exit codes of sites.

use super::*;
use crate::net::engine::EngineError;

#[test]
fn a_stream_on_fewer_than_three_servers_is_named_with_their_number() {
    for (replicas, stored, expected) in [
        (1, "1 server", Some("1 server stores the list, fewer than 3: if its disk")),
        (2, "2 servers", Some("2 servers store the list, fewer than 3: if one of them")),
        (3, "3 servers", None),
        (5, "5 servers", None),
    ] {
        let warning = few_replicas(replicas);
        let begin = expected.map(|words| format!("engine: {words}"));
        assert_eq!(warning.is_some(), begin.is_some());
        assert!(warning.zip(begin).is_none_or(|(words, begin)| words.starts_with(&begin)));
        let stream = EngineStream { replicas, first: 1, last: 9, ..EngineStream::default() };
        let words = stream_words("class", &stream);
        assert!(words.ends_with(&format!(", stored on {stored}")), "{words}");
    }
}

#[test]
fn a_config_that_names_too_few_servers_is_warned_of() {
    let is_warned = |(names, replicas)| few_names(names, replicas).is_some();
    assert_eq!([(1, 3), (2, 3), (3, 3), (3, 1)].map(is_warned), [true, true, false, false]);
}

#[test]
fn a_start_that_a_signal_stops_names_the_list_that_was_being_read() {
    let stopped = CoordinatorError::StoppedReading("class".to_owned());
    assert!(stopped.is_stopped_start());
    let expected = "ended by a signal before the list of group class was read completely";
    assert_eq!(stopped.to_string(), expected);
}

#[test]
fn only_a_wrong_config_has_the_exit_code_after_which_no_restart_is_tried() {
    let rules = SharedRules { ttl_ms: 1, members_max: 1, drops_oldest: false, announces: false };
    let name = SiteName::parse("oslo").unwrap();
    let position = ListPosition(1);
    let words = || "words".to_owned();
    let ends = [
        (SiteEnd::OtherRules { group: rules, config: rules }, 2),
        (SiteEnd::NotFounded, 1),              // It may be founded later.
        (SiteEnd::NameInUse(name.clone()), 1), // The other process may end.
        (SiteEnd::Superseded(name), 1),
        (SiteEnd::TooManySites, 1), // A silent one is replaced after a day.
        (SiteEnd::NewerVersion(2), 1), // The program may be upgraded.
        (SiteEnd::NoSnapshot { last: position, version: Some(9) }, 1),
        (SiteEnd::Gone("words".into()), 1), // The stream may be restored.
    ];
    for (end, code) in ends {
        let words = end.to_string();
        assert_eq!(CoordinatorError::Site(end, None).exit_code(), code, "{words}");
    }
    let errors = [
        (EngineError::Options { key: "engine_ca", reason: words() }, 2),
        (EngineError::Group { name: words() }, 2),
        (EngineError::Monitor { url: words(), reason: words() }, 1),
        (EngineError::Unreachable { reason: words() }, 1),
        (EngineError::Unauthorized { reason: words() }, 1), // The servers may learn of it.
        (EngineError::Missing { stream: words() }, 1),
    ];
    for (error, code) in errors {
        let words = error.to_string();
        assert_eq!(CoordinatorError::Engine(error).exit_code(), code, "{words}");
    }
}
