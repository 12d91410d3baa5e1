//! The start: a stream is founded once, and opened only as it was founded.

use std::sync::Arc;

use groupcast::net::Pool;
use groupcast::net::engine::{Engine, EngineError, EngineOptions, EngineStream};
use mio::Poll;
use serde_json::Value;

use crate::raw::Raw;
use crate::servers::Servers;

pub(crate) fn open(options: &EngineOptions) -> Result<EngineStream, EngineError> {
    let poll = Poll::new().unwrap();
    let waker = Pool::new(poll.registry()).unwrap().waker();
    Engine::open(options, Arc::clone(&waker)).map(|(_, stream)| stream)
}

#[test]
fn a_stream_is_founded_once_and_opened_only_with_its_settings() {
    let Some(servers) = Servers::start(1, "") else { return };
    let options = servers.options();
    let error = open(&options).unwrap_err();
    assert_eq!(error, EngineError::Missing { stream: "GC_g".to_owned() });
    let founded = Engine::found(&options, servers.new_stream()).unwrap();
    assert_eq!(founded.bytes_max, 1 << 30);
    let error = Engine::found(&options, servers.new_stream()).unwrap_err();
    assert_eq!(error, EngineError::Exists { stream: "GC_g".to_owned() });
    assert_eq!(open(&options).unwrap().created_ns, founded.created_ns);
    // An operator changes settings.
    let mut raw = Raw::connect(&servers.all[0]);
    let founded = raw.api("INFO", "")["config"].clone();
    let others = [
        ("subjects", r#"["groupcast.g.log"]"#),
        ("discard", "\"old\""),
        ("max_age", "3600000000000"),
        ("max_msgs", "100"),
        ("max_bytes", "-1"),
        ("allow_rollup_hdrs", "true"),
    ];
    for (setting, other) in others {
        let mut changed = founded.clone();
        changed[setting] = serde_json::from_str::<Value>(other).unwrap();
        raw.api("UPDATE", &changed.to_string());
        let error = open(&options).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("stream GC_g has {setting} {other}, expected ")),
            "{error}"
        );
    }
    raw.api("UPDATE", &founded.to_string());
    open(&options).unwrap();
}

#[test]
fn of_two_founders_at_once_one_is_refused() {
    let Some(servers) = Servers::start(1, "") else { return };
    let options = servers.options();
    let new = servers.new_stream();
    let founder = || {
        let options = options.clone();
        std::thread::spawn(move || Engine::found(&options, new))
    };
    let founders: Vec<_> = (0..4).map(|_| founder()).collect();
    let founded: Vec<_> = founders.into_iter().map(|it| it.join().unwrap()).collect();
    assert_eq!(founded.iter().filter(|it| it.is_ok()).count(), 1, "{founded:?}");
}

#[test]
fn a_server_that_is_not_safe_or_too_old_or_absent_is_named() {
    let Some(servers) = Servers::start(1, "") else { return };
    let mut options = servers.options();
    options.monitors = vec![servers.all[0].monitor()];
    let expected = "server n1 has jetstream sync_interval 120s, expected always: change its \
                    configuration";
    assert_eq!(open(&options).unwrap_err().to_string(), expected);
    options.monitors = vec!["https://127.0.0.1:1".to_owned()];
    assert!(open(&options).unwrap_err().to_string().contains("expected http://host:port"));
    options.monitors = vec![format!("http://127.0.0.1:{}", servers.all[0].port())];
    assert!(open(&options).unwrap_err().to_string().contains("the answer is no HTTP"));
    options.monitors.clear();
    for url in ["http://127.0.0.1:1", "127.0.0.1:4222", "ws://h:1", "nats://u:secret@"] {
        options.servers = vec![url.to_owned()];
        let error = open(&options).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    options.group = "a.b".to_owned();
    assert!(open(&options).unwrap_err().to_string().starts_with("group \"a.b\" is not"));
}

#[test]
fn a_server_that_syncs_always_is_accepted() {
    let Some(program) = Servers::start_syncing(1) else { return };
    let mut options = program.options();
    options.monitors = vec![program.all[0].monitor()];
    Engine::found(&options, program.new_stream()).unwrap();
    open(&options).unwrap();
}

#[test]
fn a_short_payload_limit_is_refused() {
    let Some(servers) = Servers::start(1, "max_payload: 100000") else { return };
    let error = open(&servers.options()).unwrap_err().to_string();
    assert!(error.contains("has max_payload 100000, expected at least 3"), "{error}");
}
