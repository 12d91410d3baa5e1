//! The table of sites, which a program with the feature `engine` has in its page. Its data comes
//! from the test: a group of several sites needs servers.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::page::{Page, update_of};
use crate::served::Served;

/// Adds to a state what a site adds.
fn with_sites(mut status: Value) -> Value {
    let site = |name: &str, state: &str, position: u64, lag: u64| {
        json!({
            "name": name, "state": state, "position": position, "lag": lag, "members": 1200,
            "online": 7, "last_batch_s": 2.5
        })
    };
    status["site"] = json!({
        "name": "oslo", "lag": 1, "waiting_requests": 2,
        "engine": { "connected": true, "leader": "n2", "elections": 0 }
    });
    status["sites"] = json!([site("cairo", "silent", 1997, 4), site("oslo", "live", 2000, 1)]);
    status["rows"][0]["site"] = json!("oslo");
    status
}

#[test]
fn a_site_shows_all_sites_and_the_site_of_each_member() {
    let served = Served::start();
    let _sender = served.register_here("ann");
    let Some(page) = Page::open(&served) else { return };
    let has_table = "return document.getElementById('sites') !== null";
    if page.browser.script(has_table, &[]) != json!(true) {
        // Not `eprintln!`: the output of a test that succeeds is not shown.
        let line = "SKIPPED the table of sites: the coordinator has no feature engine";
        let _ = writeln!(std::io::stderr(), "{line}");
        return page.finish();
    }
    let hidden = "return document.getElementById('all-sites').hidden";
    assert_eq!(page.browser.script(hidden, &[]), json!(true), "a coordinator has no sites");
    let status = with_sites(served.status());
    page.hand("status", &status);
    assert_eq!(page.browser.script(hidden, &[]), json!(false));
    let cells = page.texts("#sites tbody tr > *");
    assert_eq!(
        cells,
        [
            "cairo",
            "silent",
            "1,997",
            "4 entries",
            "7 of 1,200 online",
            "2 s ago",
            "oslo (this site)",
            "live",
            "2,000",
            "1 entry",
            "7 of 1,200 online",
            "2 s ago",
        ]
    );
    let address = page.text("#members tbody tr > :nth-child(5)");
    assert!(address.ends_with(", oslo"), "{address}");
    page.until_shows(
        "#gauges",
        "In the engine, led by n2. 2 requests wait for it. 1 entry is not read.",
    );
    let states = "return [...document.querySelectorAll('#sites .state')].map(it => it.className)";
    let colours = page.browser.script(states, &[]);
    assert_eq!(colours, json!(["state offline", "state online"]), "silent, live");
    page.browser.picture("sites");
    // A site without a known position, and one site fewer.
    let mut update = update_of(&status);
    update["site"] = status["site"].clone();
    update["site"]["engine"]["connected"] = json!(false);
    update["sites"] = json!([status["sites"][1]]);
    update["sites"][0]["position"] = json!(null);
    page.hand("update", &update);
    assert_eq!(page.texts("#sites tbody tr > *")[2..4], ["not known", "not known"]);
    assert_eq!(page.texts("#sites tbody tr").len(), 1);
    page.until_shows("#gauges", "In the engine, not in reach.");
    page.finish();
}
