//! The content of the page after real events.

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use support::transcript::lock;

use crate::page::{Page, update_of};
use crate::served::Served;

#[test]
fn the_page_shows_members_messages_and_changes_as_they_happen() {
    let served = Served::start_with_journal();
    let Some(page) = Page::open(&served) else { return };
    page.until_shows("#sentence", "No members, nothing waits.");
    page.until_shows("#no-members", "No member is registered.");
    assert_eq!(page.text("#members"), "");

    let mut alice = served.coordinator.join("alice", "acks=1");
    let mut bob = served.coordinator.join("bob", "acks=1");
    page.until_shows("#sentence", "2 of 2 members online, nothing waits.");
    page.until_shows("#recent li:first-child", "bob registered: 127.0.0.1:");
    assert_eq!(page.texts("tbody th"), ["alice", "bob"]);

    alice.msend("one");
    bob.socket().delivery(1, "alice", "one");
    page.until_shows("#sentence", "2 of 2 members online, messages wait.");
    page.until_shows("tbody tr:nth-child(2) td:nth-child(4)", "1 (");
    bob.socket().ack(1);
    page.until_shows("#sentence", "nothing waits.");
    page.until_shows("#waiting", "No message waits.");

    bob.disconnect();
    page.until_shows("#sentence", "1 of 2 members online, nothing waits.");
    page.until_shows("#recent li:first-child", "bob went offline: disconnected");
    alice.msend("two");
    alice.msend("three");
    page.until_shows("#sentence", "1 of 2 members online, messages wait.");
    page.until_shows("#waiting", "Waiting: 2 messages");
    page.until_shows("#waiting", "Most are pending for bob: 2.");
    page.until_shows("tbody tr:nth-child(2)", "offline");
    page.until_shows("#counters", "3\n");
    page.until(
        "the rate of messages",
        "return document.querySelector('#accepted .line')
        .getAttribute('d').split('L').some((point) => !point.endsWith(' 100.00'));",
    );
    page.until(
        "a lag that grows",
        "return /^[23]/.test(document.querySelector(
        'tbody tr:nth-child(2) td:nth-child(3)').textContent);",
    );
    page.browser.picture("content-light");
    page.finish();
}

#[test]
fn what_the_page_shows_is_what_the_status_says() {
    let served = Served::start_with_journal();
    let _sender = served.crowd(2, 2);
    let Some(page) = Page::open(&served) else { return };
    let status = served.status();
    for part in ["version", "listen", "epoch"] {
        page.until_shows("#about", status[part].as_str().unwrap());
    }
    assert_eq!(page.text("h1"), status["name"].as_str().unwrap());
    assert_eq!(page.texts("tbody th").len(), 5);
    page.until_shows("#gauges", "Disk of the journal");
    assert_eq!(
        page.texts("#gauges .label"),
        ["Backlog", "Journal", "Members", "Connections", "Disk of the journal"]
    );
    let limits = page.browser.script(
        "return [...document.querySelectorAll('meter')]
        .map((it) => [it.value, it.max]);",
        &[],
    );
    let backlog = &status["backlog"];
    assert_eq!(limits[0], json!([backlog["bytes"], backlog["limit_bytes"]]), "the backlog");
    assert_eq!(limits[1][1], status["journal"]["waiting_limit_bytes"], "the journal");
    assert_eq!(limits[2], json!([5, status["members"]["limit"]]), "members");
    page.finish();
}

#[test]
fn a_disk_that_fails_comes_first_and_goes_when_it_works() {
    let served = Served::start_with_journal();
    let mut alice = served.coordinator.join("alice", "");
    let Some(page) = Page::open(&served) else { return };
    page.until_shows("#sentence", "1 of 1 member online, nothing waits.");
    assert!(!page.text("#problems").contains("Not ready"));
    let pid = Pid::from_child(&lock(&served.coordinator.transcript.child));
    let limit = |current| prlimit(Some(pid), Resource::Fsize, Rlimit { current, maximum: None });
    limit(Some(0)).unwrap();
    alice.command.say("alice#msend one#127.0.0.1");
    page.until_shows("#problems", "Not ready: ");
    page.until_shows("#gauges", "Cannot be written");
    let title = page.browser.script("return document.title", &[]);
    assert!(title.as_str().unwrap().starts_with("Problem: "), "{title}");
    page.browser.picture("journal-failing");
    limit(None).unwrap();
    page.until(
        "the end of it",
        "return !document.getElementById('problems').textContent
        .includes('Not ready');",
    );
    page.finish();
}

#[test]
fn each_problem_has_its_words_before_the_state() {
    let served = Served::start_with_journal();
    drop(served.register_here("bob"));
    let Some(page) = Page::open(&served) else { return };
    page.until_shows("#problems", "No member is online.");
    let status = served.status();
    let good = {
        let mut update = update_of(&status);
        update["members"]["online"] = json!(1);
        update["journal"]["disk_bytes"] = json!(100);
        update["journal"]["disk_free_bytes"] = json!(10);
        update
    };
    page.hand("update", &good);
    assert_eq!(page.text("#problems"), "");
    let limit = good["backlog"]["limit_bytes"].as_f64().unwrap();
    let check = |path: &str, value: serde_json::Value, expected: &str| {
        let mut update = good.clone();
        *update.pointer_mut(path).unwrap() = value;
        page.hand("update", &update);
        assert_eq!(page.text("#problems"), expected, "{path}");
    };
    check("/backlog/bytes", json!(limit * 0.79), "");
    check("/backlog/bytes", json!(limit * 0.81), "The backlog is more than 80 % full.");
    check("/backlog/bytes", json!(limit), "The backlog is full.");
    check(
        "/journal/failing",
        json!(true),
        "The journal cannot be written: nothing new is confirmed.",
    );
    check("/journal/disk_free_bytes", json!(9), "The disk of the journal has less than 10 % free.");
    check("/ready", json!(false), "Not ready: no reason is known.");
    check("/members/online", json!(0), "No member is online.");
    page.finish();
}

#[test]
fn a_screen_reader_speaks_the_state_only_when_it_changes() {
    let served = Served::start();
    let _alice = served.coordinator.join("alice", "");
    let Some(page) = Page::open(&served) else { return };
    page.until_shows("#sentence", "1 of 1 member online, nothing waits.");
    let live = "return [...document.querySelectorAll('[aria-live], [role=status], [role=alert]')]
        .map((it) => it.id);";
    assert_eq!(page.browser.script(live, &[]), json!(["state"]));
    page.browser.script(
        "window.touched = 0; window.updates = 0;
        new MutationObserver((all) => window.touched += all.length).observe(
            document.getElementById('state'),
            { subtree: true, childList: true, characterData: true, attributes: true });
        window.streams.at(-1).addEventListener('update', () => window.updates += 1);",
        &[],
    );
    page.until("three updates", "return window.updates >= 3");
    assert_eq!(page.browser.script("return window.touched", &[]), json!(0));
    let _bob = served.coordinator.join("bob", "");
    page.until_shows("#sentence", "2 of 2 members online, nothing waits.");
    page.finish();
}
