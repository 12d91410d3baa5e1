//! A coordinator that stops, stands still, or comes back.

use serde_json::json;

use crate::page::Page;
use crate::served::Served;

#[test]
fn a_page_whose_coordinator_is_gone_says_so_and_comes_back_with_it() {
    let served = Served::start_with_journal();
    let alice = served.coordinator.join("alice", "");
    let Some(page) = Page::open(&served) else { return };
    page.until_shows("#sentence", "1 of 1 member online, nothing waits.");
    served.coordinator.terminate();
    served.coordinator.wait();
    page.until_shows("#problems", "No update since ");
    page.until_shows("#updated", " s ago.");
    let stale = "return document.documentElement.dataset.state === 'stale'
        && document.title.startsWith('Stale: ')
        && /Last update: \\d\\d:\\d\\d:\\d\\d, \\d+ s ago/.test(
            document.getElementById('updated').textContent);";
    page.until("the words about the last update", stale);
    page.browser.picture("stale");
    drop(alice);

    let served = served.start_again();
    page.until_shows("#problems", "No member is online.");
    page.until_shows("#sentence", "0 of 1 member online, nothing waits.");
    let _bob = served.coordinator.join("bob", "");
    page.until_shows("#sentence", "1 of 2 members online, nothing waits.");
    page.until("its end", "return document.documentElement.dataset.state !== 'stale'");
    page.finish_after_outage();
}

#[test]
fn a_page_whose_coordinator_stands_still_says_so_and_goes_on_with_it() {
    let served = Served::start();
    let _alice = served.coordinator.join("alice", "");
    let Some(page) = Page::open(&served) else { return };
    page.until_shows("#sentence", "1 of 1 member online, nothing waits.");
    assert_eq!(page.text("#problems"), "");
    served.coordinator.stop();
    page.until_shows("#problems", "No update since ");
    served.coordinator.go_on();
    page.until("no problem", "return document.documentElement.dataset.state === 'ok'");
    page.finish();
}

#[test]
fn a_page_without_events_connects_again() {
    let served = Served::start();
    let Some(page) = Page::open(&served) else { return };
    // As after a cut cable: the stream is open, and nothing comes.
    page.browser.script("window.streams[0].close()", &[]);
    page.until_shows("#problems", "No update since ");
    page.until("a second stream", "return window.streams.length === 2");
    page.until("no problem", "return document.documentElement.dataset.state === 'ok'");
    page.finish();
}

#[test]
fn a_page_that_is_refused_asks_again() {
    let served = Served::start();
    let Some(page) = Page::open(&served) else { return };
    // As a server does that has no room: the browser gives up after any answer but 200.
    page.browser.script(
        "const [stream] = window.streams;
        stream.close();
        stream.dispatchEvent(new Event('error'));",
        &[],
    );
    page.until("a second stream", "return window.streams.length === 2");
    page.until("its first event", "return window.streams[1].readyState === EventSource.OPEN");
    page.finish();
}

#[test]
fn a_page_of_another_version_loads_again() {
    let served = Served::start();
    let Some(page) = Page::open(&served) else { return };
    page.browser.script("window.isOld = true;", &[]);
    let mut status = served.status();
    status["version"] = json!("0.0.0-other");
    page.hand("status", &status);
    page.until("a new page", "return window.isOld === undefined && window.streams.length === 1");
    page.until_shows("#about", served.status()["version"].as_str().unwrap());
    page.finish();
}
